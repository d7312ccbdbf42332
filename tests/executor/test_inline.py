"""`loky_executor.testing.InlineExecutor`: what a pool shows, without processes and threads."""

from __future__ import annotations

import doctest
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

import loky_executor.testing
from loky_executor import (
    BrokenProcessPool,
    PicklingError,
    ProcessPoolExecutor,
    ShutdownExecutorError,
    TaskTimeoutError,
    WorkerStartError,
)
from loky_executor.testing import InlineExecutor
from support import executor_tasks as tasks
from support import still_clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future


@pytest.fixture
def inline() -> Iterator[InlineExecutor]:
    """Give an inline executor."""
    with InlineExecutor() as executor:
        yield executor


def test_the_example_of_its_documentation() -> None:
    """What the docstring shows is what happens."""
    assert doctest.testmod(loky_executor.testing) == (0, 2)


def test_a_task_runs_in_this_process_and_thread(inline: InlineExecutor) -> None:
    """It is done when `submit` returns, and nothing was started."""
    before = threading.enumerate()
    future = inline.submit(lambda: (os.getpid(), threading.get_ident()))
    assert (future.done(), future.result()) == (True, (os.getpid(), threading.get_ident()))
    assert threading.enumerate() == before
    assert (inline.workers(), inline._processes) == ([], {})


def test_arguments_and_results_are_copies(inline: InlineExecutor) -> None:
    """A task that changes its argument changes a copy, as in a pool; also with large buffers."""
    numpy = pytest.importorskip("numpy")
    argument, array = ["a"], numpy.zeros(500_000)

    def change(values: list[str], numbers: Any) -> tuple[list[str], Any]:
        values.append("b")
        numbers[0] = 1
        return values, numbers

    values, numbers = inline.submit(change, argument, array).result()
    assert (argument, values, array[0], numbers[0]) == (["a"], ["a", "b"], 0, 1)
    numbers[1] = 2  # writable, as from a pool


def _seen(executor: ProcessPoolExecutor, *call: Any) -> tuple[Any, ...]:
    error = executor.submit(*call).exception(30)
    return type(error), str(error), type(error.__cause__) if error else None


@pytest.mark.parametrize(
    "call",
    [
        (tasks.fail, "too bad"),
        (tasks.fail_with_cause,),
        (tasks.raise_two_arguments,),
        (tasks.raise_system_exit,),
        (tasks.return_unpicklable,),
        (tasks.return_refusal,),
        (id, tasks.RefusesToPickle()),
        (id, tasks.RefusesToUnpickle()),
        (id, [0, threading.Lock()]),
        (abs, -1),
    ],
    ids=lambda call: getattr(call[0], "__name__", "") + str(len(call)),
)
def test_errors_are_those_of_a_pool(
    inline: InlineExecutor, single: ProcessPoolExecutor, call: tuple[Any, ...]
) -> None:
    """The same type, the same words, the same kind of cause; none where a pool has none."""
    assert _seen(inline, *call) == _seen(single, *call)


def test_the_remote_traceback(inline: InlineExecutor) -> None:
    """The cause shows the line that raised."""
    with pytest.raises(ValueError, match="too bad") as caught:
        inline.submit(tasks.fail, "too bad").result()
    assert "raise ValueError(message)" in str(caught.value.__cause__)


def test_the_path_to_what_cannot_be_pickled(inline: InlineExecutor) -> None:
    """A PicklingError names it."""
    with pytest.raises(PicklingError, match=r"args\[0\]\[1\]"):
        inline.submit(id, [0, threading.Lock()]).result()


def test_map_has_the_same_contract(inline: InlineExecutor) -> None:
    """Chunks, errors in their places, laziness, unknown keywords."""
    taken: list[int] = []
    source = (taken.append(number) or number for number in range(10))  # type: ignore[func-returns-value]
    results = inline.map(abs, source, buffersize=2)
    assert (next(results), len(taken)) == (0, 2)
    mixed = inline.map(int, ["1", "x", "3"], chunksize=3, on_error="return")
    assert [type(value) for value in mixed] == [int, ValueError, int]
    assert sorted(inline.map(abs, [-1, -2], ordered=False)) == [1, 2]
    with pytest.raises(TypeError, match="chunk_size"):
        inline.map(abs, [1], chunk_size=3)


