"""What `map` promises beyond the standard library: laziness, order, errors, chunks, progress."""

from __future__ import annotations

from concurrent.futures import TimeoutError as FuturesTimeoutError
from typing import TYPE_CHECKING, Any

import pytest

from loky_executor import ProcessPoolExecutor, TerminatedWorkerError
from support import executor_trouble as trouble
from support.executor_gate import pass_gate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.executor_gate import Gate


@pytest.mark.parametrize("chunksize", [1, 3, 100, "auto", None])
def test_errors_in_place_of_results(executor: ProcessPoolExecutor, chunksize: Any) -> None:
    """`on_error="return"`: every item has its outcome, whatever its neighbours did."""
    items = [0, "raise", 2, 3, "raise", 5]
    results = list(executor.map(trouble.act, items, chunksize=chunksize, on_error="return"))
    assert [type(result) for result in results] == [int, ValueError, int, int, ValueError, int]
    assert "act" in str(results[1].__cause__)  # type: ignore[attr-defined]


def test_skipping_errors(executor: ProcessPoolExecutor) -> None:
    """`on_error="skip"`: only the good ones."""
    items = ["raise", 1, "raise", 3]
    assert list(executor.map(trouble.act, items, chunksize=2, on_error="skip")) == [1, 3]


@pytest.mark.faults
@pytest.mark.parametrize("chunksize", [1, 2, 6])
def test_an_item_that_crashes_leaves_its_neighbours_alone(chunksize: int) -> None:
    """Under "isolate" only that item is lost, also within a chunk."""
    with ProcessPoolExecutor(2, on_crash="isolate") as executor:
        items = [0, 1, "crash", 3, 4, 5]
        results = list(executor.map(trouble.act, items, chunksize=chunksize, on_error="return"))
    assert [result for result in results if type(result) is int] == [0, 1, 3, 4, 5]
    assert type(results[2]) is TerminatedWorkerError


def test_as_they_come(executor: ProcessPoolExecutor, gate: Gate) -> None:
    """`ordered=False`: whoever is done first comes first."""
    results = executor.map(pass_gate, [gate.port] * 2, ["a", "b"], ordered=False)
    first, second = gate.arrivals(2)
    gate.let_through(second)
    early = next(results)
    gate.let_through(first)
    assert {early, next(results)} == {"a", "b"}


def test_the_input_is_read_lazily(executor: ProcessPoolExecutor) -> None:
    """With a buffersize no more is read ahead, so an endless input can be mapped."""
    read: list[int] = []

    def endless() -> Iterator[int]:
        while True:
            read.append(len(read))
            yield read[-1]

    results = executor.map(abs, endless(), buffersize=4, chunksize=2)
    assert len(read) == 4
    assert [next(results) for _ in range(10)] == list(range(10))
    assert len(read) <= 10 + 4 + 1


def test_time_that_runs_out_is_nobodys_outcome(single: ProcessPoolExecutor, gate: Gate) -> None:
    """The map's timeout raises, whatever `on_error` says."""
    results = single.map(pass_gate, [gate.port], timeout=0.05, on_error="return")
    with pytest.raises(FuturesTimeoutError):
        next(results)


def test_a_timeout_error_of_an_item_is_its_outcome(executor: ProcessPoolExecutor) -> None:
    """What a task raises is the item's, also if it is a TimeoutError."""

    def late(_: int) -> None:
        raise TimeoutError("mine")

    (error,) = executor.map(late, [1], timeout=30, on_error="return")
    assert (type(error), str(error)) == (TimeoutError, "mine")


def test_progress(executor: ProcessPoolExecutor, capsys: pytest.CaptureFixture[str]) -> None:
    """It is told on standard error, up to the last item."""
    list(executor.map(abs, range(5), progress=True))
    assert capsys.readouterr().err.rstrip().endswith("5/5")


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("chunksize", 0),
        ("chunksize", "big"),
        ("buffersize", 0),
        ("buffersize", 1.5),
        ("timeout", -1),
        ("timeout", float("nan")),
        ("on_error", "ignore"),
        ("time_out", 3),
    ],
)
def test_keywords_that_cannot_be(executor: ProcessPoolExecutor, keyword: str, value: Any) -> None:
    """A wrong value or an unknown keyword is told at the call, by name."""
    with pytest.raises((ValueError, TypeError), match=keyword):
        executor.map(abs, [1], **{keyword: value})


def test_a_function_that_cannot_be_called(executor: ProcessPoolExecutor) -> None:
    """It is refused at the call."""
    with pytest.raises(TypeError, match="callable"):
        executor.map(3, [1])  # type: ignore[arg-type]
