"""Children and consoles on Windows: Ctrl-C, and parents that have no console at all.

Facts:

- A process started with CREATE_NEW_PROCESS_GROUP ignores Ctrl-C; one of the parent's group ends by
  KeyboardInterrupt, which Python turns into STATUS_CONTROL_C_EXIT.
- wine 8.0 delivers Ctrl-C to all processes of a console, and refuses Ctrl-Break for a process group
  (`[WinError 6] Invalid handle`, from GenerateConsoleCtrlEvent itself).
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.windows_children import SOON

pytestmark = [
    pytest.mark.windows,
    pytest.mark.skipif(sys.platform != "win32", reason="consoles of Windows"),
]

STATUS_CONTROL_C_EXIT = 0xC000013A

# Its parent gave it a console of its own, or none; it writes what it saw into a file.
PARENT = """\
import ctypes, json, pathlib, signal, subprocess, sys
sys.path[:0] = sys.argv[3:]
from support.windows_children import SOON, start
kernel32 = ctypes.WinDLL("kernel32")

def answer():
    if sys.argv[1] == "none":
        windowless = []
        class Popen(subprocess.Popen):
            def __init__(self, *args, creationflags=0, **options):
                windowless.append(bool(creationflags & subprocess.CREATE_NO_WINDOW))
                super().__init__(*args, creationflags=creationflags, **options)
        subprocess.Popen = Popen
        child, channel = start("print_and_answer")
        with child, channel:
            return [channel.recv(1).decode(), child.wait(SOON), child.exitcode, windowless]
    if sys.argv[1] == "break":
        child, channel = start("nap")
        with child, channel:
            channel.recv(1)
            child.send_signal(signal.CTRL_BREAK_EVENT)
            return [child.wait(SOON), child.exitcode]
    shielded, first = start("nap")
    exposed, second = start("nap", new_group=False)
    with shielded, exposed, first, second:
        first.recv(1), second.recv(1)
        kernel32.SetConsoleCtrlHandler(None, True)
        kernel32.GenerateConsoleCtrlEvent(signal.CTRL_C_EVENT, 0)
        return [exposed.wait(SOON), exposed.exitcode, shielded.wait(0.2)]

pathlib.Path(sys.argv[2]).write_text(json.dumps(answer()))
"""


def told_by_a_parent(folder: Path, what: str, *, program: str, flags: int) -> object:
    """Return what a parent saw that was started with these creation flags."""
    file = folder / "answer.json"
    words = [program, "-c", PARENT, what, str(file), *sys.path]
    subprocess.run(
        words, stdin=subprocess.DEVNULL, creationflags=flags, check=True, timeout=2 * SOON
    )
    return json.loads(file.read_text())


@pytest.mark.slow
def test_ctrl_c_reaches_only_a_child_that_shares_the_group(tmp_path: Path) -> None:
    """Ctrl-C at the console ends a child with ``new_group=False``, and no other."""
    flags = subprocess.CREATE_NEW_CONSOLE if sys.platform == "win32" else 0
    told = told_by_a_parent(tmp_path, "ctrl-c", program=sys.executable, flags=flags)
    assert told == [True, STATUS_CONTROL_C_EXIT, False]


@pytest.mark.slow
def test_ctrl_break_reaches_the_child(tmp_path: Path) -> None:
    """`send_signal(CTRL_BREAK_EVENT)` ends a child that leads a group, as the console would."""
    flags = subprocess.CREATE_NEW_CONSOLE if sys.platform == "win32" else 0
    told = told_by_a_parent(tmp_path, "break", program=sys.executable, flags=flags)
    assert told == [True, STATUS_CONTROL_C_EXIT]


@pytest.mark.slow
def test_a_parent_without_console(tmp_path: Path) -> None:
    """A program without console or standard streams has children, which may print and no window."""
    program = str(Path(sys.executable).with_name("pythonw.exe"))
    flags = subprocess.DETACHED_PROCESS if sys.platform == "win32" else 0
    assert told_by_a_parent(tmp_path, "none", program=program, flags=flags) == [
        "!",
        True,
        0,
        [True],
    ]
