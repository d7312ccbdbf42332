"""Initializers and environments of workers."""

from __future__ import annotations

import os
from concurrent.futures.process import BrokenProcessPool as StandardBrokenProcessPool
from typing import TYPE_CHECKING

import pytest

from loky_backend import EncodingError
from loky_executor import BrokenProcessPool, ProcessPoolExecutor
from support import executor_tasks as tasks
from support.executor_gate import pass_gate

if TYPE_CHECKING:
    from support.executor_gate import Gate

SECONDS = 30


def test_the_initializer_runs_once_in_each_worker(gate: Gate) -> None:
    """Before its first task each worker calls the initializer, with its arguments."""
    with ProcessPoolExecutor(2, initializer=tasks.prepare, initargs=("a", 1)) as executor:
        for _ in range(2):
            executor.submit(pass_gate, gate.port)
        gate.arrivals(2)
        gate.open()
        seen = [executor.submit(tasks.prepared).result(SECONDS) for _ in range(5)]
    assert seen == [[("a", 1)]] * 5


def test_an_initializer_may_be_a_closure() -> None:
    """An initializer travels by value like a task."""
    name = "EXECUTOR_TEST_CLOSURE"
    with ProcessPoolExecutor(1, initializer=lambda: os.environ.update({name: "set"})) as executor:
        assert executor.submit(tasks.environment_value, name).result(SECONDS) == "set"


def test_initargs_may_hold_large_buffers() -> None:
    """Buffers that would travel beside the pickle arrive in an initializer too."""
    numpy = pytest.importorskip("numpy")
    array = numpy.arange(100_000)
    with ProcessPoolExecutor(1, initializer=tasks.prepare, initargs=(array,)) as executor:
        ((received,),) = executor.submit(tasks.prepared).result(SECONDS)
    assert numpy.array_equal(received, array)


def test_an_initializer_that_raises_breaks_the_pool() -> None:
    """Every task fails with an error that shows what the initializer raised in the worker."""
    with ProcessPoolExecutor(1, initializer=tasks.fail, initargs=("no licence",)) as executor:
        futures = [executor.submit(abs, 1) for _ in range(5)]
        errors = [future.exception(SECONDS) for future in futures]
    assert all(isinstance(error, StandardBrokenProcessPool) for error in errors)
    assert "ValueError: no licence" in str(errors[0])
    assert "raise ValueError(message)" in str(errors[0].__cause__)  # type: ignore[union-attr]
    assert [error.execution for error in errors] == ["not started"] * 5  # type: ignore[union-attr]


def test_an_initializer_that_ends_the_process() -> None:
    """A worker that dies in its initializer breaks the pool, and the error tells its exit code."""
    with ProcessPoolExecutor(1, initializer=os._exit, initargs=(9,)) as executor:
        error = executor.submit(abs, 1).exception(SECONDS)
    assert isinstance(error, BrokenProcessPool)
    assert "exited with code 9" in str(error)


def test_an_initializer_that_leaves() -> None:
    """SystemExit in the initializer is a failed start too."""
    with ProcessPoolExecutor(1, initializer=tasks.raise_system_exit) as executor:
        error = executor.submit(abs, 1).exception(SECONDS)
    assert isinstance(error, BrokenProcessPool)
    assert "SystemExit: bye" in str(error)


def test_an_initializer_that_cannot_be_pickled() -> None:
    """It is refused by the constructor, where the mistake was made."""
    with pytest.raises(EncodingError, match="generator"):
        ProcessPoolExecutor(
            1, initializer=tasks.prepare, initargs=((number for number in range(3)),)
        )


def test_an_initializer_that_cannot_be_unpickled() -> None:
    """What the worker cannot decode breaks the pool with the worker's traceback."""
    arguments = (tasks.RefusesToUnpickle(),)
    with ProcessPoolExecutor(1, initializer=tasks.prepare, initargs=arguments) as executor:
        error = executor.submit(abs, 1).exception(SECONDS)
    assert isinstance(error, BrokenProcessPool)
    assert "unpickling refused" in str(error)


def test_the_environment_of_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """`env` adds and removes variables in the workers, and changes nothing here."""
    monkeypatch.setenv("EXECUTOR_TEST_KEPT", "kept")
    monkeypatch.setenv("EXECUTOR_TEST_REMOVED", "here")
    changes = {"EXECUTOR_TEST_ADDED": "added", "EXECUTOR_TEST_REMOVED": None}
    with ProcessPoolExecutor(1, env=changes) as executor:
        names = ["EXECUTOR_TEST_KEPT", "EXECUTOR_TEST_ADDED", "EXECUTOR_TEST_REMOVED"]
        values = list(executor.map(tasks.environment_value, names))
    assert values == ["kept", "added", None]
    assert "EXECUTOR_TEST_ADDED" not in os.environ


def test_an_environment_that_cannot_be() -> None:
    """A worker that cannot be started at all breaks the pool with the reason."""
    with ProcessPoolExecutor(1, env={"A=B": "\0"}) as executor:
        error = executor.submit(abs, 1).exception(SECONDS)
    assert isinstance(error, BrokenProcessPool)
    assert error.__cause__ is not None
