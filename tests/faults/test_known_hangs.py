"""What is known to hang or to harm users of loky 3.7: each case, and where it is tested.

Here and in `test_known_hangs_around.py` (warnings, logging, forks, environment):

- a worker killed while it sends a large result;
- more submits than a pipe holds wake-ups (16,384) while a done-callback submits;
- `shutdown(kill_workers=True)`, and a crash, where no processes can be listed.

Elsewhere:

- workers that survive a SIGKILLed parent with ``timeout=None``:
  `tests/executor/test_exit.py::test_workers_do_not_survive_their_parent`;
- an exception class that needs two arguments:
  `tests/executor/test_errors.py::test_an_exception_that_cannot_be_rebuilt`;
- SIGINT on a starting, an idle and a busy worker: `tests/executor/test_kill.py`;
- a failed initializer whose cause is not told: `tests/executor/test_initializer.py`;
- a slow callback that stalls all results:
  `tests/executor/test_futures.py::test_a_callback_that_blocks_stalls_no_result`.
"""

from __future__ import annotations

import threading
from concurrent.futures import wait
from typing import TYPE_CHECKING, Any

import pytest

from loky_executor import ProcessPoolExecutor, TerminatedWorkerError
from support import executor_tasks as tasks
from support.executor_scripts import run_code
from support.executor_waiting import all_gone, eventually

if TYPE_CHECKING:
    from concurrent.futures import Future

pytestmark = [pytest.mark.faults, pytest.mark.slow]

SECONDS = 30


@pytest.mark.parametrize("on_crash", ["break", "isolate"])
def test_a_worker_killed_while_it_sends_a_large_result(on_crash: str) -> None:
    """Its task gets an error and never half a result; with "isolate" the pool goes on."""
    with ProcessPoolExecutor(1, on_crash=on_crash) as executor:
        victim = executor.submit(b"x".__mul__, 600_000_000)
        assert eventually(lambda: _received(executor) > 1_000_000)
        [child] = executor._processes.values()
        child.kill()
        error = victim.exception(SECONDS)
        assert isinstance(error, TerminatedWorkerError)
        assert error.execution == "may have run"
        assert error.obituary is not None
        assert error.obituary.exitcode in {-9, 9}  # 9 on Windows
        assert executor.usable == (on_crash == "isolate")
        if executor.usable:
            assert executor.submit(abs, -1).result(SECONDS) == 1


def _received(executor: ProcessPoolExecutor) -> int:
    """Return how many bytes of answers have arrived, whole or not."""
    return sum(worker.received for worker in executor._pool._seats.workers())


def test_many_submits_while_a_callback_submits() -> None:
    """17,000 tasks, and 2,125 more from done-callbacks at the same time: none waits in vain."""
    again: list[Future[int]] = []
    with ProcessPoolExecutor(2) as executor:

        def submit_again(_: Future[int]) -> None:
            again.append(executor.submit(abs, -2))

        futures = []
        for number in range(17_000):
            futures.append(executor.submit(abs, -1))
            if number % 8 == 0:
                futures[-1].add_done_callback(submit_again)
        assert not wait(futures, SECONDS).not_done
        assert eventually(lambda: len(again) == 2_125)
        assert not wait(again, SECONDS).not_done
    assert {future.result() for future in futures} == {1}
    assert {future.result() for future in again} == {2}


def test_many_submits_while_a_callback_blocks() -> None:
    """The same number of tasks behind a callback that waits for the last of them."""
    submitted = threading.Event()
    with ProcessPoolExecutor(2) as executor:
        first = executor.submit(abs, -1)
        told: list[Any] = []
        last: list[Future[int]] = []

        def wait_for_the_last(_: Future[int]) -> None:
            submitted.wait(SECONDS)
            told.append(last[0].result(SECONDS))

        first.add_done_callback(wait_for_the_last)
        last[:] = [executor.submit(abs, -3) for _ in range(17_000)][-1:]
        submitted.set()
        assert eventually(lambda: told == [3])


NO_LISTING = """
    import os, signal, sys, time
    os.environ["PATH"] = ""  # neither pgrep nor ps
    import psutil

    def refuse(*_, **__):
        raise psutil.AccessDenied(1)

    psutil.process_iter = psutil.pids = psutil.Process.children = refuse
    from concurrent.futures import CancelledError
    from loky import ProcessPoolExecutor

    def pid_and_child():
        import subprocess
        words = [sys.executable, "-c", "import time; time.sleep(60)"]
        return os.getpid(), subprocess.Popen(words).pid
"""


def test_killing_workers_where_no_processes_are_listed() -> None:
    """`shutdown(kill_workers=True)` returns; the workers and what they started are gone."""
    program = """
    executor = ProcessPoolExecutor(1)
    pids = executor.submit(pid_and_child).result()
    busy = executor.submit(time.sleep, 60)
    executor.shutdown(kill_workers=True)
    try:
        error = busy.exception()
    except CancelledError as cancelled:  # it had not begun
        error = cancelled
    print(*pids, type(error).__name__)
    """
    first, second, error = run_code(NO_LISTING + program).split()
    assert error in {"WorkersKilledError", "CancelledError"}
    assert all_gone([int(first), int(second)], within=5)


def test_a_crash_where_no_processes_are_listed() -> None:
    """Is told at once, and what is left of the worker is gone."""
    program = """
    executor = ProcessPoolExecutor(1)
    pids = executor.submit(pid_and_child).result()
    waiting = [executor.submit(os.kill, pids[0], signal.SIGSEGV), executor.submit(abs, 1)]
    print(*pids, *{type(future.exception()).__name__ for future in waiting})
    """
    first, second, error = run_code(NO_LISTING + program).split()
    assert error == "TerminatedWorkerError"
    assert all_gone([int(first), int(second)], within=5)


def test_a_result_whose_class_cannot_be_rebuilt() -> None:
    """An exception with two required arguments, returned and not raised, costs its task only."""
    with ProcessPoolExecutor(1) as executor:
        future = executor.submit(tasks.TwoArgumentsError, 1, 2)
        assert isinstance(future.exception(SECONDS), TypeError)
        assert executor.submit(abs, -1).result(SECONDS) == 1
