"""Arguments that do what they should not while they are pickled, and what can be looked at."""

from __future__ import annotations

import os
import threading
from concurrent.futures import wait
from typing import TYPE_CHECKING, Any

import pytest

from loky_executor import (
    BrokenProcessPool,
    PicklingError,
    ProcessPoolExecutor,
    ShutdownExecutorError,
)
from support.executor_gate import Gate, pass_gate
from support.executor_scripts import run_code
from support.executor_waiting import all_gone, eventually

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = 20


class Hostile:
    """Runs something when it is pickled."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.act = act

    def __reduce__(self) -> tuple[Any, ...]:
        self.act()
        return int, (7,)


class StateRaises:
    """Its state cannot be had."""

    def __getstate__(self) -> object:
        raise LookupError("no state today")


class NeverEqual:
    """Comparing it is an error, and so is hashing it."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise AssertionError("compared")


class Connection:
    """Has a part that cannot be pickled."""

    def __init__(self) -> None:
        self.lock = threading.Lock()


def test_a_reduce_that_raises_fails_its_own_task(single: ProcessPoolExecutor) -> None:
    """The error is the task's; those beside it are run."""

    def refuse() -> None:
        raise OverflowError("not me")

    bad = single.submit(abs, Hostile(refuse))
    assert single.submit(abs, -2).result(SECONDS) == 2
    assert isinstance(bad.exception(SECONDS), OverflowError)


def test_a_reduce_that_exits_ends_nobody(single: ProcessPoolExecutor) -> None:
    """`SystemExit` in pickling is the task's error, not the end of a thread."""

    def leave() -> None:
        raise SystemExit(3)

    assert isinstance(single.submit(abs, Hostile(leave)).exception(SECONDS), SystemExit)
    assert single.submit(abs, -2).result(SECONDS) == 2


def test_a_reduce_that_submits_to_the_same_executor(single: ProcessPoolExecutor) -> None:
    """It may: pickling holds nothing."""
    inner = []
    outer = single.submit(abs, Hostile(lambda: inner.append(single.submit(abs, -3))))
    assert outer.result(SECONDS) == 7
    assert [future.result(SECONDS) for future in inner] == [3]


def test_a_reduce_that_hangs_holds_up_nothing_that_was_sent(
    single: ProcessPoolExecutor, gate: Gate
) -> None:
    """The thread that pickles hangs; the reactor, and tasks of other threads, go on."""
    release = threading.Event()
    thread = threading.Thread(
        target=lambda: single.submit(abs, Hostile(lambda: release.wait(SECONDS)))
    )
    thread.start()
    try:
        assert single.submit(abs, -2).result(SECONDS) == 2
    finally:
        release.set()
        thread.join()


def test_a_reduce_that_shuts_the_executor_down(single: ProcessPoolExecutor) -> None:
    """The task came too late, and is told so: whoever waits for it does not wait for ever."""
    future = single.submit(abs, Hostile(single.shutdown))
    assert isinstance(future.exception(SECONDS), ShutdownExecutorError)


def test_a_reduce_that_breaks_the_executor(single: ProcessPoolExecutor) -> None:
    """The same if there is nothing left of it but a broken one."""

    def break_it() -> None:
        single.submit(os._exit, 1).exception(SECONDS)
        single.shutdown()

    future = single.submit(abs, Hostile(break_it))
    assert isinstance(future.exception(SECONDS), BrokenProcessPool)


def test_a_state_that_cannot_be_had(single: ProcessPoolExecutor) -> None:
    """`__getstate__` raising is the task's error."""
    assert isinstance(single.submit(abs, StateRaises()).exception(SECONDS), LookupError)


def test_arguments_are_never_compared_nor_hashed(single: ProcessPoolExecutor) -> None:
    """What cannot be compared or hashed travels like anything else."""
    assert single.submit(type, NeverEqual()).result(SECONDS).__name__ == "NeverEqual"


def test_the_path_to_the_culprit(single: ProcessPoolExecutor) -> None:
    """The error names where in the call the part sits that cannot be pickled."""
    error = single.submit(print, 1, Connection()).exception(SECONDS)
    assert isinstance(error, PicklingError)
    assert error.path == "args[1].lock"
    assert "args[1].lock" in str(error)


