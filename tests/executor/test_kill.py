"""Ending things at will: one task, all workers; and signals sent to workers by others."""

from __future__ import annotations

import os
import pickle
import signal
from concurrent.futures import CancelledError, as_completed, wait
from typing import TYPE_CHECKING

import pytest

from loky_executor import ProcessPoolExecutor, ShutdownExecutorError, WorkersKilledError
from support import executor_tasks as tasks
from support import executor_trouble as trouble
from support.executor_gate import pass_gate
from support.executor_waiting import alive, all_gone, eventually, occupancy

if TYPE_CHECKING:
    from support.executor_gate import Gate

SECONDS = 10
pytestmark = pytest.mark.faults


def test_killing_a_task_that_waits(single: ProcessPoolExecutor, gate: Gate) -> None:
    """It is cancelled; the running one and the others are not disturbed."""
    running = single.submit(pass_gate, gate.port, "ran")
    waiting = [single.submit(abs, -number) for number in range(10)]
    pid = gate.arrivals()[0]
    assert waiting[4].kill()
    assert waiting[4].cancelled()
    gate.let_through(pid)
    assert running.result(SECONDS) == "ran"
    rest = [future.result(SECONDS) for future in waiting if future is not waiting[4]]
    assert rest == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    assert single.submit(tasks.with_pid, 0).result(SECONDS)[1] == pid


@pytest.mark.parametrize("on_crash", ["break", "isolate"])
def test_killing_a_task_that_runs(gate: Gate, on_crash: str) -> None:
    """It raises CancelledError, its worker is gone and replaced; the pool is not broken."""
    with ProcessPoolExecutor(2, on_crash=on_crash) as executor:
        futures = [executor.submit(pass_gate, gate.port, number) for number in range(2)]
        pids = gate.arrivals(2)
        rest = [executor.submit(abs, -number) for number in range(50)]
        assert futures[0].kill()
        with pytest.raises(CancelledError):
            futures[0].result(SECONDS)
        assert eventually(lambda: sum(map(alive, pids)) < 2)
        gate.open()
        assert futures[1].result(SECONDS) == 1
        assert [future.result(SECONDS) for future in rest] == list(range(50))


def test_killing_a_task_behind_another(gate: Gate) -> None:
    """In a batch too only the one that was named is lost; the one that runs goes on."""
    with ProcessPoolExecutor(1) as executor:
        for _ in range(100):  # short tasks: from now on they travel in batches
            executor.submit(abs, -1).result(SECONDS)
        running = executor.submit(pass_gate, gate.port, "ran")
        batch = [executor.submit(tasks.with_pid, number) for number in range(40)]
        pid = gate.arrivals()[0]
        assert [batch[number].kill() for number in (0, 1, 20)] == [True] * 3
        assert all(_was_cancelled(batch[number]) for number in (0, 1, 20))
        gate.let_through(pid)
        assert running.result(SECONDS) == "ran"
        wait(batch, SECONDS)
        lost = [number for number, future in enumerate(batch) if _was_cancelled(future)]
        assert lost == [0, 1, 20]
        assert {future.result()[1] for future in batch if not _was_cancelled(future)} == {pid}


def _was_cancelled(future: object) -> bool:
    try:
        future.result(SECONDS)  # type: ignore[attr-defined]
    except CancelledError:
        return True
    return False


def test_killing_the_one_that_runs_spares_those_behind(gate: Gate) -> None:
    """What its worker held and had not begun is run elsewhere."""
    with ProcessPoolExecutor(1) as executor:
        for _ in range(100):
            executor.submit(abs, -1).result(SECONDS)
        running = executor.submit(pass_gate, gate.port)
        batch = [executor.submit(abs, -number) for number in range(40)]
        gate.arrivals()
        running.kill()
        assert [future.result(SECONDS) for future in batch] == list(range(40))
        assert _was_cancelled(running)


def test_a_killed_task_is_not_retried(gate: Gate) -> None:
    """Retries are for crashes, not for what the user ended."""
    with ProcessPoolExecutor(1) as executor:
        future = executor.options(retries=5).submit(pass_gate, gate.port)
        gate.arrivals()
        future.kill()
        assert _was_cancelled(future)
        assert executor.submit(abs, -1).result(SECONDS) == 1


