"""Mistakes and failures on Windows: each is a typed error that says what happened."""

from __future__ import annotations

import itertools
import socket
import sys
from typing import TYPE_CHECKING, Any

import pytest

import loky_spawn
from loky_spawn import ChildFailedError, spawn
from support.windows_children import ENTRIES, SOON

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.windows,
    pytest.mark.skipif(sys.platform != "win32", reason="CreateProcess, jobs, handles"),
]


def test_an_entry_that_cannot_be_imported_is_an_error_with_its_traceback() -> None:
    """`check` raises what happened in the child, with the stage."""
    with spawn("no_such_module:function") as child, pytest.raises(ChildFailedError) as caught:
        child.check(SOON)
    assert caught.value.stage == "import"
    assert caught.value.exitcode == 1
    assert "No module named 'no_such_module'" in caught.value.traceback


def test_an_entry_that_raises_is_an_error_with_its_traceback() -> None:
    """The traceback comes whole, also its letters outside ASCII."""
    with spawn(f"{ENTRIES}:fail") as child, pytest.raises(ChildFailedError) as caught:
        child.check(SOON)
    assert caught.value.stage == "call"
    assert caught.value.traceback.rstrip().endswith("ValueError: größer als erlaubt")


def test_a_traceback_larger_than_its_pipe_keeps_its_end() -> None:
    """A child never waits for somebody to read its report; the end of the traceback survives."""
    with spawn(f"{ENTRIES}:fail_deeply") as child, pytest.raises(ChildFailedError) as caught:
        child.check(SOON)
    assert caught.value.stage == "call"
    assert caught.value.traceback.rstrip().endswith("xEND")


def test_a_report_never_blocks_its_writer() -> None:
    """What an entry writes into its report can be read, up to what the pipe holds."""
    with spawn(f"{ENTRIES}:write_reports") as child:
        child.check(SOON)
        report = child.report()
        assert report == child.report()
    assert report.startswith(b"line of a report\n")
    assert 60_000 < len(report) <= 65_536


def bad_calls(folder: Path) -> Iterator[tuple[type[Exception], str, dict[str, Any]]]:
    """Yield the error expected, what its message names, and the arguments that cause it."""
    (folder / "text.exe").write_text("no program")
    (folder / "file").touch()
    closed = socket.socket()
    closed.close()
    python = str(folder / "missing" / "python.exe")
    yield loky_spawn.InterpreterError, repr(python), {"python": python}
    text = str(folder / "text.exe")
    yield loky_spawn.InterpreterError, repr(text), {"python": text}
    yield loky_spawn.WorkingDirectoryError, "missing", {"cwd": folder / "missing"}
    yield loky_spawn.WorkingDirectoryError, "file", {"cwd": folder / "file"}
    yield loky_spawn.HandoverError, "'A=B'", {"env": {"A=B": "1"}}
    yield loky_spawn.HandoverError, "payload", {"payload": "text"}
    yield loky_spawn.HandoverError, "closed", {"channels": [closed]}
    yield loky_spawn.HandoverError, "pass_fds", {"pass_fds": [5]}


@pytest.mark.parametrize("number", range(8))
def test_bad_input_is_a_typed_error(tmp_path: Path, number: int) -> None:
    """Each mistake is an error of its own type that names the value."""
    kind, named, options = next(itertools.islice(bad_calls(tmp_path), number, None))
    with pytest.raises(kind) as caught:
        spawn(f"{ENTRIES}:sleep", **options)
    assert named in str(caught.value)


@pytest.mark.slow
def test_failures_leak_no_handle(tmp_path: Path) -> None:
    """The parent has as many handles after 400 refused calls as before."""
    from support.windows_handles import count_handles

    calls = [options for _, _, options in bad_calls(tmp_path)]
    before = 0
    for turn in range(51):
        if turn == 1:
            before = count_handles()
        for options in calls:
            with pytest.raises(loky_spawn.SpawnError):
                spawn(f"{ENTRIES}:sleep", **options)
    assert 10 < count_handles() <= before + 2
