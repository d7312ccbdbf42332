"""`on_crash="isolate"`, retries and the crash-loop limit: a crash costs what it must, no more."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import wait
from typing import TYPE_CHECKING

import pytest

from loky_executor import BrokenProcessPool, ProcessPoolExecutor, TerminatedWorkerError
from support import executor_trouble as trouble
from support.executor_gate import pass_gate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.executor_gate import Gate

SECONDS = 10
pytestmark = pytest.mark.faults


@pytest.fixture
def isolating() -> Iterator[ProcessPoolExecutor]:
    """Give an executor of two workers in which a crash costs one task."""
    executor = ProcessPoolExecutor(2, on_crash="isolate")
    yield executor
    executor.shutdown(kill_workers=True)


def test_only_the_task_that_crashed_fails(isolating: ProcessPoolExecutor) -> None:
    """All its siblings are done, whichever worker they were with."""
    futures = [isolating.submit(trouble.crash_if, number, 250) for number in range(500)]
    wait(futures, SECONDS)
    failed = [number for number, future in enumerate(futures) if future.exception()]
    assert failed == [250]
    assert {f.result() for f in futures if not f.exception()} == set(range(500)) - {250}


def test_the_error_says_that_others_are_not_affected(isolating: ProcessPoolExecutor) -> None:
    """It is a TerminatedWorkerError with its facts, and gives no advice to make a new executor."""
    error = isolating.submit(trouble.crash, 7).exception(SECONDS)
    assert isinstance(error, TerminatedWorkerError)
    assert error.obituary is not None
    assert (error.obituary.exitcode, error.execution) == (7, "may have run")
    assert "other tasks are not affected" in str(error)
    assert "make a new one" not in str(error)


def test_a_sibling_that_runs_meanwhile_is_unharmed(
    isolating: ProcessPoolExecutor, gate: Gate
) -> None:
    """Another worker's task goes on, in the same process."""
    running = isolating.submit(pass_gate, gate.port, "unharmed")
    pid = gate.arrivals()[0]
    assert type(isolating.submit(trouble.crash).exception(SECONDS)) is TerminatedWorkerError
    gate.let_through(pid)
    assert running.result(SECONDS) == "unharmed"


@pytest.mark.slow
def test_the_worker_is_replaced(isolating: ProcessPoolExecutor, gate: Gate) -> None:
    """After crashes there are as many workers as before, with new pids."""
    for _ in range(2):
        isolating.submit(pass_gate, gate.port)
    pids = gate.arrivals(2)
    for pid in pids:
        os.kill(pid, signal.SIGTERM)
    for _ in range(2):
        isolating.submit(pass_gate, gate.port)
    replaced = gate.arrivals(2)
    assert len(set(pids) | set(replaced)) == 4
    assert isolating.usable


def test_a_crash_loop_ends(isolating: ProcessPoolExecutor) -> None:
    """When workers die again and again and nothing is completed, the executor gives up."""
    futures = [isolating.submit(trouble.crash) for _ in range(40)]
    wait(futures, SECONDS)
    errors = [future.exception() for future in futures]
    assert {type(error) for error in errors} == {TerminatedWorkerError}
    assert "again and again" in str(errors[-1])
    assert not isolating.usable


@pytest.mark.slow
def test_crashes_among_completed_tasks_are_no_loop(isolating: ProcessPoolExecutor) -> None:
    """As long as tasks are completed, any number of crashes is suffered."""
    for _ in range(14):
        crashed = isolating.submit(trouble.crash)
        assert type(crashed.exception(SECONDS)) is TerminatedWorkerError
        assert isolating.submit(abs, -1).result(SECONDS) == 1
    assert isolating.usable


def test_retries_after_crashes(single: ProcessPoolExecutor, tmp_path: Path) -> None:
    """A task with retries is run again in a new worker, also if a crash breaks the pool."""
    task = single.options(retries=2).submit(trouble.fail_the_first_times, str(tmp_path), 1, "crash")
    assert task.result(SECONDS) == 2
    pids = {path.name.partition("-")[2] for path in tmp_path.iterdir()}
    assert len(pids) == 2
    assert single.usable


def test_retries_run_out(single: ProcessPoolExecutor, tmp_path: Path) -> None:
    """After the last retry the crash counts."""
    task = single.options(retries=2).submit(trouble.fail_the_first_times, str(tmp_path), 9, "crash")
    assert type(task.exception(SECONDS)) is TerminatedWorkerError
    assert len(list(tmp_path.iterdir())) == 3
    assert not single.usable


def test_retries_do_not_hide_exceptions(single: ProcessPoolExecutor, tmp_path: Path) -> None:
    """What a task raises is not retried unless the user names it."""
    task = single.options(retries=5).submit(trouble.fail_the_first_times, str(tmp_path), 1, "raise")
    assert type(task.exception(SECONDS)) is ValueError
    assert len(list(tmp_path.iterdir())) == 1


