"""Tasks with a time limit: ended on time wherever they are, with the stacks they were stuck in."""

from __future__ import annotations

import pickle
import re
import sys
import time
from concurrent.futures import TimeoutError as FuturesTimeoutError
from concurrent.futures import wait
from typing import TYPE_CHECKING

import pytest

from loky_executor import ProcessPoolExecutor, TaskTimeoutError
from support import executor_tasks as tasks
from support import executor_trouble as trouble
from support.executor_gate import pass_gate
from support.executor_waiting import all_gone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.executor_gate import Gate

SECONDS = 10
# The limit of a task that does nothing.
LIMIT = 3.0 if sys.platform == "win32" else 0.3
# Workers have imported the tasks' module before the first task: on a busy machine that alone takes
# longer than some limits here.
READY = {"initializer": trouble.sleep_in_python, "initargs": (0,)}
pytestmark = [pytest.mark.faults, pytest.mark.slow]


@pytest.fixture
def executor() -> Iterator[ProcessPoolExecutor]:
    """Give an executor of at most two workers."""
    with ProcessPoolExecutor(2, **READY) as executor:
        yield executor


@pytest.fixture
def single() -> Iterator[ProcessPoolExecutor]:
    """Give an executor of one worker."""
    with ProcessPoolExecutor(1, **READY) as executor:
        yield executor


def test_a_sleeping_task_is_ended(single: ProcessPoolExecutor) -> None:
    """It raises TaskTimeoutError with the Python stack it was stuck in; the pool goes on."""
    pid = single.submit(tasks.with_pid, 0).result(SECONDS)[1]
    started = time.monotonic()
    error = single.options(timeout=0.2).submit(trouble.sleep_in_python, 60).exception(SECONDS)
    assert time.monotonic() - started < 5
    assert isinstance(error, TaskTimeoutError)
    assert "sleep_in_python" in str(error)
    assert error.obituary is not None
    assert "sleep_in_python" in error.obituary.stacks
    assert error.execution == "may have run"
    assert all_gone([pid])
    assert single.submit(tasks.with_pid, 0).result(SECONDS)[1] != pid


def test_a_task_that_holds_the_gil_is_ended(single: ProcessPoolExecutor) -> None:
    """No cooperation is needed: a call stuck in C is ended on time, and its stack is shown."""
    single.submit(abs, -1).result(SECONDS)
    started = time.monotonic()
    error = single.options(timeout=0.2).submit(trouble.hold_the_gil, 60).exception(SECONDS)
    assert time.monotonic() - started < 5
    assert isinstance(error, TaskTimeoutError)
    assert "hold_the_gil" in str(error)


def test_the_error_is_the_standard_one_and_pickles(single: ProcessPoolExecutor) -> None:
    """Both names of the standard TimeoutError catch it, and it keeps its facts when it travels."""
    error = single.options(timeout=0.05).submit(trouble.sleep_in_python, 60).exception(SECONDS)
    assert isinstance(error, TimeoutError)
    assert isinstance(error, FuturesTimeoutError)
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), copy.args) == (TaskTimeoutError, error.args)
    assert isinstance(error, TaskTimeoutError)
    assert copy.obituary == error.obituary


def test_overdue_workers_are_ended_at_once() -> None:
    """Four stuck workers cost one time limit, not four."""
    with ProcessPoolExecutor(4) as executor:
        wait([executor.submit(trouble.sleep_in_python, 0.05) for _ in range(4)])
        started = time.monotonic()
        late = [
            executor.options(timeout=1).submit(trouble.sleep_in_python, 60).exception
            for _ in range(4)
        ]
        errors = [exception(SECONDS) for exception in late]
        ended = time.monotonic()
    assert {type(error) for error in errors} == {TaskTimeoutError}
    assert started + 1 <= ended < started + 2.5


