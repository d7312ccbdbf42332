"""`map`, as in the standard library."""

from __future__ import annotations

import os
from concurrent.futures import TimeoutError as StandardTimeoutError
from typing import TYPE_CHECKING

import numpy as np
import pytest

from loky_executor import ProcessPoolExecutor, TerminatedWorkerError
from support import executor_tasks as tasks
from support.executor_gate import pass_gate
from support.executor_scripts import run_code
from support.executor_waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.executor_gate import Gate


def test_results_come_in_the_order_of_the_input(executor: ProcessPoolExecutor, gate: Gate) -> None:
    """Whoever is done first, the order is that of the arguments."""
    results = executor.map(pass_gate, [gate.port] * 2, ["slow", "fast"])
    first, second = gate.arrivals(2)
    gate.let_through(second)
    gate.let_through(first)
    assert list(results) == ["slow", "fast"]


def test_several_iterables(executor: ProcessPoolExecutor) -> None:
    """Arguments are taken from each, up to the end of the shortest."""
    assert list(executor.map(pow, [2, 3, 4, 5], [5, 2, 1])) == [32, 9, 4]


def test_an_empty_input(executor: ProcessPoolExecutor) -> None:
    """Nothing in, nothing out, and no worker is started."""
    assert list(executor.map(abs, [])) == []
    assert "0 busy, 0 idle" in repr(executor)


def test_many_items(executor: ProcessPoolExecutor) -> None:
    """Far more items than workers come back complete."""
    assert list(executor.map(abs, range(0, -2000, -1))) == list(range(2000))


def test_results_are_an_iterator(executor: ProcessPoolExecutor) -> None:
    """They can be taken one by one, while later ones are not there yet."""
    results = executor.map(abs, [-1, -2, -3])
    assert (next(results), next(results), next(results)) == (1, 2, 3)
    with pytest.raises(StopIteration):
        next(results)


def test_an_item_that_raises(executor: ProcessPoolExecutor) -> None:
    """Earlier results are delivered, then the exception."""
    results = executor.map(int, ["1", "2", "x", "4"])
    assert (next(results), next(results)) == (1, 2)
    with pytest.raises(ValueError, match="invalid literal"):
        next(results)


def test_an_input_that_raises(executor: ProcessPoolExecutor) -> None:
    """What the input iterator raises comes out of `map`; the pool goes on."""

    def broken_input() -> Iterator[int]:
        yield 1
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        list(executor.map(abs, broken_input()))
    assert list(executor.map(abs, [-1])) == [1]


def test_an_item_that_cannot_be_pickled(executor: ProcessPoolExecutor) -> None:
    """It fails when its turn comes, and costs no other."""
    results = executor.map(str, [1, (number for number in "ab"), 3])
    assert next(results) == "1"
    with pytest.raises(TypeError, match="generator"):
        next(results)


def test_a_timeout(executor: ProcessPoolExecutor, gate: Gate) -> None:
    """`timeout` counts from the call; what is not there in time raises."""
    results = executor.map(pass_gate, [gate.port], timeout=0.01)
    with pytest.raises(StandardTimeoutError):
        next(results)


def test_a_crash(executor: ProcessPoolExecutor) -> None:
    """A crash ends the iteration with TerminatedWorkerError."""
    with pytest.raises(TerminatedWorkerError):
        list(executor.map(os._exit, [1]))


def test_closing_the_iterator_cancels_the_rest(single: ProcessPoolExecutor, gate: Gate) -> None:
    """Items that nobody will ask for any more are not run."""
    results = single.map(pass_gate, [gate.port] * 100)
    (pid,) = gate.arrivals()
    gate.let_through(pid)
    next(results)
    gate.arrivals()
    results.close()  # type: ignore[attr-defined]  # a generator, as in the standard library
    assert eventually(lambda: "0 waiting" in repr(single))


def test_map_spreads_over_all_workers(executor: ProcessPoolExecutor, gate: Gate) -> None:
    """Two items are worked on at the same time by two workers."""
    executor.map(pass_gate, [gate.port] * 2)
    assert len(set(gate.arrivals(2))) == 2


def test_exceptions_of_the_input_are_not_lost(executor: ProcessPoolExecutor) -> None:
    """Errors of items arrive with the remote traceback."""
    with pytest.raises(ValueError, match="item") as caught:
        list(executor.map(tasks.fail, ["item"]))
    assert "executor_tasks.py" in str(caught.value.__cause__)


def test_the_function_is_pickled_once_and_unpickled_once_per_worker(
    executor: ProcessPoolExecutor,
) -> None:
    """However many chunks there are; what a closure holds is not sent again."""
    function = tasks.Counting()
    seen = list(executor.map(function, range(20), chunksize=2))
    seen += list(executor.map(function, range(20), chunksize=1))
    assert function.pickled == 2
    assert {seen[number][0] for number in range(20)} == {1}
    assert {seen[number][0] for number in range(20, 40)} <= {1, 2}
    assert [value for _, value in seen] == [*range(20), *range(20)]


def test_functions_that_can_be_imported_load_nothing_of_sharing() -> None:
    """Neither here nor in the worker; there is nothing to gain for a name."""
    printed = run_code(
        """
        import sys
        from loky_executor import ProcessPoolExecutor
        with ProcessPoolExecutor(1) as executor:
            assert list(executor.map(abs, [-1, -2])) == [1, 2]
            there = executor.submit(lambda: [*sys.modules]).result()
        print("loky_backend._sharing" in {*there, *sys.modules})
        """
    )
    assert printed.strip() == "False"


def test_a_function_that_cannot_be_unpickled_fails_its_items(
    executor: ProcessPoolExecutor,
) -> None:
    """Each of them, with the reason; the pool goes on."""
    results = list(executor.map(tasks.Counting(broken=True), range(4), on_error="return"))
    assert [type(result) for result in results] == [ValueError] * 4
    assert executor.submit(abs, -1).result() == 1


def test_arrays_of_the_function_can_be_changed(single: ProcessPoolExecutor) -> None:
    """What a function holds is its own in each worker, also if it is large."""
    scratch = np.zeros(100_000)

    def add(value: int) -> float:
        scratch[value] += value
        return float(scratch.sum())

    assert list(single.map(add, [1, 2, 3], chunksize=1)) == [1.0, 3.0, 6.0]
    assert scratch.sum() == 0
    assert next(single.map(add, [4])) == 4.0
