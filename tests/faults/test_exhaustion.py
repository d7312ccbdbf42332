"""Nothing is left of what a pool needs: a clear error or slower service, never a hang.

A clock that jumps: `tests/reusable/test_idle.py`, and below with time limits.
"""

from __future__ import annotations

import ast
import errno
import itertools
import os
import subprocess
import sys
import time
from concurrent.futures import Future, wait
from typing import Any

import pytest

from loky_executor import ProcessPoolExecutor, TaskTimeoutError, WorkerStartError
from support.executor_scripts import run_code, start_code
from support.fault_programs import as_another_user

pytestmark = [
    pytest.mark.faults,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="limits are those of Linux"),
]

SECONDS = 30
START = """
    import os, resource, sys, time
    from collections import Counter
    from concurrent.futures import wait
    from loky import ProcessPoolExecutor

    def descriptors():
        found = set()
        for name in os.listdir("/proc/self/fd"):
            try:
                found.add((name, os.readlink(f"/proc/self/fd/{name}")))
            except FileNotFoundError:
                pass  # that of the listing
        return found

    def limit(what, number):
        resource.setrlimit(what, (number, resource.getrlimit(what)[1]))

    def word(future):
        error = future.exception(30)
        return future.result() if error is None else type(error).__name__

    def words(futures):
        return dict(Counter(map(word, futures)))
"""


def _no_descriptors(free: int) -> str:
    return f"""
    with ProcessPoolExecutor(1) as executor:
        executor.submit(abs, -1).result()
    before = descriptors()
    lowest = os.dup(0)
    os.close(lowest)
    usual = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    limit(resource.RLIMIT_NOFILE, lowest + {free})
    try:
        with ProcessPoolExecutor(3) as executor:
            print(words([executor.submit(abs, -1) for _ in range(50)]))
    except OSError as error:
        print(error.errno)
    limit(resource.RLIMIT_NOFILE, usual)
    with ProcessPoolExecutor(1) as executor:
        print(executor.submit(abs, -2).result())
    print(descriptors() - before)
    """


def test_no_descriptors_left() -> None:
    """Whatever the number that is free: an error that says so, or fewer workers; none is left."""
    programs = {free: start_code(START + _no_descriptors(free)) for free in (1, 4, 9, 14, 20)}
    told = {free: program.communicate(timeout=60)[0] for free, program in programs.items()}
    assert told[1] == f"{errno.EMFILE}\n2\nset()\n"
    for free in (4, 9, 14):
        assert told[free] in {"{'WorkerStartError': 50}\n2\nset()\n", "{1: 50}\n2\nset()\n"}
    assert told[4].startswith("{'WorkerStartError'")
    assert told[20] == "{1: 50}\n2\nset()\n"


def test_no_descriptors_left_while_it_runs() -> None:
    """The workers there are go on, large data goes through the stream; later there are more."""
    program = """
    import pickle
    executor = ProcessPoolExecutor(2)
    executor.submit(abs, -1).result()
    while len(executor.workers()) != 1:
        time.sleep(0.001)
    taken = []
    try:
        while True:
            taken.append(os.dup(0))
    except OSError:
        pass
    block = bytearray(b"x") * 5_000_000
    futures = [executor.submit(len, pickle.PickleBuffer(block)) for _ in range(4)]
    futures += [executor.submit(bytearray, 3_000_000) for _ in range(2)]
    futures += [executor.submit(abs, -1) for _ in range(100)]
    print([word(future) for future in futures[:4]], [len(word(future)) for future in futures[4:6]])
    print(words(futures[6:]), len(executor.workers()))
    for fd in taken:
        os.close(fd)
    while len(executor.workers()) != 2:
        executor.submit(time.sleep, 0.01), executor.submit(time.sleep, 0.01).result()
    executor.shutdown()
    """
    limited = START + "    limit(resource.RLIMIT_NOFILE, 200)\n" + program
    assert run_code(limited, seconds=60) == (
        "[5000000, 5000000, 5000000, 5000000] [3000000, 3000000]\n{1: 100} 1\n"
    )


def _no_processes(most: int) -> str:
    return f"""
    limit(resource.RLIMIT_NPROC, {most})
    called = []
    try:
        with ProcessPoolExecutor(3) as executor:
            futures = [executor.submit(abs, -1) for _ in range(50)]
            for future in futures:
                future.add_done_callback(called.append)
            print(words(futures))
    except RuntimeError as error:
        print(type(error).__name__)
        futures = []
    while len(called) < len(futures):
        time.sleep(0.001)
    """


