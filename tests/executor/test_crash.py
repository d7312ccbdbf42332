"""A worker that dies: nobody waits for ever, and everybody is told."""

from __future__ import annotations

import os
import pickle
import signal
import threading
from concurrent.futures import wait
from concurrent.futures.process import BrokenProcessPool as StandardBrokenProcessPool
from typing import TYPE_CHECKING, Any

import pytest

from loky_executor import BrokenProcessPool, ProcessPoolExecutor, TerminatedWorkerError
from support import executor_tasks as tasks
from support.executor_gate import pass_gate
from support.executor_waiting import all_gone, eventually, occupancy

if TYPE_CHECKING:
    from support.executor_gate import Gate

SECONDS = 30


def test_a_worker_that_exits_breaks_the_pool(single: ProcessPoolExecutor) -> None:
    """`os._exit` in a task gives TerminatedWorkerError, which is the standard class too."""
    error = single.submit(os._exit, 1).exception(SECONDS)
    assert type(error) is TerminatedWorkerError
    assert isinstance(error, BrokenProcessPool)
    assert isinstance(error, StandardBrokenProcessPool)
    assert error.execution == "may have run"


def test_the_error_says_what_happened(single: ProcessPoolExecutor) -> None:
    """The message names the process and how it ended, and the facts are attributes."""
    pid = single.submit(os.getpid).result(SECONDS)
    error = single.submit(os._exit, 7).exception(SECONDS)
    assert isinstance(error, TerminatedWorkerError)
    assert error.obituary is not None
    assert (error.obituary.pid, error.obituary.exitcode) == (pid, 7)
    assert f"pid {pid}" in str(error)
    assert "exited with code 7" in str(error)


def test_the_error_names_the_signal(single: ProcessPoolExecutor) -> None:
    """Death by a signal is told by its name."""
    error = single.submit(lambda: os.kill(os.getpid(), signal.SIGKILL)).exception(SECONDS)
    assert isinstance(error, TerminatedWorkerError)
    assert error.obituary is not None
    assert error.obituary.signal == "SIGKILL"


def test_a_crash_in_native_code_shows_python_stacks(single: ProcessPoolExecutor) -> None:
    """A segmentation fault arrives with the Python stack at that moment."""

    def crash_natively() -> None:
        import ctypes

        ctypes.c_int.from_address(8).value  # noqa: B018 - the crash; a call would be guarded on Windows

    error = single.submit(crash_natively).exception(SECONDS)
    assert isinstance(error, TerminatedWorkerError)
    assert "crash_natively" in str(error)


def test_the_error_pickles(single: ProcessPoolExecutor) -> None:
    """The error keeps its facts when it travels."""
    error = single.submit(os._exit, 1).exception(SECONDS)
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), copy.args) == (TerminatedWorkerError, error and error.args)
    assert (copy.obituary, copy.execution) == (error.obituary, "may have run")  # type: ignore[union-attr]


def test_every_future_gets_its_own_error(executor: ProcessPoolExecutor, gate: Gate) -> None:
    """Running and waiting tasks all fail, each with an exception instance of its own."""
    futures = [executor.submit(pass_gate, gate.port) for _ in range(2)]
    futures += [executor.submit(abs, -number) for number in range(200)]
    os.kill(gate.arrivals(2)[0], signal.SIGTERM)
    done, waiting = wait(futures, SECONDS)
    assert (len(done), len(waiting)) == (202, 0)
    errors = [future.exception() for future in futures]
    assert {type(error) for error in errors} == {TerminatedWorkerError}
    assert len({id(error) for error in errors}) == 202


def test_the_error_tells_who_did_not_start(single: ProcessPoolExecutor, gate: Gate) -> None:
    """A task that never left the parent says so: it can be submitted again without fear."""
    futures = [single.submit(pass_gate, gate.port) for _ in range(3)]
    os.kill(gate.arrivals()[0], signal.SIGTERM)
    told = [future.exception(SECONDS).execution for future in futures]  # type: ignore[union-attr]
    assert told == ["may have run", "not started", "not started"]


def test_answers_that_came_before_the_crash_are_kept(single: ProcessPoolExecutor) -> None:
    """What was answered stays answered."""
    futures = [single.submit(abs, -number) for number in range(50)]
    crashed = single.submit(os._exit, 1)
    assert type(crashed.exception(SECONDS)) is TerminatedWorkerError
    assert [future.result(SECONDS) for future in futures] == list(range(50))


def test_a_broken_pool_ends_its_other_workers(executor: ProcessPoolExecutor, gate: Gate) -> None:
    """No worker of a broken pool goes on."""
    for _ in range(2):
        executor.submit(pass_gate, gate.port)
    pids = gate.arrivals(2)
    os.kill(pids[0], signal.SIGTERM)
    assert all_gone(pids)


