"""Many threads do everything at once, at random: every future ends and nothing hangs.

`LOKY_STORM_SECONDS` says for how long (2); `LOKY_STORM_SEED` repeats a choice of actions.
"""

from __future__ import annotations

import os
import random
import threading
import time
from concurrent.futures import CancelledError, Future, wait
from typing import Any

import pytest

from loky_executor import ExecutorError, ProcessPoolExecutor

SECONDS = float(os.environ.get("LOKY_STORM_SECONDS", "2"))
THREADS = 32


class _Storm:
    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.futures: list[Future[Any]] = []
        self.errors: list[BaseException] = []
        self.until = time.monotonic() + SECONDS
        self._lock = threading.Lock()
        self.executors = [self._new(), self._new()]

    def _new(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(2, on_crash="isolate", timeout=0.05)

    def run(self, number: int) -> None:
        """Act at random until time is up; for one thread."""
        chance = random.Random(self.seed * 1000 + number)
        while time.monotonic() < self.until:
            try:
                self._act(chance, self.executors[chance.randrange(2)])
            except (ExecutorError, CancelledError):
                pass  # somebody shut it down, or killed its workers
            except BaseException as error:
                self.errors.append(error)
                return

    def _act(self, chance: random.Random, executor: ProcessPoolExecutor) -> None:
        kind = chance.random()
        if kind < 0.55:
            self.futures += [executor.submit(abs, -n) for n in range(chance.randrange(1, 20))]
        elif kind < 0.70 and self.futures:
            future = chance.choice(self.futures)
            (future.cancel if chance.random() < 0.8 else future.kill)()  # type: ignore[attr-defined]
        elif kind < 0.85:
            numbers = range(chance.randrange(60))
            assert list(executor.map(abs, numbers, timeout=60)) == list(numbers)
        elif kind < 0.95:
            executor.resize(chance.randrange(1, 4), 0.05)
        elif kind < 0.97:
            self.futures.append(executor.options(timeout=0.01).submit(time.sleep, 0.02))
        else:
            self._replace(executor, chance.choice([{}, {"kill_workers": True}]))

    def _replace(self, executor: ProcessPoolExecutor, how: dict[str, bool]) -> None:
        with self._lock:
            if executor in self.executors:
                self.executors[self.executors.index(executor)] = self._new()
        executor.shutdown(wait=False, **how)


@pytest.mark.slow
@pytest.mark.faults
def test_a_storm() -> None:
    """32 threads submit, cancel, kill, map, resize and shut down."""
    seed = int(os.environ.get("LOKY_STORM_SEED", time.time_ns() % 10**6))
    storm = _Storm(seed)
    threads = [
        threading.Thread(target=storm.run, args=(number,), daemon=True) for number in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS + 60)
    assert not any(thread.is_alive() for thread in threads), f"seed {seed}"
    for executor in storm.executors:
        executor.shutdown()
    waiting = wait(storm.futures, 30).not_done
    assert (storm.errors, len(waiting)) == ([], 0), f"seed {seed}"
    print(f"seed {seed}: {len(storm.futures)} futures")  # noqa: T201 - to repeat it