def test_siblings_of_an_overdue_task_are_unharmed(executor: ProcessPoolExecutor) -> None:
    """Tasks before, beside and behind it are done; an overdue task never breaks the pool."""
    before = [executor.submit(abs, -number) for number in range(50)]
    late = executor.options(timeout=0.1).submit(trouble.sleep_in_python, 60)
    behind = [executor.submit(abs, -number) for number in range(50)]
    assert type(late.exception(SECONDS)) is TaskTimeoutError
    assert [future.result(SECONDS) for future in before + behind] == [*range(50)] * 2
    assert executor.usable


def test_the_limit_counts_from_when_the_task_runs(gate: Gate) -> None:
    """Waiting for a worker, or for the worker to start, takes nothing from it."""
    with ProcessPoolExecutor(1) as executor:
        holder = executor.submit(pass_gate, gate.port)
        gate.arrivals()
        limited = executor.options(timeout=0.25).submit(abs, -4)
        with pytest.raises(FuturesTimeoutError):
            limited.result(0.4)
        gate.open()
        assert limited.result(SECONDS) == 4
        assert holder.result(SECONDS) is None


def test_a_task_within_its_limit_is_left_alone(executor: ProcessPoolExecutor) -> None:
    """And its worker is kept."""
    pid = executor.submit(tasks.with_pid, 0).result(SECONDS)[1]
    view = executor.options(timeout=30)
    assert {view.submit(tasks.with_pid, 0).result(SECONDS)[1] for _ in range(5)} == {pid}


def test_retries_after_time_ran_out(single: ProcessPoolExecutor, tmp_path: Path) -> None:
    """An overdue task with retries is run again in a new worker."""
    view = single.options(timeout=LIMIT, retries=1)
    task = view.submit(trouble.fail_the_first_times, str(tmp_path), 1, "hang")
    assert task.result(SECONDS) == 2


def test_an_argument_that_hangs_the_worker(single: ProcessPoolExecutor) -> None:
    """Unpickling counts as running: a task that hangs there is ended too, stacks and all."""
    error = single.options(timeout=0.2).submit(id, trouble.HangsWhenUnpickled()).exception(SECONDS)
    assert type(error) is TaskTimeoutError
    assert single.submit(abs, -1).result(SECONDS) == 1


def test_the_map_of_a_view_has_a_limit_per_item(executor: ProcessPoolExecutor) -> None:
    """An item that takes too long leaves its neighbours alone."""
    items = [1, 2, "hang", 4, 5]
    results = list(executor.options(timeout=LIMIT).map(trouble.act, items, on_error="return"))
    assert [type(result) for result in results] == [int, int, TaskTimeoutError, int, int]


def test_a_chunk_that_took_too_long_loses_no_item(executor: ProcessPoolExecutor) -> None:
    """With a chunksize the limit is the chunk's at first; then its items are tried one by one."""
    view = executor.options(timeout=LIMIT)
    results = list(view.map(trouble.act, [1, "hang", 3], chunksize=3, on_error="return"))
    assert [type(result) for result in results] == [int, TaskTimeoutError, int]
    assert (results[0], results[2]) == (1, 3)


@pytest.mark.parametrize("timeout", [-1, float("nan"), "soon"])
def test_a_limit_that_cannot_be(single: ProcessPoolExecutor, timeout: float) -> None:
    """Negative, NaN, no number: refused at once."""
    with pytest.raises((ValueError, TypeError), match="timeout"):
        single.options(timeout=timeout)


def test_a_limit_of_nothing(single: ProcessPoolExecutor) -> None:
    """Zero seconds end any task that is not done at once; nothing hangs, nothing breaks."""
    future = single.options(timeout=0).submit(trouble.sleep_in_python, 60)
    assert type(future.exception(SECONDS)) is TaskTimeoutError
    assert single.submit(abs, -1).result(SECONDS) == 1


def test_the_stacks_name_files_and_lines(single: ProcessPoolExecutor) -> None:
    """What faulthandler wrote is in the message: file, line, function."""
    error = single.options(timeout=0.2).submit(trouble.sleep_in_python, 60).exception(SECONDS)
    assert re.search(r'executor_trouble\.py", line \d+ in sleep_in_python', str(error))