@pytest.mark.parametrize("most", range(1, 10))
def test_no_processes_left(most: int) -> None:
    """Threads count as well: errors that say so, or fewer workers; every callback is called.

    A thread that is needed waits, some seconds, until another one has left.
    """
    told = run_code(START + _no_processes(most), wrapper=as_another_user(), seconds=60)
    refused = {"RuntimeError\n", "BrokenProcessPool\n"}
    if told not in refused:  # then every task ended: answered, or with the reason
        ends = ast.literal_eval(told)
        assert set(ends) <= {1, "WorkerStartError", "BrokenProcessPool"}
        assert sum(ends.values()) == 50
    if most == 1:
        assert told == "RuntimeError\n"
    if most == 9:
        assert told == "{1: 50}\n"


@pytest.mark.parametrize("seed", [1, 2])
def test_processes_that_fail_to_start_now_and_then(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EAGAIN for two of three starts costs time and nothing else."""
    turns = itertools.count(seed)
    start = subprocess.Popen.__init__

    def flaky(self: subprocess.Popen[bytes], *words: Any, **options: Any) -> None:
        if next(turns) % 3:
            self.returncode = 0  # for its __del__
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        start(self, *words, **options)

    monkeypatch.setattr(subprocess.Popen, "__init__", flaky)
    with ProcessPoolExecutor(3, max_tasks_per_child=5) as executor:
        futures = [executor.submit(abs, -number) for number in range(60)]
        assert [future.result(SECONDS) for future in futures] == list(range(60))


def test_processes_that_never_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """ENOMEM for every start ends every task with an error that says so, after some tries."""

    def refuse(self: subprocess.Popen[bytes], *_: Any, **__: Any) -> None:
        self.returncode = 0
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    monkeypatch.setattr(subprocess.Popen, "__init__", refuse)
    with ProcessPoolExecutor(2) as executor:
        futures = [executor.submit(abs, -number) for number in range(20)]
        assert not wait(futures, SECONDS).not_done
        for error in [future.exception() for future in futures]:
            assert isinstance(error, WorkerStartError)
            assert "Cannot allocate memory" in str(error)


def test_no_memory_for_segments() -> None:
    """Files may not grow, anonymous ones neither: large data goes through the stream."""
    program = """
    import pickle
    limit(resource.RLIMIT_FSIZE, 1 << 20)
    block = bytearray(b"x") * 20_000_000
    with ProcessPoolExecutor(1) as executor:
        for _ in range(3):
            copy = executor.submit(bytearray, pickle.PickleBuffer(block)).result()
            print(copy == block, end=" ")
    """
    assert run_code(START + program) == "True True True "


def test_no_memory_for_what_workers_are_started_with() -> None:
    """An initializer that does not fit is an error that says so."""
    program = """
    limit(resource.RLIMIT_FSIZE, 1 << 20)
    with ProcessPoolExecutor(1, initializer=len, initargs=(bytes(5_000_000),)) as executor:
        error = executor.submit(abs, -1).exception()
        print(type(error).__name__, "File too large" in str(error))
    """
    assert run_code(START + program) == "WorkerStartError True\n"


@pytest.mark.parametrize("kind", ["bytes", "bytearray"])
def test_no_memory_for_a_result(kind: str) -> None:
    """A result that the parent has no room for is an error, and a new executor works."""
    program = f"""
    import pickle
    class Large:
        def __reduce_ex__(self, protocol):
            return {kind}, (pickle.PickleBuffer(bytearray(900_000_000)),)

    class Small:
        def __reduce_ex__(self, protocol):
            return len, (pickle.PickleBuffer(bytearray(2_000_000)),)

    def make(large):
        return Large() if large else Small()

    executor = ProcessPoolExecutor(1)
    print(executor.submit(make, False).result())
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    limit(resource.RLIMIT_AS, used + 400_000_000)
    error = executor.submit(make, True).exception()
    print(any(word in f"{{error!r}} {{error.__cause__!r}}" for word in ("Memory", "memory")))
    limit(resource.RLIMIT_AS, resource.RLIM_INFINITY)
    executor.shutdown()
    with ProcessPoolExecutor(1) as executor:
        print(executor.submit(abs, -1).result())
    """
    assert run_code(START + program, seconds=60) == "2000000\nTrue\n1\n"


def test_a_clock_that_jumps_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look at the clock finds it minutes later: tasks end, in time or with that error."""
    looks = itertools.count()
    now = time.monotonic
    with ProcessPoolExecutor(2, on_crash="isolate", timeout=100) as executor:
        assert executor.submit(abs, -1).result(SECONDS) == 1
        monkeypatch.setattr(time, "monotonic", lambda: now() + 300 * next(looks))
        view = executor.options(timeout=1000)
        futures: list[Future[Any]] = [view.submit(abs, -number) for number in range(50)]
        futures += [executor.submit(os.getpid) for _ in range(50)]
        # Not with a timeout of ours: that clock would end it.
        errors = [future.exception() for future in futures]
    assert {type(error) for error in errors} <= {type(None), TaskTimeoutError}
