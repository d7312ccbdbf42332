"""Obituaries of real deaths: crashes, exits, failed starts."""

from __future__ import annotations

import pickle
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from loky_backend import start_worker
from support import backend_tasks as tasks
from support.backend_owner import end_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.backend_owner import Owner
    from support.backend_post import Post

pytestmark = pytest.mark.faults

MANY = 25_000  # bytes; an obituary rides on every error


@pytest.mark.parametrize(
    ("die", "name", "stack"),
    [
        (tasks.segfault, "SIGSEGV", "in segfault"),
        (tasks.abort, "SIGABRT", "in abort"),
        (tasks.overflow_the_stack, "SIGSEGV", "in down"),
    ],
)
def test_a_crash_in_native_code(
    owner: Owner, die: Callable[[], object], name: str, stack: str
) -> None:
    """The Python stacks at the moment of the crash are there, small, and say where it was."""
    worker = owner.ready()
    owner.send(worker, die)
    obituary = owner.death(worker)
    assert (obituary.signal, obituary.stage, obituary.reason) == (name, "running", "")
    assert obituary.pid == worker.child.pid
    assert "Fatal Python error" in obituary.stacks
    assert "backend_tasks.py" in obituary.stacks
    assert stack in obituary.stacks
    assert len(pickle.dumps(obituary)) < MANY
    assert pickle.loads(pickle.dumps(obituary)) == obituary


@pytest.mark.parametrize(("number", "name"), [(9, "SIGKILL"), (15, "SIGTERM"), (40, "signal 40")])
def test_a_death_by_signal(owner: Owner, number: int, name: str) -> None:
    """The signal is named, by its number if it has no name; there are no stacks."""
    worker = owner.ready()
    owner.send(worker, tasks.kill_self, number)
    obituary = owner.death(worker)
    assert (obituary.exitcode, obituary.signal, obituary.stacks) == (-number, name, "")
    assert obituary.oom in (None, False)
    assert name in str(obituary)


def test_os_exit(owner: Owner) -> None:
    """`os._exit` is an exit code and nothing else."""
    worker = owner.ready()
    owner.send(worker, tasks.leave, 3)
    obituary = owner.death(worker)
    assert (obituary.exitcode, obituary.signal, obituary.stacks) == (3, "", "")
    assert "exited with code 3" in str(obituary)


def test_stacks_of_many_threads_are_bounded(owner: Owner) -> None:
    """The stacks of 60 deep threads are cut."""
    worker = owner.ready()
    owner.send(worker, tasks.abort_among_threads, 60, 90)
    obituary = owner.death(worker)
    assert obituary.signal == "SIGABRT"
    assert obituary.stacks.startswith("Fatal Python error: Aborted")
    assert len(pickle.dumps(obituary)) < MANY


def test_the_thread_that_crashed_is_not_cut_away(owner: Owner) -> None:
    """Of the stacks of many threads, that of the one that crashed is kept."""
    worker = owner.ready()
    owner.send(worker, tasks.abort_among_threads, 60, 90)
    assert "in abort_among_threads" in owner.death(worker).stacks


def test_stacks_that_were_asked_for_are_no_stacks_of_the_death(owner: Owner, post: Post) -> None:
    """Stacks dumped while it lived are not told as those of its death."""
    worker = owner.ready()
    owner.send(worker, tasks.hold_the_gil, post.path)
    post.wait()
    worker.dump_stacks()
    while "in hold_the_gil" not in worker.stacks():
        assert not worker.child.wait(0.001)
    worker.child.send_signal(signal.SIGKILL)
    assert owner.death(worker).stacks == ""


# -- failed starts --------------------------------------------------------------------------


def test_an_initializer_that_raises(owner: Owner) -> None:
    """Its traceback is in the obituary, the stage is "starting"."""
    worker = owner.start((tasks.fail_with, ValueError("no database")))
    obituary = owner.death(worker)
    assert obituary.stage == "starting"
    assert "ValueError: no database" in obituary.failure
    assert "in fail_with" in obituary.failure
    assert "ValueError: no database" in str(obituary)


def test_an_initializer_that_exits(owner: Owner) -> None:
    """`sys.exit` is told as what it is; `os._exit` as its code."""
    polite = owner.start((tasks.exit_with, 5))
    assert "SystemExit: 5" in owner.death(polite).failure
    rude = owner.start((tasks.leave, 6))
    obituary = owner.death(rude)
    assert (obituary.stage, obituary.exitcode, obituary.failure) == ("starting", 6, "")


def test_an_initializer_that_crashes(owner: Owner) -> None:
    """A crash in native code during the start has its stacks, too."""
    obituary = owner.death(owner.start((tasks.segfault,)))
    assert obituary.stage == "starting"
    assert ("access violation" if sys.platform == "win32" else "SIGSEGV") in obituary.cause
    assert "in segfault" in obituary.stacks


def test_an_initializer_the_worker_cannot_unpickle(owner: Owner) -> None:
    """What its unpickling raised is told."""
    obituary = owner.death(owner.start((tasks.echo, tasks.Poison())))
    assert obituary.stage == "starting"
    assert "LookupError: this cannot be rebuilt" in obituary.failure


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import a_module_that_is_not_there", "ModuleNotFoundError"),
        ("def broken(:\n", "SyntaxError"),
        ("raise RuntimeError('at import')", "RuntimeError: at import"),
    ],
)
def test_a_module_that_cannot_be_imported(
    owner: Owner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, words: str
) -> None:
    """A module that the initializer needs and that does not import is told with its traceback."""
    (tmp_path / "module_of_the_start.py").write_text(source)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    worker = owner.start((tasks.import_module, "module_of_the_start"))
    obituary = owner.death(worker)
    assert (obituary.stage, obituary.exitcode) == ("starting", 0)
    assert words in obituary.failure
    assert "module_of_the_start" in obituary.failure


def test_an_initializer_that_hangs(owner: Owner) -> None:
    """A worker that is not ready within `start_timeout` is killed with that reason."""
    from loky_backend import encode_whole

    initializer = encode_whole((tasks.wait_for_ever, ()))
    worker = start_worker(9, initializer=initializer, start_timeout=0.2)
    owner.workers.append(worker)
    owner.reactor.add(worker)
    obituary = owner.death(worker)
    assert (obituary.stage, end_of(obituary)) == ("starting", "SIGKILL")
    assert "not ready in time" in obituary.reason


def test_the_failure_of_a_start_is_bounded(owner: Owner) -> None:
    """An initializer whose message is huge does not make a huge obituary."""
    worker = owner.start((tasks.fail_with, ValueError("x" * 2_000_000)))
    assert len(pickle.dumps(owner.death(worker))) < 2 * MANY
