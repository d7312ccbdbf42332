"""The resource tracker: references of several processes to files and folders."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from loky_reusable import _resource_keeper as keeper
from support.executor_scripts import run_code
from support.executor_waiting import all_gone, eventually

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = 30
KILL = int(getattr(signal, "SIGKILL", signal.SIGTERM))  # each is the end at once, there


def counts() -> tuple[keeper.Counts, list[str]]:
    """Return a counter, and the list of what it says."""
    said: list[str] = []
    return keeper.Counts(said.append), said


def test_the_last_reference_deletes(tmp_path: Path) -> None:
    """Registered twice, dropped twice: the file goes with the second one, without a word."""
    path = tmp_path / "file"
    path.touch()
    counter, said = counts()
    counter.register("file", str(path))
    counter.register("file", str(path))
    counter.unlink("file", str(path))
    assert path.exists()
    counter.unlink("file", str(path))
    assert not path.exists()
    counter.clean_all()
    assert said == []


def test_what_is_unregistered_stays(tmp_path: Path) -> None:
    """Whoever unregisters a resource deletes it, or not."""
    path = tmp_path / "file"
    path.touch()
    counter, said = counts()
    counter.register("file", str(path))
    counter.unregister("file", str(path))
    counter.unlink("file", str(path))
    counter.clean_all()
    assert path.exists()
    assert said == []


def test_what_is_left_is_deleted_and_told(tmp_path: Path) -> None:
    """Files before the folder they lie in; one line for each kind."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "file").touch()
    counter, said = counts()
    counter.register("folder", str(folder))
    counter.register("file", str(folder / "file"))
    counter.register("noop", "nothing")
    counter.clean_all()
    assert not folder.exists()
    assert [line.split("leaked")[1].split()[0] for line in said] == ["file", "folder"]


def test_a_kind_of_the_users(tmp_path: Path) -> None:
    """The function that cleans it is found by name; its failure is told and stops nothing."""
    counter, said = counts()
    counter.register("made-up", str(tmp_path / "absent"), "os:rmdir")
    counter.unlink("made-up", str(tmp_path / "absent"))
    assert "was not deleted: FileNotFoundError" in said[0]


def test_an_unknown_kind_is_refused() -> None:
    """Before anything is started."""
    from loky.backend import resource_tracker

    with pytest.raises(ValueError, match="resource type must be one of"):
        resource_tracker.register("name", "no-such-kind")
    assert resource_tracker._resource_tracker._fd is None


def run_failing(source: str) -> subprocess.CompletedProcess[str]:
    """Run a program that may end in any way."""
    return subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=SECONDS, check=False
    )


@pytest.mark.slow
def test_dropping_starts_nothing_registering_does() -> None:
    """Importing and `maybe_unlink` start no process; the first `register` does, and it is gone."""
    printed = run_code(
        """
        from loky.backend import resource_tracker as tracker
        tracker.maybe_unlink("/nonexistent/a", "file")
        print(tracker._resource_tracker._fd)
        tracker.register("/nonexistent/a", "noop")
        print(tracker._resource_tracker._pid, tracker._resource_tracker._fd is None)
        """
    )
    nothing, started = printed.splitlines()
    pid, is_none = started.split()
    assert (nothing, is_none) == ("None", "False")
    assert all_gone([int(pid)])


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.parametrize("end", [f"os.kill(os.getpid(), {KILL})", "os._exit(1)", "sys.exit()"])
def test_the_program_ends_and_nothing_is_left(end: str, tmp_path: Path) -> None:
    """However it ends, the keeper deletes what was registered, says so, and goes."""
    path = tmp_path / "file"
    path.touch()
    done = run_failing(
        "import os, sys\n"
        "from loky.backend.resource_tracker import _resource_tracker as tracker\n"
        f"tracker.register({str(path)!r}, 'file')\n"
        "print(tracker._pid, flush=True)\n"
        f"{end}\n"
    )
    assert all_gone([int(done.stdout)])
    assert not path.exists()
    assert "resource_tracker: 1 leaked file" in done.stderr


@pytest.mark.slow
def test_a_worker_drops_what_its_parent_counted(tmp_path: Path) -> None:
    """One keeper for all processes of the program."""
    path = tmp_path / "file"
    path.touch()
    printed = run_code(
        f"""
        import os, time
        from loky import get_reusable_executor
        from loky.backend import resource_tracker as tracker
        name = {str(path)!r}
        tracker.register(name, "file")
        tracker.register(name, "file")
        executor = get_reusable_executor(2)
        def drop():
            from loky.backend.resource_tracker import maybe_unlink
            maybe_unlink(name, "file")
        executor.submit(drop).result()
        print(os.path.exists(name))
        tracker.maybe_unlink(name, "file")
        while os.path.exists(name):
            time.sleep(0.001)
        print("gone")
        """
    )
    assert printed == "True\ngone\n"


@pytest.mark.slow
@pytest.mark.faults
def test_a_keeper_that_was_killed_is_replaced(tmp_path: Path) -> None:
    """The next registration starts another one; nothing raises or hangs."""
    path = tmp_path / "file"
    path.touch()
    done = run_failing(
        "import os\n"
        "from loky.backend.resource_tracker import _resource_tracker as tracker\n"
        "tracker.register('/nonexistent', 'noop')\n"
        "first = tracker._pid\n"
        f"os.kill(first, {KILL})\n"
        "tracker.maybe_unlink('/nonexistent', 'noop')\n"
        f"tracker.register({str(path)!r}, 'file')\n"
        "print(first != tracker._pid)\n"
    )
    assert (done.returncode, done.stdout) == (0, "True\n")
    assert eventually(lambda: not path.exists())


@pytest.mark.slow
def test_a_finalizer_strikes_inside_a_registration() -> None:
    """Garbage that is collected while a registration waits neither blocks nor gets lost."""
    printed = run_code(
        """
        from loky_reusable import resource_tracker as tracker
        tracker.register("/nonexistent", "noop")
        plain = tracker._tell
        strikes = [1]
        def tell(message, *, start):
            if strikes and strikes.pop():
                tracker.maybe_unlink("/nonexistent", "noop")
                tracker.register("/nonexistent/2", "noop")
            return plain(message, start=start)
        tracker._tell = tell
        tracker.register("/nonexistent/3", "noop")
        tracker._tell = plain
        tracker.unregister("/nonexistent", "noop")
        print(len(tracker._outbox))
        """
    )
    assert printed == "0\n"


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_has_a_line_of_its_own() -> None:
    """Both processes register at the same time, each hears the answer to its own."""
    printed = run_code(
        """
        import os
        from loky_reusable import resource_tracker as tracker
        tracker.register("/nonexistent", "noop")
        pid = tracker._pid
        child = os.fork()
        for number in range(200):
            tracker.register(f"/nonexistent/{number}", "noop")
        if child == 0:
            os._exit(0 if tracker._pid == pid else 1)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        """
    )
    assert printed == "0\n"


def test_strangers_are_turned_away(tmp_path: Path) -> None:
    """A connection that does not know the secret is closed, and what it says is not obeyed."""
    path = tmp_path / "file"
    path.touch()
    listener, address = keeper.listen()
    with listener, keeper.connect(address) as stranger:
        served = keeper._Keeper(listener, "secret")
        stranger.sendall(f'guess\n["register", "file", "{path}", ""]\n'.encode())
        served.run()
        assert stranger.recv(1) == b""
        served.close()
    assert path.exists()
