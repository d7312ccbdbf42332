"""The measures: each takes an open pool and returns numbers, seconds unless the name says else."""

from __future__ import annotations

import gc
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from suite import tasks

if TYPE_CHECKING:
    from collections.abc import Callable

    from suite.contenders import Futures

now = time.perf_counter
ECHO = "import os\nwhile data := os.read({0}, 64): os.write({0}, data)"


def _repeat(step: Callable[[], object], most: int, seconds: float) -> list[float]:
    """Time a step so many times, or until the seconds are over."""
    times: list[float] = []
    end = now() + seconds
    while len(times) < most and (now() < end or len(times) < 3):
        start = now()
        step()
        times.append(now() - start)
    return times


def _trips(step: Callable[[], object], trips: int) -> dict[str, float]:
    _repeat(step, 200, 0.3)
    times = _repeat(step, trips, 1.0)
    return {"us": statistics.median(times) * 1e6}


def _pin(processor: int, pid: int = 0) -> None:
    if hasattr(os, "sched_setaffinity"):
        allowed = sorted(os.sched_getaffinity(pid))
        os.sched_setaffinity(pid, {allowed[processor % len(allowed)]})


def ping_pong(trips: int, *, together: bool) -> dict[str, float]:
    """Send one byte to another bare Python and wait until it comes back.

    Both on one processor take a tenth of the time they need on two, so each is measured apart.
    """
    ours, theirs = socket.socketpair()
    code = ECHO.format(theirs.fileno())
    child = subprocess.Popen([sys.executable, "-c", code], pass_fds=[theirs.fileno()])
    theirs.close()
    _pin(0 if together else 1, child.pid)
    _pin(0)

    def step() -> None:
        ours.send(b"x")
        ours.recv(64)

    numbers = _trips(step, trips)
    ours.close()
    child.wait()
    return numbers


def round_trip(pool: Futures, trips: int) -> dict[str, float]:
    """Wait for one empty task at a time."""
    return _trips(lambda: pool.result(pool.submit(tasks.empty)), trips)


def submit_many(pool: Futures, count: int) -> dict[str, float]:
    """Submit empty tasks in a loop, then wait for all."""
    _warm(pool)
    start = now()
    handles = [pool.submit(tasks.empty) for _ in range(count)]
    submitted = now()
    for handle in handles:
        pool.result(handle)
    done = now()
    return {"submitted_per_s": count / (submitted - start), "done_per_s": count / (done - start)}


def map_many(pool: Futures, count: int) -> dict[str, float]:
    """Map a function that gives its argument back, with default arguments."""
    _warm(pool)
    start = now()
    results = pool.map(tasks.echo, range(count))
    seconds = now() - start
    if results != list(range(count)):
        raise RuntimeError("wrong results")
    return {"items_per_s": count / seconds}


def _array(size: int) -> Any:
    import numpy as np

    return np.full(size, 7, dtype=np.uint8)


def array_trip(pool: Futures, size: int) -> dict[str, float]:
    """Send an array there and back; the first time apart, as its memory is fresh."""
    array = _array(size)
    start = now()
    back = pool.result(pool.submit(tasks.echo, array))
    first = now() - start
    if back.nbytes != size or int(back[-1]) != 7:
        raise RuntimeError("what came back is not what was sent")
    del back
    times = _repeat(lambda: pool.result(pool.submit(tasks.echo, array)), 7, 1.5)
    return {"first_s": first, "seconds": statistics.median(times)}


def _fifty(pool: Futures, task: Any, argument: Any) -> None:
    if pool.submits:
        handles = [pool.submit(task, argument) for _ in range(50)]
        sums = [pool.result(handle) for handle in handles]
    else:
        sums = pool.map(task, [argument] * 50)
    if sums != [14.0] * 50:
        raise RuntimeError("wrong results")


def array_argument(pool: Futures, size: int) -> dict[str, float]:
    """Give the same array to 50 tasks."""
    array = _array(size)
    start = now()
    _fifty(pool, tasks.ends, array)
    return {"seconds": now() - start}


def array_handle(pool: Futures, size: int) -> dict[str, float]:
    """Give the same array to 50 tasks by a handle; placing it counts."""
    array = _array(size)
    start = now()
    _fifty(pool, pool.ends_of_handle, pool.share(array))
    return {"seconds": now() - start}


def _own_memory() -> int:
    import psutil

    gc.collect()
    return int(psutil.Process().memory_full_info().uss)


