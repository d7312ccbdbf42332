"""What a task raises, and what cannot be pickled: it costs that one task and explains itself."""

from __future__ import annotations

import traceback
from concurrent.futures import TimeoutError as StandardTimeoutError
from typing import TYPE_CHECKING

import pytest

from loky_backend import DecodingError, EncodingError
from support import executor_tasks as tasks
from support.executor_gate import pass_gate

if TYPE_CHECKING:
    from collections.abc import Callable

    from loky_executor import ProcessPoolExecutor
    from support.executor_gate import Gate

SECONDS = 30


def test_an_exception_arrives_with_its_type_and_arguments(single: ProcessPoolExecutor) -> None:
    """What the task raised is raised by `result` and returned by `exception`."""
    future = single.submit(tasks.fail, "too bad")
    error = future.exception(SECONDS)
    assert (type(error), error and error.args) == (ValueError, ("too bad",))
    with pytest.raises(ValueError, match=r"^too bad$"):
        future.result()


def test_the_remote_traceback_is_the_cause(single: ProcessPoolExecutor) -> None:
    """The traceback a user reads shows the line in the worker that raised."""
    error = single.submit(tasks.fail, "too bad").exception(SECONDS)
    assert error is not None
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    assert "executor_tasks.py" in text
    assert "raise ValueError(message)" in text
    assert text.rstrip().endswith("ValueError: too bad")


def test_the_remote_traceback_shows_the_remote_cause(single: ProcessPoolExecutor) -> None:
    """An exception raised from another shows both."""
    error = single.submit(tasks.fail_with_cause).exception(SECONDS)
    assert type(error) is LookupError
    assert "KeyError: 'missing'" in str(error.__cause__)
    assert "The above exception was the direct cause" in str(error.__cause__)


def test_notes_are_kept(single: ProcessPoolExecutor) -> None:
    """Notes added in the worker arrive (PEP 678)."""

    def fail_with_note() -> None:
        error = ValueError("bad")
        error.__notes__ = ["while reading row 7"]  # type: ignore[attr-defined]  # new in 3.11
        raise error

    error = single.submit(fail_with_note).exception(SECONDS)
    assert getattr(error, "__notes__", None) == ["while reading row 7"]


def test_an_exception_that_cannot_be_rebuilt(single: ProcessPoolExecutor) -> None:
    """An exception class with two required arguments fails its task only and is told in words."""
    error = single.submit(tasks.raise_two_arguments).exception(SECONDS)
    assert type(error) is DecodingError
    assert "TwoArgumentsError" in str(error)
    assert "this and that" in str(error)
    assert single.submit(abs, -1).result(SECONDS) == 1


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (tasks.raise_system_exit, SystemExit),
        (tasks.raise_keyboard_interrupt, KeyboardInterrupt),
    ],
)
def test_a_task_that_leaves(
    single: ProcessPoolExecutor, task: Callable[[], None], expected: type[BaseException]
) -> None:
    """SystemExit and KeyboardInterrupt of a task are its answer; the worker stays."""
    pid = single.submit(tasks.with_pid, 0).result(SECONDS)
    assert type(single.submit(task).exception(SECONDS)) is expected
    assert single.submit(tasks.with_pid, 0).result(SECONDS) == pid


def test_an_argument_that_cannot_be_pickled(single: ProcessPoolExecutor) -> None:
    """An unpicklable argument fails its task, before any worker saw it."""
    future = single.submit(id, (number for number in range(3)))
    error = future.exception(SECONDS)
    assert isinstance(error, EncodingError)
    assert "generator" in str(error)
    assert single.submit(abs, -1).result(SECONDS) == 1


def test_an_argument_whose_pickling_raises(single: ProcessPoolExecutor) -> None:
    """What a `__reduce__` raises is the task's error."""
    error = single.submit(id, tasks.RefusesToPickle()).exception(SECONDS)
    assert (type(error), str(error)) == (ValueError, "not for travel")


def test_a_function_that_cannot_be_pickled(single: ProcessPoolExecutor) -> None:
    """An unpicklable callable fails its task like an argument would."""
    generator = (number for number in range(3))
    error = single.submit(generator.__next__).exception(SECONDS)
    assert isinstance(error, EncodingError)


def test_an_argument_that_cannot_be_unpickled(single: ProcessPoolExecutor) -> None:
    """What the worker cannot decode fails that task with the worker's traceback."""
    error = single.submit(id, tasks.RefusesToUnpickle()).exception(SECONDS)
    assert (type(error), str(error)) == (ValueError, "unpickling refused")
    assert "executor_tasks.py" in str(error.__cause__)
    assert single.submit(abs, -1).result(SECONDS) == 1


def test_a_module_that_the_worker_does_not_have(single: ProcessPoolExecutor) -> None:
    """A function of a module that only exists here fails its task, and the pool goes on."""
    import sys
    import types

    module = types.ModuleType("only_in_the_parent")
    exec("def task():\n    return 1\n", module.__dict__)
    sys.modules[module.__name__] = module
    try:
        error = single.submit(module.task).exception(SECONDS)
    finally:
        del sys.modules[module.__name__]
    assert type(error) is ModuleNotFoundError
    assert single.submit(abs, -1).result(SECONDS) == 1


def test_a_result_that_cannot_be_pickled(single: ProcessPoolExecutor) -> None:
    """An unpicklable result is the task's error; the worker stays."""
    error = single.submit(tasks.return_unpicklable).exception(SECONDS)
    assert isinstance(error, EncodingError)
    assert "generator" in str(error)
    assert single.submit(abs, -1).result(SECONDS) == 1


def test_a_result_that_cannot_be_unpickled(single: ProcessPoolExecutor) -> None:
    """What the parent cannot decode is raised by `result`, each time it is asked."""
    future = single.submit(tasks.return_refusal)
    for _ in range(2):
        with pytest.raises(ValueError, match="unpickling refused"):
            future.result(SECONDS)
    assert single.submit(abs, -1).result(SECONDS) == 1


def test_exception_tells_of_a_result_that_cannot_be_unpickled(single: ProcessPoolExecutor) -> None:
    """`exception` and `result` agree: whoever looks at one first is not surprised by the other."""
    future = single.submit(tasks.return_refusal)
    error = future.exception(SECONDS)
    assert (type(error), str(error)) == (ValueError, "unpickling refused")


def test_an_exception_with_a_hostile_repr(single: ProcessPoolExecutor) -> None:
    """An exception that cannot even be shown still ends its task."""

    def raise_it() -> None:
        class HostileError(Exception):
            def __str__(self) -> str:
                raise RuntimeError("no")

            __repr__ = __str__

            def __reduce__(self) -> tuple[object, ...]:
                raise RuntimeError("never")

        raise HostileError

    error = single.submit(raise_it).exception(SECONDS)
    assert type(error) is DecodingError
    assert "HostileError" in str(error)


def test_a_result_is_decoded_once(single: ProcessPoolExecutor) -> None:
    """Whoever asks, and however often: it is the same object."""
    future = single.submit(list, "abc")
    first = future.result(SECONDS)
    assert first == ["a", "b", "c"]
    assert future.result() is first


def test_result_waits_no_longer_than_it_may(single: ProcessPoolExecutor, gate: Gate) -> None:
    """A timeout that runs out raises the standard TimeoutError, and harms nothing."""
    future = single.submit(pass_gate, gate.port, 8)
    with pytest.raises(StandardTimeoutError):
        future.result(timeout=0.01)
    gate.open()
    assert future.result(SECONDS) == 8
