"""What others on the machine can see of a pool, and what errors tell: nothing secret.

That both ends of a channel are each other's, on Windows too: `tests/backend/test_pairs.py`.
"""

from __future__ import annotations

import os
import socket
import stat
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from loky_executor import ProcessPoolExecutor
from loky_spawn import _capabilities, _descriptors
from support import executor_tasks as tasks
from support.executor_gate import Gate, pass_gate
from support.executor_scripts import run_code

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform != "linux", reason="looked at through /proc"),
]

SECONDS = 30
SECRET = "hunter2-and-more"


@pytest.fixture
def gate() -> Iterator[Gate]:
    """Give a gate for tasks to wait at."""
    gate = Gate()
    yield gate
    gate.open()


@pytest.mark.slow
def test_nothing_listens() -> None:
    """A program with two busy workers has no connection of the internet, and no named one."""
    program = """
    import os, psutil
    from loky import get_reusable_executor
    executor = get_reusable_executor(2)
    running = [executor.submit(__import__("time").sleep, 60) for _ in range(2)]
    while len(executor.workers()) < 2 or not all(w.tasks for w in executor.workers()):
        pass
    processes = [psutil.Process(pid) for pid in (os.getpid(), *executor._processes)]
    for process in processes:
        print(process.net_connections("inet"), end=" ")
        print({connection.laddr for connection in process.net_connections("unix")}, end=" ")
    print(len(processes))
    executor.shutdown(kill_workers=True)
    """
    assert run_code(program) == "[] {''} [] {''} [] {''} 3\n"


@pytest.mark.slow
def test_no_secret_on_a_command_line(gate: Gate) -> None:
    """Neither arguments, initializer, environment nor `sys.argv` are to be seen by `ps`."""
    executor = ProcessPoolExecutor(
        1, initializer=tasks.prepare, initargs=(SECRET,), env={"TOKEN": SECRET}
    )
    future = executor.submit(pass_gate, gate.port, SECRET)
    [pid] = gate.arrivals()
    seen = Path(f"/proc/{pid}/cmdline").read_bytes()
    gate.open()
    assert future.result(SECONDS) == SECRET
    executor.shutdown()
    assert b"loky" in seen
    assert SECRET.encode() not in seen


class Secretive:
    """Cannot be pickled, and shows a secret when it is printed."""

    def __repr__(self) -> str:
        return SECRET

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("cannot pickle this")


@pytest.mark.slow
def test_no_argument_in_an_error() -> None:
    """Crashes, time limits, refusals and what was pending: no error shows what a task was given."""
    with ProcessPoolExecutor(1, on_crash="isolate") as executor:
        futures = [
            executor.submit(abs, Secretive()),
            executor.submit(len, [SECRET, Secretive()]),
            executor.submit(id, (SECRET, tasks.RefusesToUnpickle())),
            executor.submit(id, [SECRET, tasks.ClosesDownWhenUnpickled()]),
            executor.options(timeout=0.1).submit(pass_time, SECRET),
            executor.submit(os._exit, *[3]),
        ]
        errors = [future.exception(SECONDS) for future in futures]
    with ProcessPoolExecutor(1) as broken:
        pending = [broken.submit(os._exit, 1), *(broken.submit(len, SECRET) for _ in range(20))]
        errors += [future.exception(SECONDS) for future in pending]
    with pytest.raises(RuntimeError) as refused:
        broken.submit(len, SECRET)
    errors.append(refused.value)
    told = ""
    for error in errors:
        assert error is not None
        told += "".join(traceback.format_exception(error)) + repr(vars(error))
    assert told.count("Error") > len(errors)
    assert SECRET not in told


def pass_time(_secret: str) -> None:
    """Wait for longer than anybody has patience."""
    import time

    time.sleep(60)


def test_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no memfd: readable by nobody else, and without a name from birth on."""
    import tempfile

    monkeypatch.setenv("LOKY_WITHOUT", "memfd")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(_capabilities, "_known", {})
    before = os.umask(0)
    try:
        fd = _descriptors.anonymous_file()
    finally:
        os.umask(before)
    try:
        facts = os.fstat(fd)
        assert (stat.S_IMODE(facts.st_mode), facts.st_nlink) == (0o600, 0)
        assert facts.st_dev == tmp_path.stat().st_dev
    finally:
        os.close(fd)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_no_file_while_workers_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gate: Gate
) -> None:
    """Temporary folder and shared memory stay empty, with large data and without memfd too."""
    import tempfile

    shared = set(Path("/dev/shm").iterdir())
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    for without in ("", "memfd"):
        monkeypatch.setenv("LOKY_WITHOUT", without)
        monkeypatch.setattr(_capabilities, "_known", {})
        with ProcessPoolExecutor(1) as executor:
            assert len(executor.submit(bytearray, 5_000_000).result(SECONDS)) == 5_000_000
            future = executor.submit(pass_gate, gate.port)
            [pid] = gate.arrivals()
            assert list(tmp_path.iterdir()) == []
            fresh = set(Path("/dev/shm").iterdir()) - shared
            assert not [path for path in fresh if "loky" in path.name]
            gate.let_through(pid)
            future.result(SECONDS)


def test_channels_have_no_name() -> None:
    """The sockets of a worker are anonymous and not inheritable: nobody can connect to them."""
    with ProcessPoolExecutor(1) as executor:
        executor.submit(abs, -1).result(SECONDS)
        [worker] = executor._pool._seats.workers()
        assert worker.socket.family == socket.AF_UNIX
        assert (worker.socket.getsockname(), worker.socket.getpeername()) == ("", "")
        assert not worker.socket.get_inheritable()
        names = {c.laddr for c in psutil.Process(worker.child.pid).net_connections("unix")}
        assert names == {""}
