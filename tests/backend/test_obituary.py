"""What an obituary says: names of signals and codes, words, size; no process is needed."""

from __future__ import annotations

import pickle
import signal

import pytest

from loky_backend import Obituary, WorkerDiedError, WorkerStartError
from loky_backend._obituary import clip_stacks


def obituary(exitcode: int | None = 1, **facts: object) -> Obituary:
    """Return one with some facts."""
    return Obituary(pid=42, name="worker-7", exitcode=exitcode, **{"stage": "running", **facts})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("exitcode", "name"),
    [
        (-signal.SIGSEGV, "SIGSEGV"),
        (-signal.SIGABRT, "SIGABRT"),
        (-signal.SIGTERM, "SIGTERM"),
        (-40, "signal 40"),
        (-200, "signal 200"),
        (0, ""),
        (3, ""),
        (None, ""),
    ],
)
def test_signal_names(exitcode: int | None, name: str) -> None:
    """A negative exit code is a signal; one that Python does not know goes by its number."""
    assert obituary(exitcode).signal == name


@pytest.mark.parametrize(
    ("exitcode", "words"),
    [
        (0xC0000005, "0xC0000005 (access violation)"),
        (0xC000001D, "0xC000001D (illegal instruction)"),
        (0xC0000094, "0xC0000094 (integer division by zero)"),
        (0xC00000FD, "0xC00000FD (stack overflow)"),
        (0xC0000017, "0xC0000017 (out of memory)"),
        (0xC000013A, "0xC000013A (ended by Ctrl-C)"),
        (0xC0000135, "0xC0000135 (a DLL was not found)"),
        (0xC0000374, "0xC0000374 (heap corruption)"),
        (0xC0000409, "0xC0000409 (abort or stack buffer overrun)"),
        (0xC0001234, "0xC0001234 (unknown status)"),
    ],
)
def test_windows_codes_by_name(exitcode: int, words: str) -> None:
    """An NTSTATUS is written as the manuals write it, with its meaning."""
    assert words in obituary(exitcode).cause
    assert words in str(obituary(exitcode))


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"exitcode": 3}, "exited with code 3"),
        ({"exitcode": None}, "exit code is unknown"),
        ({"exitcode": -9, "reason": "it was too slow"}, "it was too slow"),
        ({"exitcode": -11}, "a crash in native code"),
        ({"exitcode": -40}, "ended by signal 40"),
        ({"exitcode": -15}, "ended by SIGTERM"),
    ],
)
def test_causes_in_words(facts: dict[str, object], words: str) -> None:
    """The text says what happened, to which worker, at which stage."""
    text = str(obituary(**facts))  # type: ignore[arg-type]
    assert words in text
    assert "worker worker-7 (pid 42) died while running" in text


def test_a_kill_in_words() -> None:
    """SIGKILL comes from outside or from the kernel, whose counter tells."""
    words = "SIGKILL (from outside, or by the kernel when memory ran out)"
    assert words in str(obituary(exitcode=-9))
    words = "out-of-memory killer: use less memory or fewer workers"
    assert words in str(obituary(exitcode=-9, oom=True))


def test_the_text_shows_stacks_and_failures() -> None:
    """Stacks and the child's own traceback stand below the first line."""
    text = str(obituary(stacks="File a.py", failure="Traceback: b\n"))
    assert text.splitlines()[0].endswith("it exited with code 1")
    assert "Python stacks at its death:\nFile a.py" in text
    assert "In the worker:\nTraceback: b" in text


def test_stacks_are_clipped() -> None:
    """Short stacks stay as they are, long ones keep their beginning and say that they were cut."""
    assert clip_stacks("short") == "short"
    clipped = clip_stacks("first line\n" + "x" * 1_000_000)
    assert clipped.startswith("first line\n")
    assert "cut" in clipped
    assert len(clipped) < 20_000


def test_it_pickles_and_so_do_its_errors() -> None:
    """An obituary and the errors that carry it come back equal."""
    dead = obituary(-11, stacks="s", failure="f", oom=True)
    assert pickle.loads(pickle.dumps(dead)) == dead
    died = pickle.loads(pickle.dumps(WorkerDiedError(dead)))
    assert (type(died), died.obituary, str(died)) == (WorkerDiedError, dead, str(dead))
    unstarted = pickle.loads(pickle.dumps(WorkerStartError("no", dead)))
    assert (str(unstarted), unstarted.obituary) == ("no", dead)
    assert pickle.loads(pickle.dumps(WorkerStartError("never"))).obituary is None


def test_it_is_a_value() -> None:
    """Equal facts make equal obituaries, which nobody can change."""
    assert obituary(1) == obituary(1) != obituary(2)
    with pytest.raises(AttributeError):
        obituary().pid = 1  # type: ignore[misc]
