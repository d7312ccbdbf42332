"""Whose executor it is: of the process, of a thread, of a subclass; and why there is a new one."""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from loky_reusable import ReusableExecutor, get_reusable_executor
from support import executor_tasks as tasks
from support import executor_trouble as trouble

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = 30


class OfJoblib(ReusableExecutor):
    """Stands for the subclass that joblib makes."""


def in_thread(function: Callable[[], Any]) -> Any:
    """Return what a function returns in another thread."""
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join(SECONDS)
    return found[0]


def test_one_for_each_thread() -> None:
    """`scope="thread"` gives each thread its own, apart from that of the process."""

    def ask() -> tuple[int, int]:
        executor = get_reusable_executor(1, scope="thread")
        again = get_reusable_executor(1, scope="thread")
        number = executor.executor_id
        executor.shutdown()
        return number, again.executor_id

    mine = get_reusable_executor(1, scope="thread")
    first, second = in_thread(ask), in_thread(ask)
    assert first[0] == first[1]
    assert len({mine.executor_id, first[0], second[0]}) == 3
    assert get_reusable_executor(1, scope="thread") is mine
    assert get_reusable_executor(1) is not mine


def test_a_subclass_has_its_own() -> None:
    """What joblib asks for does not take away what the program uses, nor the other way round."""
    ours = get_reusable_executor(1)
    theirs, is_reused = OfJoblib.get_reusable_executor(1)
    assert (type(theirs), is_reused) == (OfJoblib, False)
    assert OfJoblib.get_reusable_executor(max_workers=2, reuse=True) == (theirs, True)
    assert get_reusable_executor(1) is ours
    assert theirs.max_workers == 2


def test_a_subclass_has_one_for_each_thread() -> None:
    """Joblib kills its workers when a call fails: those of another thread go on."""
    mine, _ = OfJoblib.get_reusable_executor(1)

    def fail() -> bool:
        other, _ = OfJoblib.get_reusable_executor(1)
        other.shutdown(kill_workers=True)
        return other is mine

    assert in_thread(fail) is False
    assert mine.submit(abs, -1).result(SECONDS) == 1


def test_the_class_gives_what_the_function_gives() -> None:
    """`_ReusablePoolExecutor.get_reusable_executor` is the function, and says whether it is new."""
    executor = get_reusable_executor(1)
    assert ReusableExecutor.get_reusable_executor(1) == (executor, True)


def test_numbers_grow() -> None:
    """`executor_id` tells two executors apart; the later one has the higher."""
    first = get_reusable_executor(1)
    second = get_reusable_executor(1, reuse=False)
    assert second.executor_id > first.executor_id
    first.shutdown()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"env": {"A": "1"}}, "a new executor: other env"),
        ({"initializer": tasks.prepare, "initargs": (1,)}, "other initargs, initializer"),
        ({"on_crash": "isolate"}, "a new executor: other on_crash"),
        ({"job_reducers": {complex: abs}}, "a new executor: other job_reducers"),
        ({"reuse": False}, "asked for with reuse=False"),
    ],
)
def test_the_reason_is_logged(
    arguments: dict[str, Any], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    """At debug level, in one record."""
    old = get_reusable_executor(1)
    with caplog.at_level(logging.DEBUG, "loky_reusable"):
        get_reusable_executor(1, **arguments)
    assert [reason in record.message for record in caplog.records] == [True]
    old.shutdown()


def test_the_end_of_the_old_one_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """That it was shut down is a reason, too."""
    get_reusable_executor(1).shutdown()
    with caplog.at_level(logging.DEBUG, "loky_reusable"):
        get_reusable_executor(1)
    assert ["broken or shut down" in record.message for record in caplog.records] == [True]


def test_hostile_arguments_are_compared_without_their_help() -> None:
    """An `__eq__`, `__bool__` or `__repr__` that raises is never called."""
    hostile = trouble.Hostile()
    arguments: dict[str, Any] = {"initializer": tasks.prepare, "initargs": (hostile,)}
    executor = get_reusable_executor(1, **arguments)
    assert get_reusable_executor(1, **arguments) is executor
    other = get_reusable_executor(
        1, initializer=tasks.prepare, initargs=(trouble.HasConnection(1),)
    )
    assert other is not executor
    executor.shutdown()


def test_the_same_lambda_is_the_same_another_is_not() -> None:
    """Functions and reducers count as the same if they are the same objects."""

    def make() -> Any:
        return lambda: None

    initializer, reducers = make(), {complex: lambda value: (complex, (value.real,))}
    executor = get_reusable_executor(1, initializer=initializer, job_reducers=reducers)
    again = get_reusable_executor(1, initializer=initializer, job_reducers=dict(reducers))
    assert again is executor


def test_equal_arrays_are_the_same_others_are_not() -> None:
    """A numpy array in `initargs` is compared by value, without asking it for a truth value."""
    numpy = pytest.importorskip("numpy")

    def ask(array: Any) -> ReusableExecutor:
        return get_reusable_executor(1, initializer=tasks.prepare, initargs=(array,))

    executor = ask(numpy.arange(10))
    assert ask(numpy.arange(10)) is executor
    other = ask(numpy.arange(11))
    assert other is not executor
    executor.shutdown()


@pytest.mark.parametrize("reuse", ["yes", None, 1, ["auto"]])
def test_an_unknown_reuse(reuse: Any) -> None:
    """Is refused, by name."""
    with pytest.raises(ValueError, match="reuse must be"):
        get_reusable_executor(1, reuse=reuse)


def test_reuse_true_keeps_what_there_is() -> None:
    """Whatever else is asked for, and without a size also the size."""
    executor = get_reusable_executor(3)
    assert get_reusable_executor(reuse=True, env={"A": "1"}) is executor
    assert executor.max_workers == 3
    assert executor.submit(os.environ.get, "A").result(SECONDS) is None