def test_options(inline: InlineExecutor) -> None:
    """`retry_on` calls again; a task that took longer than its timeout raises the pool's error."""
    assert inline.options(retries=2, retry_on=ValueError).submit(abs, -1).result() == 1
    with pytest.raises(TaskTimeoutError, match="timeout of 0 s"):
        inline.options(timeout=0).submit(sum, range(1000)).result()
    with pytest.raises(ValueError, match="retries"):
        inline.options(retries=-1)


def test_callbacks_run_at_once(inline: InlineExecutor) -> None:
    """They get the future, before `add_done_callback` returns."""
    got: list[Future[int]] = []
    future = inline.submit(abs, -1)
    future.add_done_callback(got.append)
    assert got == [future]


def test_the_initializer_runs_once_before_the_first_task() -> None:
    """As in each worker of a pool."""
    before = len(tasks.prepared())
    with InlineExecutor(initializer=tasks.prepare, initargs=("inline",)) as executor:
        assert len(tasks.prepared()) == before
        assert executor.submit(tasks.prepared).result()[before:] == [("inline",)]
        assert executor.submit(tasks.prepared).result()[before:] == [("inline",)]


def test_an_initializer_that_fails_breaks_it() -> None:
    """The error and what comes after are those of a pool."""
    executor = InlineExecutor(initializer=tasks.fail, initargs=("no licence",))
    error = executor.submit(abs, 1).exception()
    assert type(error) is WorkerStartError
    assert "ValueError: no licence" in str(error.__cause__)
    with pytest.raises(BrokenProcessPool):
        executor.submit(abs, 1)


def test_reducers_are_used_both_ways() -> None:
    """`job_reducers` for tasks, `result_reducers` for results."""

    class Thing:
        pass

    executor = InlineExecutor(
        job_reducers={Thing: lambda _: (str, ("job",))},
        result_reducers={complex: lambda _: (str, ("result",))},
    )
    assert executor.submit(lambda thing: (thing, 1j), Thing()).result() == ("job", "result")


def test_after_shutdown(inline: InlineExecutor) -> None:
    """It takes no more tasks."""
    inline.shutdown()
    with pytest.raises(ShutdownExecutorError):
        inline.submit(abs, 1)


def test_its_arguments_are_checked_like_a_pools() -> None:
    """A test finds a wrong argument too."""
    with pytest.raises(ValueError, match="max_workers"):
        InlineExecutor(0)
    with pytest.raises(ValueError, match="on_crash"):
        InlineExecutor(on_crash="ignore")


def test_stats_count(inline: InlineExecutor) -> None:
    """Tasks, bytes and times are counted, and explained."""
    for _ in range(3):
        inline.submit(abs, -1).result()
    stats = inline.stats()
    assert (stats.submitted, stats.answered, stats.failed) == (3, 3, 0)
    assert stats.bytes_sent > 0
    assert "3 tasks" in inline.explain()


@pytest.mark.parametrize(
    ("fail", "arguments", "times"),
    [
        (abs, (still_clock.UnpickledSlowly(),), (3, 0, 0)),
        (still_clock.advance_and_fail, (3.0,), (0, 3, 0)),
        (still_clock.PickledSlowly, (), (0, 0, 3)),
    ],
)
def test_stats_count_the_time_of_failures(
    inline: InlineExecutor,
    monkeypatch: pytest.MonkeyPatch,
    fail: Callable[..., object],
    arguments: tuple[object, ...],
    times: tuple[float, float, float],
) -> None:
    """It is that of the stage that failed, as in a pool."""
    monkeypatch.setattr("loky_executor._inline.perf_counter", still_clock.read)
    assert isinstance(inline.submit(fail, *arguments).exception(), LookupError)
    stats = inline.stats()
    assert (stats.decode, stats.run, stats.result) == times
