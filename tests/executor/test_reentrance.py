"""Code that strikes in the middle of ours: finalizers, signal handlers, exits, forks.

Each runs in a program of its own: a deadlock there is a failure here.
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

import pytest

from support.executor_scripts import run_code
from support.executor_waiting import eventually

if TYPE_CHECKING:
    from loky_executor import ProcessPoolExecutor

START = """
    import faulthandler
    faulthandler.dump_traceback_later(10, exit=True)
    import os, signal, sys, threading, time
    from concurrent.futures import BrokenExecutor, wait
    from loky import ProcessPoolExecutor
    executor = ProcessPoolExecutor(1)
"""


@pytest.mark.slow
def test_a_finalizer_that_submits() -> None:
    """An object whose `__del__` submits, struck while the pool lets go of it, does no harm."""
    program = """
    futures = []

    class Submits:
        def __init__(self):
            self.itself = self  # only the garbage collector finds it
        def __del__(self):
            if len(futures) < 200:
                futures.append(executor.submit(abs, -1))

    import gc
    gc.set_threshold(5)
    number = 0
    while number < 200 or not futures:  # none strikes as long as another thread collects
        number += 1
        Submits()
        executor.submit(abs, number)
    gc.set_threshold(700)
    gc.collect()  # those that are left would strike after the shutdown
    print(len(futures) > 0, {future.result() for future in list(futures)})
    executor.shutdown()
    """
    assert run_code(START + program) == "True {1}\n"


@pytest.mark.slow
def test_a_signal_handler_that_submits() -> None:
    """A handler that submits at any moment neither deadlocks nor loses a task."""
    program = """
    futures = []
    signal.signal(signal.SIGALRM, lambda *_: futures.append(executor.submit(abs, -1)))
    others = []
    for number in range(2000):
        signal.setitimer(signal.ITIMER_REAL, 0.00002 * (1 + number % 40))
        others.append(executor.submit(abs, -number))
    results = [future.result(8) for future in others]
    print(results == list(range(2000)), {future.result(8) for future in futures})
    executor.shutdown()
    """
    assert run_code(START + program) == "True {1}\n"


@pytest.mark.slow
def test_a_handler_that_strikes_within_a_wake() -> None:
    """A handler that submits while its own thread is waking the reactor."""
    program = """
    executor.submit(abs, 1).result()
    reactor, struck = executor._pool._reactor, []
    wake = reactor.wake

    def interrupted_wake():
        if threading.current_thread() is threading.main_thread() and not struck:
            struck.append(None)
            struck[0] = executor.submit(abs, -9)  # what a signal handler may do here
        wake()

    reactor.wake = interrupted_wake
    print(executor.submit(abs, -3).result(), struck[0].result())
    executor.shutdown()
    """
    assert run_code(START + program) == "3 9\n"


@pytest.mark.slow
def test_a_finalizer_that_submits_while_somebody_waits() -> None:
    """`wait` holds the conditions of its futures: a submit from there needs none of them."""
    program = """
    gate_reader, gate = os.pipe()
    path = f"/proc/{os.getpid()}/fd/{gate_reader}"
    first = executor.submit(lambda: open(path, "rb").read(1))
    second = executor.submit(abs, -2)
    with second._condition:  # what `wait` holds when the garbage collector strikes there
        os.write(gate, b"!")
        first.result()
        time.sleep(0.1)  # the pool wants to send the second task now
        third = executor.submit(abs, -3)
    print(second.result(), third.result())
    executor.shutdown()
    """
    if sys.platform != "linux":
        pytest.skip("the gate is a pipe opened through /proc")
    assert run_code(START + program) == "2 3\n"


@pytest.mark.slow
def test_pickling_that_exits_loses_no_other_task() -> None:
    """A `__reduce__` that calls sys.exit() in whoever's thread costs its own task only."""
    program = """
    class Exits:
        def __reduce__(self):
            sys.exit(3)

    held = [executor.submit(time.sleep, 0.2) for _ in range(3)]
    bad, good = executor.submit(id, Exits()), executor.submit(abs, -1)
    try:
        executor.resize(3, None)  # encodes further ahead
    except SystemExit:
        pass
    done, waiting = wait([*held, bad, good], timeout=5)
    print(len(done), len(waiting), type(bad.exception(0)).__name__)
    executor.shutdown()
    """
    assert run_code(START + program) == "5 0 SystemExit\n"


@pytest.mark.slow
@pytest.mark.parametrize("pause", [0.003, 0.0071, 0.011])
def test_an_interrupted_submit_loses_no_other_task(pause: float) -> None:
    """An exception from a signal handler, struck in `submit`, leaves no accepted task waiting."""
    program = f"""
    class Struck(Exception):
        pass

    def strike(*_):
        raise Struck

    executor.submit(abs, -1).result()  # imports are done: none is struck half way
    signal.signal(signal.SIGALRM, strike)
    futures = []
    for _ in range(12):
        try:
            signal.setitimer(signal.ITIMER_REAL, {pause})
            for _ in range(2000):  # an exception that strikes in pickling is told by the future
                futures.append(executor.submit(abs, -1))
        except (Struck, BrokenExecutor):
            pass
    signal.setitimer(signal.ITIMER_REAL, 0)
    print(len(wait(futures, timeout=5).not_done), flush=True)
    os._exit(0)
    """
    assert run_code(START + program) == "0\n"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_copy_cannot_touch_the_workers() -> None:
    """`shutdown` in a forked child ends nothing of its parent's; submitting there is refused."""
    program = """
    import warnings
    warnings.simplefilter("ignore", DeprecationWarning)
    pid = executor.submit(os.getpid).result()
    while "0 busy, 1 idle" not in repr(executor):
        time.sleep(0.001)
    if not (child := os.fork()):
        try:
            executor.submit(abs, 1)
        except RuntimeError as error:
            refused = "forked" in str(error)
        executor.shutdown(wait=True)
        with ProcessPoolExecutor(1) as other:
            os._exit(10 * refused + other.submit(abs, -1).result())
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    time.sleep(0.1)
    print(executor.submit(os.getpid).result() == pid)
    executor.shutdown()
    """
    assert run_code(START + program) == "11\nTrue\n"


@pytest.mark.slow
def test_a_crash_at_exit() -> None:
    """A worker that dies when the interpreter already shuts down breaks the pool, and no hang."""
    program = """
    executor.submit(time.sleep, 0.2)
    executor.submit(os._exit, 1).add_done_callback(
        lambda future: print(type(future.exception()).__name__, flush=True)
    )
    """
    assert run_code(START + program) == "TerminatedWorkerError\n"


def test_resizes_do_not_pile_up(single: ProcessPoolExecutor) -> None:
    """Of those that come before the reactor does the latest counts: a flood holds up nobody.

    1. Threads resized without pause, faster than the reactor took it. 2. A worker's process was
    there, and the news lay behind millions of resizes: its first task came half a minute late.
    """
    held = threading.Event()
    single._pool._reactor.call(held.wait)
    for number in range(1, 401):
        single.resize(number, None)
    assert len(single._pool._inbox) == 0
    held.set()
    assert eventually(lambda: single.max_workers == 400)
    assert single.submit(abs, -1).result() == 1
