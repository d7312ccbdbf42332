"""How an executor ends: `with`, `shutdown`, garbage collection."""

from __future__ import annotations

import gc
import threading
import weakref
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING

import pytest

from loky_executor import ProcessPoolExecutor, ShutdownExecutorError
from support import executor_tasks as tasks
from support.executor_gate import pass_gate
from support.executor_waiting import all_gone, eventually

if TYPE_CHECKING:
    from support.executor_gate import Gate

SECONDS = 30


def test_with_waits_for_all_tasks() -> None:
    """Leaving the block finishes everything that was submitted."""
    with ProcessPoolExecutor(2) as executor:
        futures = [executor.submit(abs, -number) for number in range(100)]
    assert [future.done() for future in futures] == [True] * 100
    assert [future.result() for future in futures] == list(range(100))


def test_shutdown_leaves_no_process() -> None:
    """When it returns the workers are gone."""
    executor = ProcessPoolExecutor(1)
    _, pid = executor.submit(tasks.with_pid, 0).result(SECONDS)
    executor.shutdown()
    assert all_gone([pid], within=0)


def test_shutdown_of_an_executor_that_was_never_used() -> None:
    """It returns at once, as often as it is called."""
    executor = ProcessPoolExecutor(1)
    for _ in range(3):
        executor.shutdown()


def test_shutdown_without_waiting(single: ProcessPoolExecutor, gate: Gate) -> None:
    """It returns while tasks run; they and those queued are finished."""
    futures = [single.submit(pass_gate, gate.port, number) for number in range(4)]
    gate.arrivals()
    single.shutdown(wait=False)
    with pytest.raises(ShutdownExecutorError):
        single.submit(abs, 1)
    gate.open()
    assert [future.result(SECONDS) for future in futures] == [0, 1, 2, 3]


def test_shutdown_before_the_first_worker_is_there() -> None:
    """A pool that is shut down while its workers start still does its tasks."""
    executor = ProcessPoolExecutor(2)
    futures = [executor.submit(abs, -number) for number in range(4)]
    executor.shutdown(wait=False)
    assert [future.result(SECONDS) for future in futures] == [0, 1, 2, 3]


def test_cancel_futures(single: ProcessPoolExecutor, gate: Gate) -> None:
    """Those that did not start are cancelled, the running one is finished."""
    futures = [single.submit(pass_gate, gate.port, number) for number in range(6)]
    gate.arrivals()
    single.shutdown(wait=False, cancel_futures=True)
    assert eventually(lambda: all(future.cancelled() for future in futures[1:]))
    gate.open()
    assert futures[0].result(SECONDS) == 0


def test_kill_workers(executor: ProcessPoolExecutor, gate: Gate) -> None:
    """Running tasks and waiting ones fail at once, nothing is waited for."""
    futures = [executor.submit(pass_gate, gate.port) for _ in range(6)]
    pids = gate.arrivals(2)
    executor.shutdown(kill_workers=True)
    errors = [future.exception(0) for future in futures]
    assert all(isinstance(error, ShutdownExecutorError) for error in errors)
    fates = [getattr(error, "execution", None) for error in errors]
    assert sorted(map(str, fates)) == ["may have run"] * 2 + ["not started"] * 4
    assert all_gone(pids, within=0)


def test_kill_workers_and_cancel(executor: ProcessPoolExecutor, gate: Gate) -> None:
    """With both, waiting tasks are cancelled."""
    futures = [executor.submit(pass_gate, gate.port) for _ in range(6)]
    gate.arrivals(2)
    executor.shutdown(cancel_futures=True, kill_workers=True)
    assert sum(future.cancelled() for future in futures) == 4


def test_kill_workers_after_a_gentle_shutdown(single: ProcessPoolExecutor, gate: Gate) -> None:
    """Who waited long enough can still end it."""
    future = single.submit(pass_gate, gate.port)
    gate.arrivals()
    single.shutdown(wait=False)
    single.shutdown(kill_workers=True)
    assert isinstance(future.exception(0), ShutdownExecutorError)


def test_kill_workers_while_they_start() -> None:
    """Workers that are only being started are ended too, and nobody waits for ever."""
    executor = ProcessPoolExecutor(4)
    futures = [executor.submit(abs, 1) for _ in range(20)]
    executor.shutdown(kill_workers=True)
    assert all(future.done() for future in futures)


def test_several_threads_may_shut_down(single: ProcessPoolExecutor) -> None:
    """All of them return."""
    single.submit(abs, 1)
    threads = [threading.Thread(target=single.shutdown) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert [thread.is_alive() for thread in threads] == [False] * 4


def test_shutdown_wakes_who_waits_for_a_cancelled_task(
    single: ProcessPoolExecutor, gate: Gate
) -> None:
    """A thread in `result` of a task that is cancelled by the shutdown hears of it."""
    single.submit(pass_gate, gate.port)
    gate.arrivals()
    waiting = [single.submit(abs, 1) for _ in range(5)][-1]
    threading.Thread(target=single.shutdown, args=(False,), kwargs={"cancel_futures": True}).start()
    with pytest.raises(CancelledError):
        waiting.result(SECONDS)


def test_an_executor_that_nobody_holds_finishes_its_tasks(gate: Gate) -> None:
    """Garbage collection of the executor loses no task, and its workers leave then."""
    executor = ProcessPoolExecutor(1)
    gone = weakref.ref(executor)
    futures = [executor.submit(tasks.with_pid, number) for number in range(10)]
    futures.append(executor.submit(pass_gate, gate.port, (10, 0)))
    del executor
    gc.collect()
    assert gone() is None
    gate.open()
    results = [future.result(SECONDS) for future in futures]
    assert [value for value, _ in results] == list(range(11))
    assert all_gone([results[0][1]])


def test_an_executor_that_nobody_holds_or_used(recwarn: pytest.WarningsRecorder) -> None:
    """It goes without a trace: the leak check around each test sees its thread end."""
    ProcessPoolExecutor(1)
    gc.collect()
    assert list(recwarn) == []