def test_a_broken_pool_takes_no_tasks(single: ProcessPoolExecutor) -> None:
    """Submitting to a broken pool raises, and the pool says that it is broken."""
    single.submit(os._exit, 1).exception(SECONDS)
    with pytest.raises(BrokenProcessPool):
        single.submit(abs, 1)
    assert not single.usable
    assert "broken" in repr(single)


def test_a_refused_task_is_told_why(single: ProcessPoolExecutor) -> None:
    """Who comes after the break reads what broke the pool, and has its history."""
    first = single.submit(os._exit, 3)
    with pytest.raises(TerminatedWorkerError):
        first.result()
    with pytest.raises(
        BrokenProcessPool, match=r"takes no more tasks: .*exited with code 3"
    ) as caught:
        single.submit(abs, -1)
    assert isinstance(caught.value.__cause__, TerminatedWorkerError)
    assert any("WorkerDied" in line for line in caught.value.history)


def test_a_broken_pool_can_be_shut_down(single: ProcessPoolExecutor) -> None:
    """Shutdown after a crash returns, as often as one likes."""
    single.submit(os._exit, 1).exception(SECONDS)
    single.shutdown()
    single.shutdown()


def test_an_idle_worker_that_is_killed_harms_nothing(single: ProcessPoolExecutor) -> None:
    """With an idle worker no task is lost: the pool starts another when it needs one."""
    pid = single.submit(os.getpid).result(SECONDS)
    os.kill(pid, signal.SIGTERM)
    assert eventually(lambda: occupancy(single) == (0, 0))
    assert single.submit(os.getpid).result(SECONDS) != pid


def test_an_argument_that_ends_the_worker(single: ProcessPoolExecutor) -> None:
    """A worker that dies while it decodes a task is told like any other death."""
    error = single.submit(id, tasks.ClosesDownWhenUnpickled()).exception(SECONDS)
    assert isinstance(error, TerminatedWorkerError)
    assert error.obituary is not None
    assert error.obituary.exitcode == 3


def test_a_result_that_ends_the_worker(single: ProcessPoolExecutor) -> None:
    """A worker that dies while it encodes a result is told like any other death."""

    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            os._exit(4)

    error = single.submit(lambda: [Trap()]).exception(SECONDS)
    assert isinstance(error, TerminatedWorkerError)
    assert error.obituary is not None
    assert error.obituary.exitcode == 4


def test_a_worker_that_dies_in_the_middle_of_a_result(single: ProcessPoolExecutor) -> None:
    """A result that was cut short is a death, and never half a result."""

    def die_while_sending() -> bytes:
        threading.Timer(0.0, os._exit, (5,)).start()
        return bytes(400_000_000)

    error = single.submit(die_while_sending).exception(SECONDS)
    assert isinstance(error, TerminatedWorkerError)


def test_a_crash_while_other_threads_use_the_pool(single: ProcessPoolExecutor, gate: Gate) -> None:
    """A break ends every future also while other threads keep the scheduler busy."""
    futures = [single.submit(pass_gate, gate.port)]
    futures += [single.submit(abs, -1) for _ in range(2000)]
    over = threading.Event()

    def disturb() -> None:
        while not over.is_set():
            single.resize(1, None)

    disturbers = [threading.Thread(target=disturb) for _ in range(2)]
    for thread in disturbers:
        thread.start()
    try:
        os.kill(gate.arrivals()[0], signal.SIGTERM)
        done, waiting = wait(futures, timeout=10)
    finally:
        over.set()
        for thread in disturbers:
            thread.join()
    assert (len(done), len(waiting)) == (2001, 0)


@pytest.mark.slow
def test_a_death_is_not_told_last(
    single: ProcessPoolExecutor, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many events wait for the scheduler, a death comes after some of them only."""
    pool = single._pool
    future = single.submit(pass_gate, gate.port)
    (pid,) = gate.arrivals()
    handled: list[str] = []
    handle = pool._machine.handle

    def note(events: Any, now: float) -> object:
        handled.extend(type(event).__name__ for event in events)
        return handle(events, now)

    monkeypatch.setattr(pool._machine, "handle", note)
    go_on = threading.Event()
    pool._reactor.call(go_on.wait)
    for _ in range(10_000):
        single.resize(1, None)
    os.kill(pid, signal.SIGTERM)
    assert all_gone([pid])
    go_on.set()
    assert type(future.exception(SECONDS)) is TerminatedWorkerError
    assert handled.index("WorkerDied") < 5_000