def pending(pool: Futures, count: int) -> dict[str, float]:
    """Queue empty tasks behind tasks that hold all workers; then let them run."""
    with tempfile.TemporaryDirectory() as folder:
        gate = Path(folder) / "open"
        gates = [pool.submit(tasks.wait_for, str(gate)) for _ in range(pool.workers)]
        time.sleep(0.5)
        before = _own_memory()
        start = now()
        handles = [pool.submit(tasks.empty) for _ in range(count)]
        submitted = now()
        after = _own_memory()
        gate.touch()
        released = now()
        for handle in gates + handles:
            pool.result(handle)
        done = now()
    return {
        "submit_us_per_task": (submitted - start) / count * 1e6,
        "total_us_per_task": (submitted - start + done - released) / count * 1e6,
        "bytes_per_task": (after - before) / count,
    }


def crash(pool: Futures, _: int) -> dict[str, float]:
    """End a worker from inside a task: seconds to the error, and to the next good result."""
    _warm(pool)
    start = now()
    try:
        pool.result(pool.submit(tasks.die))
    except Exception as error:  # noqa: BLE001 - whatever the contender raises
        name = type(error).__name__
    else:
        raise RuntimeError("the crash went unnoticed")
    failed = now()
    pool.renew()
    pool.result(pool.submit(tasks.empty))
    print(f"the error was {name}", file=sys.stderr)
    return {"error_s": failed - start, "next_s": now() - start}


def _warm(pool: Futures) -> set[int]:
    """Have every worker up; return their pids."""
    pids: set[int] = set()
    deadline = now() + 30
    while len(pids) < pool.workers and now() < deadline:
        if pool.submits:
            handles = [pool.submit(tasks.pid, 0.05) for _ in range(pool.workers)]
            pids.update(pool.result(handle) for handle in handles)
        else:
            pids.update(pool.map(tasks.pid, [0.05] * pool.workers))
    return pids


def idle(pool: Futures, _: int) -> dict[str, float]:
    """Look at an idle pool: memory of a worker that no other process shares; other processes."""
    import psutil

    pids = _warm(pool)
    time.sleep(0.5)
    sizes = [psutil.Process(pid).memory_full_info().uss for pid in pids]
    family = {child.pid for child in psutil.Process().children(recursive=True)}
    if not pool.workers_are_children:
        time.sleep(1)
    return {"worker_mb": statistics.median(sizes) / 1e6, "extra": len(family - pids)}


def mixed(pool: Futures, milliseconds: int) -> dict[str, float]:
    """Run a long task among 10,000 of 100 us, and compare with the best possible makespan."""
    long, short, count = milliseconds / 1000, 1e-4, 10_000
    _warm(pool)
    durations = [short] * 10 + [long] + [short] * (count - 10)
    start = now()
    if pool.submits:
        handles = [pool.submit(tasks.work, duration) for duration in durations]
        for handle in handles:
            pool.result(handle)
    else:
        pool.map(tasks.work, durations)
    ideal = max(long, (long + count * short) / pool.workers)
    return {"ratio": (now() - start) / ideal}


def growth_workers(pool: Futures, _: int) -> dict[str, float]:
    """Start all workers at once: seconds beyond the one second that each of their tasks takes."""
    start = now()
    handles = [pool.submit(tasks.pid, 1.0) for _ in range(pool.workers)]
    pids = {pool.result(handle) for handle in handles}
    if len(pids) != pool.workers:
        print(f"{len(pids)} workers for {pool.workers} tasks", file=sys.stderr)
    return {"seconds": now() - start - 1.0}


def growth_payload(pool: Futures, size: int) -> dict[str, float]:
    """Send so many bytes there and back."""
    array = _array(size)
    step = lambda: pool.result(pool.submit(tasks.echo, array))  # noqa: E731 - one expression
    step()
    return {"us": statistics.median(_repeat(step, 300, 1.0)) * 1e6}


PROBES: dict[str, Callable[[Futures, int], dict[str, float]]] = {
    "round_trip": round_trip,
    "submit_many": submit_many,
    "map_many": map_many,
    "array_trip": array_trip,
    "array_argument": array_argument,
    "array_handle": array_handle,
    "pending": pending,
    "crash": crash,
    "idle": idle,
    "mixed": mixed,
    "growth_workers": growth_workers,
    "growth_payload": growth_payload,
}
