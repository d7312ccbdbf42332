"""`get_reusable_executor`: when it is the same one, and when another."""

from __future__ import annotations

import gc
import os
import threading
from pickle import PicklingError
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import pytest

from loky_reusable import TerminatedWorkerError, get_reusable_executor
from support import executor_tasks as tasks
from support.executor_gate import pass_gate
from support.executor_waiting import all_gone

if TYPE_CHECKING:
    from support.executor_gate import Gate

SECONDS = 30


def test_the_same_arguments_give_the_same_executor() -> None:
    """Asking again returns what there is."""
    assert get_reusable_executor(2) is get_reusable_executor(2)


def test_workers_are_reused() -> None:
    """The process of the first task runs the second one."""
    first = get_reusable_executor(1).submit(os.getpid).result(SECONDS)
    assert get_reusable_executor(1).submit(os.getpid).result(SECONDS) == first


def test_another_size_resizes(gate: Gate) -> None:
    """A larger size takes effect at once, without waiting for running tasks."""
    executor = get_reusable_executor(1)
    futures = [executor.submit(pass_gate, gate.port, number) for number in range(3)]
    gate.arrivals(1)
    assert get_reusable_executor(3) is executor
    gate.arrivals(2)
    gate.open()
    assert [future.result(SECONDS) for future in futures] == [0, 1, 2]


def test_a_smaller_size_lets_surplus_workers_go(gate: Gate) -> None:
    """After shrinking only as many workers as allowed remain."""
    executor = get_reusable_executor(3)
    futures = [executor.submit(pass_gate, gate.port, number) for number in range(3)]
    pids = gate.arrivals(3)
    assert get_reusable_executor(1) is executor
    gate.let_through(pids[0])
    gate.let_through(pids[1])
    assert all_gone(pids[:2])
    gate.open()
    assert [future.result(SECONDS) for future in futures] == [0, 1, 2]
    assert executor.submit(os.getpid).result(SECONDS) == pids[2]


def test_another_timeout_keeps_the_executor() -> None:
    """The idle timeout can be changed without starting anew."""
    assert get_reusable_executor(1, timeout=5) is get_reusable_executor(1, timeout=None)


def test_a_broken_executor_is_replaced() -> None:
    """After a crash the next call gives one that works."""
    broken = get_reusable_executor(1)
    error = broken.submit(os._exit, 1).exception(SECONDS)
    assert type(error) is TerminatedWorkerError
    fresh = get_reusable_executor(1)
    assert fresh is not broken
    assert fresh.submit(abs, -1).result(SECONDS) == 1


def test_an_executor_that_was_shut_down_is_replaced() -> None:
    """After `shutdown` or `with` the next call gives one that works."""
    with get_reusable_executor(1) as executor:
        pass
    fresh = get_reusable_executor(1)
    assert fresh is not executor
    assert fresh.submit(abs, -1).result(SECONDS) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        {"initializer": tasks.prepare},
        {"initializer": tasks.prepare, "initargs": (1,)},
        {"env": {"EXECUTOR_TEST_REUSE": "1"}},
    ],
)
def test_other_arguments_give_another_executor(arguments: dict[str, Any]) -> None:
    """What workers were started with cannot be changed: another executor takes over."""
    before = get_reusable_executor(1)
    after = get_reusable_executor(1, **arguments)
    try:
        assert after is not before
        assert get_reusable_executor(1, **arguments) is after
    finally:
        before.shutdown()


def test_equal_initargs_are_the_same_arguments() -> None:
    """Values that are equal and were made anew each time do not start a new pool each time."""
    first, second = (int(digits) for digits in ["123456", "123456"])
    executor = get_reusable_executor(1, initializer=tasks.prepare, initargs=(first,))
    again = get_reusable_executor(1, initializer=tasks.prepare, initargs=(second,))
    try:
        assert again is executor
    finally:
        executor.shutdown()


def test_an_array_in_initargs() -> None:
    """Arguments whose comparison gives no truth value can be reused as well."""
    numpy = pytest.importorskip("numpy")
    array = numpy.arange(10)
    arguments: dict[str, Any] = {"initializer": tasks.prepare, "initargs": (array,)}
    executor = get_reusable_executor(1, **arguments)
    assert get_reusable_executor(1, **arguments) is executor
    ((received,),) = executor.submit(tasks.prepared).result(SECONDS)
    assert received.tolist() == list(range(10))


def test_a_replaced_executor_serves_who_holds_it(gate: Gate) -> None:
    """No thread's executor dies under it: it finishes its tasks and takes new ones."""
    old = get_reusable_executor(1)
    future = old.submit(pass_gate, gate.port, "old")
    gate.arrivals()
    new = get_reusable_executor(1, env={"EXECUTOR_TEST_REUSE": "1"})
    gate.open()
    assert future.result(SECONDS) == "old"
    assert (old.submit(abs, -1).result(SECONDS), new.submit(abs, -2).result(SECONDS)) == (1, 2)
    old.shutdown()


def test_a_replaced_executor_that_nobody_holds_finishes_its_tasks(gate: Gate) -> None:
    """Its tasks are done and its workers leave."""
    future = get_reusable_executor(1).submit(pass_gate, gate.port, "old")
    pids = gate.arrivals()
    get_reusable_executor(1, env={"EXECUTOR_TEST_REUSE": "1"})
    gc.collect()
    gate.open()
    assert future.result(SECONDS) == "old"
    assert all_gone(pids)


def test_kill_workers_ends_the_replaced_executor(gate: Gate) -> None:
    """With `kill_workers` nothing of the old one goes on."""
    old = get_reusable_executor(1)
    future = old.submit(pass_gate, gate.port)
    pids = gate.arrivals()
    get_reusable_executor(1, env={"EXECUTOR_TEST_REUSE": "1"}, kill_workers=True)
    assert all_gone(pids)
    assert isinstance(future.exception(SECONDS), RuntimeError)


@pytest.mark.parametrize("max_workers", [0, -1])
def test_a_wrong_size_changes_nothing(max_workers: int) -> None:
    """It is refused, and the executor there is stays as it was."""
    executor = get_reusable_executor(1, timeout=100)
    with pytest.raises(ValueError, match="max_workers"):
        get_reusable_executor(max_workers, timeout=0)
    assert get_reusable_executor(1, timeout=100) is executor


def test_threads_share_one_executor() -> None:
    """All threads that ask at the same time get the same one, and it works for all."""
    found: SimpleQueue[object] = SimpleQueue()
    together = threading.Barrier(8)

    def use() -> None:
        together.wait()
        executor = get_reusable_executor(2)
        found.put((id(executor), executor.submit(abs, -5).result(SECONDS)))

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({found.get() for _ in threads}) == 1


class Refuses:
    """Raises when it is pickled."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __reduce__(self) -> tuple[object, ...]:
        raise self.error


@pytest.mark.parametrize("backlog", [False, True])
def test_what_a_reduce_raises_is_a_pickling_error(backlog: bool, gate: Gate) -> None:
    """As in loky 3.7, with the error itself as its cause; in `loky_executor` it is the bare one."""
    executor = get_reusable_executor(1)
    if backlog:  # the feeder encodes
        executor.submit(pass_gate, gate.port)
        gate.arrivals()
        for number in range(100):
            executor.submit(abs, number)
    future = executor.submit(abs, Refuses(ZeroDivisionError("why")))
    gate.open()
    error = future.exception(SECONDS)
    assert isinstance(error, PicklingError)
    assert "the task to send" in str(error)
    assert repr(error.__cause__) == "ZeroDivisionError('why')"