def test_with_job_reducers_one_thread_encodes() -> None:
    """All tasks are pickled by the feeder, never by those who submit."""
    threads = set()

    def note() -> None:
        threads.add(threading.current_thread().name)

    with ProcessPoolExecutor(2, job_reducers={complex: lambda z: (complex, (z.real,))}) as executor:
        futures = [executor.submit(abs, Hostile(note)) for _ in range(20)]
        wait(futures, SECONDS)
        assert executor.submit(abs, complex(3, 4)).result(SECONDS) == 3.0
    (name,) = threads
    assert name.endswith("-feeder")


def test_a_free_worker_does_not_wait_until_the_next_task_is_pickled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The feeder tells of a task at once, however long the next one takes, if somebody is free.

    1. The feeder has two tasks to pickle, and collects what it has to tell, so as not to wake the
    reactor for each. 2. The first is pickled in no time (of a coarse clock, in less than one tick).
    3. The second takes long. The first lay there all the while, beside an idle worker.
    """
    monkeypatch.setattr("loky_executor._staff._LOOK_EVERY", 3600.0)  # it wakes the reactor too
    held, answered = threading.Event(), threading.Event()
    in_time: list[bool] = []
    slow = Hostile(lambda: in_time.append(answered.wait(SECONDS)))
    with ProcessPoolExecutor(1, job_reducers={complex: lambda z: (complex, (z.real,))}) as executor:
        assert executor.submit(abs, -1).result(SECONDS) == 1
        executor._pool._reactor.call(held.wait)  # so that the feeder gets both at once
        first, second = executor.submit(abs, -2), executor.submit(abs, slow)
        first.add_done_callback(lambda _: answered.set())
        held.set()
        assert (first.result(SECONDS), second.result(SECONDS)) == (2, 7)
    assert in_time == [True]


def test_what_can_be_looked_at(single: ProcessPoolExecutor, gate: Gate) -> None:
    """Processes, flags, workers, statistics and their meaning in words."""
    future = single.submit(pass_gate, gate.port)
    (pid,) = gate.arrivals()
    (info,) = single.workers()
    assert list(single._processes) == [pid]
    assert (info.pid, info.state, info.tasks) == (pid, "ready", 1)
    assert (single._flags.broken, single._flags.shutdown) == (None, False)
    gate.let_through(pid)
    future.result(SECONDS)
    assert eventually(lambda: single.stats().answered == 1)
    stats = single.stats()
    assert (stats.submitted, stats.failed) == (1, 0)
    assert "running the tasks" in single.explain()
    single.shutdown()
    assert single._flags.shutdown


@pytest.mark.slow
@pytest.mark.parametrize("daemon", [True, False])
def test_a_thread_that_exits_while_its_tasks_run(daemon: bool) -> None:
    """`sys.exit` in a thread ends that thread; its tasks are finished all the same."""
    program = f"""
    import sys, threading
    from loky_executor import ProcessPoolExecutor
    executor = ProcessPoolExecutor(2)
    futures = []

    def work():
        futures.extend(executor.submit(abs, -n) for n in range(5))
        sys.exit(1)

    thread = threading.Thread(target=work, daemon={daemon})
    thread.start()
    thread.join()
    print([future.result() for future in futures])
    """
    assert run_code(program) == "[0, 1, 2, 3, 4]\n"


@pytest.mark.slow
def test_a_worker_that_exits_with_an_executor_of_its_own() -> None:
    """A nested executor that nobody shut down does not keep its worker, nor its workers."""
    program = """
    from loky_executor import ProcessPoolExecutor

    def nest():
        global inner
        inner = ProcessPoolExecutor(1)
        return inner.submit(abs, -5).result(), list(inner._processes)

    with ProcessPoolExecutor(1) as outer:
        value, pids = outer.submit(nest).result()
    print(value, *pids)
    """
    value, pid = run_code(program).split()
    assert value == "5"
    assert all_gone([int(pid)])
