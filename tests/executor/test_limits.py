"""Limits of workers and tasks: memory, number of tasks, threads, nesting; and priorities."""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING

import pytest

from loky_executor import LokyRecursionError, ProcessPoolExecutor, WorkerMemoryError
from support import executor_tasks as tasks
from support import executor_trouble as trouble
from support.executor_gate import pass_gate

if TYPE_CHECKING:
    from support.executor_gate import Gate

SECONDS = 10
THREADS = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"]


def test_a_worker_is_replaced_after_so_many_tasks() -> None:
    """`max_tasks_per_child=3`: nine tasks are done by three processes, three each."""
    with ProcessPoolExecutor(1, max_tasks_per_child=3) as executor:
        pids = [executor.submit(tasks.with_pid, 0).result(SECONDS)[1] for _ in range(9)]
    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [3, 3, 3]


def test_max_tasks_holds_under_backlog() -> None:
    """Also when tasks travel in batches none does more than it may, and no task is lost."""
    with ProcessPoolExecutor(2, max_tasks_per_child=5) as executor:
        futures = [executor.submit(tasks.with_pid, number) for number in range(60)]
        answers = [future.result(SECONDS) for future in futures]
    pids = [pid for _, pid in answers]
    assert [number for number, _ in answers] == list(range(60))
    assert max(pids.count(pid) for pid in pids) <= 5


@pytest.mark.parametrize("value", [0, -1, 2.5, True])
def test_max_tasks_that_cannot_be(value: int) -> None:
    """It must be a whole number of at least 1."""
    with pytest.raises((ValueError, TypeError), match="max_tasks_per_child"):
        ProcessPoolExecutor(1, max_tasks_per_child=value)


@pytest.mark.faults
@pytest.mark.slow
def test_a_worker_above_its_memory_limit_is_killed() -> None:
    """Its task raises WorkerMemoryError, which is a MemoryError; the pool goes on."""
    with ProcessPoolExecutor(1, worker_memory_limit=100_000_000) as executor:
        error = executor.submit(trouble.keep_memory_and_wait, 200_000_000).exception(SECONDS)
        assert isinstance(error, WorkerMemoryError)
        assert isinstance(error, MemoryError)
        assert error.execution == "may have run"
        assert error.obituary is not None
        assert (error.obituary.peak_memory or 0) > 200_000_000
        assert "worker_memory_limit" in str(error)
        assert executor.submit(abs, -1).result(SECONDS) == 1


@pytest.mark.slow
def test_a_worker_that_leaks_is_replaced(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, recwarn: object
) -> None:
    """Between two tasks, in silence but for one record in the log; no task is lost."""
    monkeypatch.setenv("LOKY_MAX_MEMORY_LEAK_SIZE", "20e6")
    caplog.set_level(logging.INFO, "loky_executor")
    with ProcessPoolExecutor(1) as executor:
        first = executor.submit(tasks.with_pid, 0).result(SECONDS)[1]
        deadline = time.monotonic() + SECONDS
        leaked = False
        while (pid := executor.submit(tasks.with_pid, 0).result(SECONDS)[1]) == first:
            assert time.monotonic() < deadline
            time.sleep(0.02)
            if not leaked and executor._pool._staff._memory is not None:
                leaked = bool(executor._pool._staff._memory.peak(1))  # it was looked at once
                if leaked:
                    executor.submit(trouble.keep_memory, 60_000_000).result(SECONDS)
        assert pid != first
    assert len([record for record in caplog.records if "replaced" in record.message]) == 1


@pytest.mark.parametrize("limit", [0, -5, 1.5])
def test_a_memory_limit_that_cannot_be(limit: int) -> None:
    """It must be a whole number of bytes of at least 1."""
    with pytest.raises((ValueError, TypeError), match="worker_memory_limit"):
        ProcessPoolExecutor(1, worker_memory_limit=limit)


def test_threads_per_worker() -> None:
    """The variables that numerical libraries read are set in workers, and here nothing changes."""
    before = dict(os.environ)
    with ProcessPoolExecutor(1, threads_per_worker=3) as executor:
        assert [executor.submit(tasks.environment_value, name).result() for name in THREADS] == (
            ["3"] * len(THREADS)
        )
    assert dict(os.environ) == before


def test_env_goes_before_threads_per_worker() -> None:
    """A variable that the user names is the user's."""
    env = {"OMP_NUM_THREADS": "7"}
    with ProcessPoolExecutor(1, threads_per_worker=3, env=env) as executor:
        assert executor.submit(tasks.environment_value, "OMP_NUM_THREADS").result() == "7"


@pytest.mark.slow
def test_executors_three_deep(single: ProcessPoolExecutor) -> None:
    """A task may use an executor whose tasks use an executor."""
    assert single.submit(trouble.depth_reached, 2).result(SECONDS) == 2


@pytest.mark.slow
def test_nesting_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deeper than LOKY_MAX_DEPTH the constructor raises LokyRecursionError, with both numbers."""
    monkeypatch.setenv("LOKY_MAX_DEPTH", "2")
    with ProcessPoolExecutor(1) as executor:
        error = executor.submit(trouble.depth_reached, 2).exception(SECONDS)
    assert isinstance(error, LokyRecursionError)
    assert (error.depth, error.max_depth) == (2, 2)


def test_a_depth_that_is_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the variable."""
    monkeypatch.setenv("LOKY_MAX_DEPTH", "deep")
    with pytest.raises(ValueError, match="LOKY_MAX_DEPTH"):
        ProcessPoolExecutor(1)


def test_priorities(single: ProcessPoolExecutor, gate: Gate) -> None:
    """Higher priorities go first; within one it is first come, first served."""
    single.submit(pass_gate, gate.port)
    gate.arrivals()
    order: list[tuple[int, int]] = []
    futures = []
    for number, priority in enumerate([1, 5, -3, 5, 1, 9, -3]):
        future = single.options(priority=priority).submit(abs, number)
        mark = (priority, number)
        future.add_done_callback(lambda _, mark=mark: order.append(mark))
        futures.append(future)
    gate.open()
    for future in futures:
        future.result(SECONDS)
    single.shutdown()
    assert order == [(9, 5), (5, 1), (5, 3), (1, 0), (1, 4), (-3, 2), (-3, 6)]


@pytest.mark.parametrize("options", [{"priority": 1.5}, {"retries": -1}, {"retries": "2"}])
def test_options_that_cannot_be(single: ProcessPoolExecutor, options: dict[str, int]) -> None:
    """They are refused at once, by name."""
    with pytest.raises((ValueError, TypeError), match=next(iter(options))):
        single.options(**options)


def test_an_unknown_option(single: ProcessPoolExecutor) -> None:
    """A misspelt option is a TypeError."""
    with pytest.raises(TypeError, match="time_out"):
        single.options(time_out=3)  # type: ignore[call-arg]