def test_retry_on(single: ProcessPoolExecutor, tmp_path: Path) -> None:
    """Named exceptions are retried, so often and no more; others are not."""
    folders = [tmp_path / name for name in "abc"]
    for folder in folders:
        folder.mkdir()
    named = single.options(retries=2, retry_on=(ValueError, OSError))
    other = single.options(retries=2, retry_on=KeyError)
    task = trouble.fail_the_first_times
    assert named.submit(task, str(folders[0]), 2, "raise").result(SECONDS) == 3
    assert type(named.submit(task, str(folders[1]), 3, "raise").exception(SECONDS)) is ValueError
    assert type(other.submit(task, str(folders[2]), 1, "raise").exception(SECONDS)) is ValueError
    assert [len(list(folder.iterdir())) for folder in folders] == [3, 3, 1]


@pytest.mark.parametrize("retry_on", [3, ValueError(), (int,), "ValueError"])
def test_retry_on_must_be_exceptions(single: ProcessPoolExecutor, retry_on: object) -> None:
    """Anything else is refused at once."""
    with pytest.raises(TypeError, match="retry_on"):
        single.options(retries=1, retry_on=retry_on)  # type: ignore[arg-type]


def test_a_task_that_killed_its_worker_twice_runs_alone(gate: Gate, tmp_path: Path) -> None:
    """The third time no other task is sent along with it; then it is given up."""
    with ProcessPoolExecutor(1, on_crash="isolate") as executor:
        for _ in range(100):  # so that tasks travel in batches
            executor.submit(abs, -1).result(SECONDS)
        held = executor.submit(pass_gate, gate.port)
        bad = executor.options(retries=2).submit(
            trouble.fail_the_first_times, str(tmp_path), 9, "crash"
        )
        rest = [executor.submit(abs, -number) for number in range(200)]
        gate.open()
        held.result(SECONDS)
        assert type(bad.exception(SECONDS)) is TerminatedWorkerError
        assert [future.result(SECONDS) for future in rest] == list(range(200))
    assert len(list(tmp_path.iterdir())) == 3


def test_a_batch_loses_only_its_head(gate: Gate) -> None:
    """Tasks that wait behind one that crashes are run elsewhere, once each."""
    with ProcessPoolExecutor(1, on_crash="isolate") as executor:
        for _ in range(100):
            executor.submit(abs, -1).result(SECONDS)
        bad = executor.submit(trouble.pass_gate_then_crash, gate.port)
        rest = [executor.submit(abs, -number) for number in range(50)]
        gate.arrivals()
        gate.open()
        assert type(bad.exception(SECONDS)) is TerminatedWorkerError
        assert [future.result(SECONDS) for future in rest] == list(range(50))


def test_every_error_of_a_broken_pool_has_its_facts(
    executor: ProcessPoolExecutor, gate: Gate
) -> None:
    """Each future has its own instance, with `execution` and the scheduler's history."""
    running = [executor.submit(pass_gate, gate.port) for _ in range(2)]
    waiting = [executor.submit(abs, -1) for _ in range(20)]
    os.kill(gate.arrivals(2)[0], signal.SIGTERM)
    errors = [future.exception(SECONDS) for future in running + waiting]
    assert all(isinstance(error, BrokenProcessPool) for error in errors)
    assert len({id(error) for error in errors}) == 22
    told = [error.execution for error in errors if isinstance(error, BrokenProcessPool)]
    assert told == ["may have run"] * 2 + ["not started"] * 20
    for error in errors:
        assert isinstance(error, BrokenProcessPool)
        assert any("WorkerDied" in line for line in error.history)
        assert len(error.history) <= 40


def _pass_gate_and_die(port: int) -> None:
    pass_gate(port)
    os._exit(5)


def test_who_killed_two_workers_runs_alone_the_third_time(gate: Gate) -> None:
    """Nothing waits behind it in its worker then, and the error says how often it was tried."""
    with ProcessPoolExecutor(1, on_crash="isolate") as executor:
        for _ in range(3):  # a pace is known: tasks are sent ahead of need
            wait([executor.submit(abs, -1) for _ in range(100)], SECONDS)
        deadly = executor.options(retries=2, priority=1).submit(_pass_gate_and_die, gate.port)
        others = [executor.submit(abs, -number) for number in range(200)]
        held = []
        for _ in range(3):
            (pid,) = gate.arrivals()
            for _ in range(2):  # after two turns the scheduler has done what it can
                turned = threading.Event()
                executor._pool._reactor.call(turned.set)
                assert turned.wait(SECONDS)
            held.append(executor.workers()[0].tasks)
            gate.let_through(pid)
        assert isinstance(deadly.exception(SECONDS), TerminatedWorkerError)
        assert [future.result(SECONDS) for future in others] == list(range(200))
    assert held[2] == 1
    assert min(held[:2]) > 1
