"""After a fork, in workers, at exit, under a debugger's pause, and when a worker leaks memory."""

from __future__ import annotations

import logging
import os
import signal
import time
from concurrent.futures import TimeoutError as FuturesTimeoutError
from typing import TYPE_CHECKING

import pytest

from loky_reusable import LokyRecursionError, get_reusable_executor
from support import executor_tasks as tasks
from support import executor_trouble as trouble
from support.executor_gate import pass_gate
from support.executor_scripts import run_code, start_code
from support.executor_waiting import all_gone, eventually, occupancy

if TYPE_CHECKING:
    from support.executor_gate import Gate

SECONDS = 30


@pytest.mark.slow
def test_a_forked_child_has_one_of_its_own() -> None:
    """The child's works, the parent's goes on, and neither touches the other's workers."""
    printed = run_code(
        """
        import os, warnings
        from loky import get_reusable_executor
        from loky.process_executor import ShutdownExecutorError
        warnings.simplefilter("ignore", DeprecationWarning)  # fork with threads: the point here
        mine = get_reusable_executor(1, timeout=100)
        pid = mine.submit(os.getpid).result()
        child = os.fork()
        if child == 0:
            fresh = get_reusable_executor(1)
            assert fresh is not mine
            assert fresh.submit(os.getpid).result() != pid
            try:
                mine.submit(abs, -1)
            except ShutdownExecutorError:
                fresh.shutdown()
                os._exit(7)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        print(get_reusable_executor(1, timeout=100) is mine, mine.submit(os.getpid).result() == pid)
        """
    )
    assert printed == "7\nTrue True\n"


def nested(levels: int) -> int:
    """Ask for the reusable executor in a worker of the reusable executor, and so on."""
    if levels == 0:
        return 0
    return 1 + get_reusable_executor(1).submit(nested, levels - 1).result(SECONDS)


@pytest.mark.slow
def test_workers_have_their_own() -> None:
    """A worker that asks gets the one of its own process."""
    assert get_reusable_executor(2).submit(nested, 2).result(SECONDS) == 2


@pytest.mark.slow
def test_nesting_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """With LOKY_MAX_DEPTH=1 a worker gets none; the error says what to change."""
    monkeypatch.setenv("LOKY_MAX_DEPTH", "1")
    error = get_reusable_executor(1).submit(nested, 1).exception(SECONDS)
    assert isinstance(error, LokyRecursionError)
    assert "LOKY_MAX_DEPTH" in str(error)


@pytest.mark.slow
def test_a_program_that_just_ends() -> None:
    """Without `shutdown`: submitted tasks are done, no worker stays, no word."""
    printed = run_code(
        """
        import os
        from loky import get_reusable_executor
        executor = get_reusable_executor(2, timeout=1000)
        print(executor.submit(os.getpid).result(), flush=True)
        executor.submit(print, "done at the end", flush=True)
        """
    )
    pid, said = printed.splitlines()
    assert said == "done at the end"
    assert all_gone([int(pid)])


@pytest.mark.slow
@pytest.mark.faults
def test_a_stopped_worker_goes_on(gate: Gate) -> None:
    """SIGSTOP for longer than the idle timeout: after SIGCONT the task is answered."""
    executor = get_reusable_executor(1, timeout=0.01)
    future = executor.submit(pass_gate, gate.port, "answer")
    (pid,) = gate.arrivals()
    os.kill(pid, signal.SIGSTOP)
    try:
        gate.open()
        with pytest.raises(FuturesTimeoutError):  # not the built-in one before Python 3.11
            future.result(0.2)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert future.result(SECONDS) == "answer"


@pytest.mark.slow
@pytest.mark.faults
def test_an_idle_worker_stopped_past_the_timeout() -> None:
    """It cannot say good-bye: it is killed after a while, and the next task has another one."""
    executor = get_reusable_executor(1, timeout=1000)
    pid = executor.submit(os.getpid).result(SECONDS)
    os.kill(pid, signal.SIGSTOP)
    get_reusable_executor(1, timeout=0)
    assert eventually(lambda: occupancy(executor) == (0, 0))
    assert executor.submit(os.getpid).result(SECONDS) != pid
    assert all_gone([pid])


@pytest.mark.slow
@pytest.mark.faults
def test_a_stopped_program_goes_on() -> None:
    """The whole program is paused, as by a debugger, for longer than the timeout."""
    program = start_code(
        """
        import os, sys
        from loky import get_reusable_executor
        executor = get_reusable_executor(1, timeout=0.2)
        print(executor.submit(os.getpid).result(), flush=True)
        for number in range(200):
            assert executor.submit(abs, -number).result() == number
        print("done", flush=True)
        """
    )
    assert program.stdout is not None
    program.stdout.readline()
    os.kill(program.pid, signal.SIGSTOP)
    try:
        time.sleep(0.5)  # it is the length of the pause that matters
    finally:
        os.kill(program.pid, signal.SIGCONT)
    with program:
        assert program.stdout.read() == "done\n"
    assert program.returncode == 0


@pytest.mark.slow
def test_a_worker_that_leaks_is_replaced(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Between tasks, without a warning, with one log record; no task is lost."""
    monkeypatch.setenv("LOKY_MAX_MEMORY_LEAK_SIZE", "50000000")
    caplog.set_level(logging.INFO)
    executor = get_reusable_executor(1, timeout=1000)
    assert executor.submit(abs, -1).result(SECONDS) == 1
    first = executor.submit(os.getpid).result(SECONDS)
    answers = []

    def replaced() -> bool:
        answers.append(executor.submit(tasks.with_pid, len(answers)).result(SECONDS))
        return answers[-1][1] != first

    # The size of a worker is first taken after its first task, at most a second later.
    deadline = time.monotonic() + 1.5
    assert eventually(lambda: replaced() or time.monotonic() > deadline)
    executor.submit(trouble.keep_memory, 100_000_000).result(SECONDS)
    assert eventually(replaced)
    assert [value for value, _ in answers] == list(range(len(answers)))
    assert len([record for record in caplog.records if record.name == "loky_executor"]) == 1