def test_wait_and_as_completed_see_a_killed_task(single: ProcessPoolExecutor, gate: Gate) -> None:
    """Whoever waits for it hears of it."""
    future = single.submit(pass_gate, gate.port)
    gate.arrivals()
    future.kill()
    assert list(as_completed([future], SECONDS)) == [future]
    assert wait([future], 5).done == {future}


def test_killing_a_task_that_is_done(single: ProcessPoolExecutor) -> None:
    """It says no, and changes nothing."""
    future = single.submit(abs, -1)
    assert future.result(SECONDS) == 1
    assert not future.kill()
    assert future.result() == 1


def test_killing_before_any_worker_is_there(single: ProcessPoolExecutor) -> None:
    """Also a task whose worker is only being started ends."""
    future = single.submit(trouble.sleep_in_python, 60)
    assert future.kill()
    assert _was_cancelled(future)
    assert single.submit(abs, -1).result(SECONDS) == 1


@pytest.mark.parametrize("method", ["kill_workers", "terminate_workers"])
def test_ending_all_workers(gate: Gate, method: str) -> None:
    """Running tasks raise an error that says so and pickles; waiting ones are cancelled."""
    executor = ProcessPoolExecutor(2)
    running = [executor.submit(pass_gate, gate.port) for _ in range(2)]
    waiting = [executor.submit(abs, 1) for _ in range(10)]
    pids = gate.arrivals(2)
    getattr(executor, method)()
    assert all_gone(pids, within=2)
    for future in running:
        error = future.exception(0)
        assert isinstance(error, WorkersKilledError)
        assert error.execution == "may have run"
        assert type(pickle.loads(pickle.dumps(error))) is WorkersKilledError
    assert all(future.cancelled() for future in waiting)
    with pytest.raises(ShutdownExecutorError):
        executor.submit(abs, 1)


@pytest.mark.parametrize("method", ["kill_workers", "terminate_workers"])
def test_ending_workers_that_never_were(method: str) -> None:
    """On an executor without workers, and again on one that was shut down, it just returns."""
    executor = ProcessPoolExecutor(2)
    getattr(executor, method)()
    getattr(executor, method)()


@pytest.mark.slow
def test_ctrl_c_that_reaches_a_starting_worker(single: ProcessPoolExecutor) -> None:
    """SIGINT again and again from the birth of a worker to its first answer does not end it."""
    future = single.submit(tasks.with_pid, 0)
    assert eventually(lambda: single._processes)
    [(pid, worker)] = single._processes.items()
    while not future.done():
        worker.send_signal(signal.SIGINT)
    assert isinstance(future.exception(), (type(None), KeyboardInterrupt))
    assert single.submit(tasks.with_pid, 0).result(SECONDS)[1] == pid


def test_ctrl_c_that_reaches_an_idle_worker(single: ProcessPoolExecutor) -> None:
    """SIGINT sent to a worker without a task does nothing."""
    pid = single.submit(tasks.with_pid, 0).result(SECONDS)[1]
    assert eventually(lambda: occupancy(single) == (0, 1))
    os.kill(pid, signal.SIGINT)
    assert single.submit(tasks.with_pid, 0).result(SECONDS)[1] == pid


def test_ctrl_c_that_reaches_a_busy_worker(single: ProcessPoolExecutor, gate: Gate) -> None:
    """SIGINT ends the task with KeyboardInterrupt, and not the worker."""
    future = single.submit(pass_gate, gate.port)
    pid = gate.arrivals()[0]
    os.kill(pid, signal.SIGINT)
    assert type(future.exception(SECONDS)) is KeyboardInterrupt
    assert single.submit(tasks.with_pid, 0).result(SECONDS)[1] == pid


@pytest.mark.slow
def test_many_interrupts_break_nothing(single: ProcessPoolExecutor) -> None:
    """Whenever SIGINT strikes a worker: each task ends, the process stays."""
    pid = single.submit(tasks.with_pid, 0).result(SECONDS)[1]
    futures = []
    for number in range(300):
        futures.append(single.submit(abs, -number))
        os.kill(pid, signal.SIGINT)
    for number, future in enumerate(futures):
        error = future.exception(SECONDS)
        assert error is None or type(error) is KeyboardInterrupt
        assert error is not None or future.result() == number
    assert single.submit(tasks.with_pid, 0).result(SECONDS)[1] == pid
