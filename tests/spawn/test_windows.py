"""Children on Windows: what they are given, how they end, and what is left of them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import psutil
import pytest

from loky_spawn import spawn
from support.windows_children import ENTRIES, SOON, read_all, start, told_by_a_child

pytestmark = [
    pytest.mark.windows,
    pytest.mark.skipif(sys.platform != "win32", reason="CreateProcess, jobs, handles"),
]

ACCESS_VIOLATION = 0xC0000005


@pytest.fixture(params=["job", "no job"])
def _with_and_without_job(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the test as on a system that has job objects, and as on one that refuses them."""
    from loky_spawn import _capabilities

    monkeypatch.setitem(_capabilities._known, "job", request.param == "job")


def test_a_channel_carries_bytes_both_ways() -> None:
    """A socket handed over is connected in the child; its end of file ends the child."""
    child, channel = start("echo")
    with child:
        with channel:
            channel.sendall(b"ping")
            assert channel.recv(100) == b"ping"
        assert child.wait(SOON)
        assert child.exitcode == 0


@pytest.mark.parametrize("size", [0, 60_000, 70_000, 10_000_000])
def test_a_payload_arrives_whole(size: int) -> None:
    """A payload larger than any pipe arrives; `spawn` does not wait for the child to read it."""
    payload = os.urandom(size)
    child, channel = start("return_payload", payload=payload)
    with child, channel:
        assert read_all(channel) == payload
        child.check(SOON)


def test_a_large_payload_for_a_child_that_dies_first() -> None:
    """The thread that writes the payload ends with the child (the leak check counts threads)."""
    child = spawn(f"{ENTRIES}:sleep", payload=bytes(10_000_000))
    child.close()
    assert child.poll()


def test_a_child_knows_what_its_parent_knew(monkeypatch: pytest.MonkeyPatch) -> None:
    """`sys.argv`, the environment and the cwd are the parent's; standard input is empty."""
    monkeypatch.setattr(sys, "argv", ["a", "b c", "ü"])
    monkeypatch.setenv("LOKY_GIVEN", "ä=ö")
    monkeypatch.setenv("LOKY_TAKEN", "1")
    told = told_by_a_child(env={"Loky_Added": "2", "loky_taken": None})
    assert told["argv"] == ["a", "b c", "ü"]
    assert told["cwd"] == str(Path.cwd())
    assert told["stdin"] == ""
    assert told["environment"]["LOKY_GIVEN"] == "ä=ö"
    assert told["environment"]["LOKY_ADDED"] == "2"
    assert "LOKY_TAKEN" not in told["environment"]
    assert {"multiprocessing", "ctypes", "logging"} & set(told["modules"]) == set()


def test_a_job_needs_no_thread_in_the_child() -> None:
    """Where the kernel ends the child with its parent, nothing in the child waits for that."""
    assert told_by_a_child()["threads"] == ["MainThread"]


def test_programs_run_in_a_child() -> None:
    """`subprocess.run` works in the child, with and without input."""
    child, channel = start("run_programs")
    with child, channel:
        assert read_all(channel) == b"0 4"


@pytest.mark.parametrize(
    ("entry", "payload", "expected"),
    [
        ("leave_by_system_exit", b"", 3),
        ("end_with", b"0", 0),
        ("end_with", b"259", 259),  # STILL_ACTIVE
        ("end_with", b"-1", 0xFFFFFFFF),
        ("fail", b"", 1),
        ("crash", b"", ACCESS_VIOLATION),
    ],
)
def test_exit_codes(entry: str, payload: bytes, expected: int) -> None:
    """The exit code is the unsigned number that Windows gives."""
    with spawn(f"{ENTRIES}:{entry}", payload=payload) as child:
        assert child.wait(SOON)
        assert child.exitcode == expected


@pytest.mark.parametrize(("way", "expected"), [("terminate", signal.SIGTERM), ("kill", 9)])
def test_the_ways_to_end_a_child(way: str, expected: int) -> None:
    """A child that was ended has the number of the signal as its exit code; again is no error."""
    child, channel = start("sleep")
    with child, channel:
        assert channel.recv(1) == b"!"
        assert not child.wait(0)
        assert not child.wait(0.05)
        getattr(child, way)()
        assert child.wait(SOON)
        getattr(child, way)()
        assert child.exitcode == expected


def test_a_child_that_is_dropped_ends() -> None:
    """Without anyone who holds the ChildProcess, the child is ended."""
    child, channel = start("sleep")
    with channel:
        assert channel.recv(1) == b"!"
        process = psutil.Process(child.pid)
        del child
        assert process.wait(SOON) == 9


@pytest.mark.usefixtures("_with_and_without_job")
def test_kill_tree_ends_grandchildren() -> None:
    """`kill_tree` ends the child and what it started, by its job or by the process table."""
    child, channel = start("start_sleeper")
    with child, channel:
        grandchild = psutil.Process(int(channel.recv(100)))
        child.kill_tree()
        assert child.wait(SOON)
        grandchild.wait(SOON)
        assert not grandchild.is_running()


def test_a_grandchild_whose_parent_is_gone_is_in_the_job() -> None:
    """`kill_tree` after the child's death finds what the child had started."""
    child, channel = start("start_sleeper")
    with child, channel:
        grandchild = psutil.Process(int(channel.recv(100)))
        child.kill()
        assert child.wait(SOON)
        assert grandchild.is_running()
        child.kill_tree()
        grandchild.wait(SOON)


PARENT = """\
import socket, sys, threading
sys.path[:0] = sys.argv[3:]
from loky_spawn import _capabilities, spawn
_capabilities._known["job"] = sys.argv[2] == "job"
ours, theirs = socket.socketpair()
child = spawn(sys.argv[1], channels=[theirs])
theirs.close()
ours.recv(1)
print(child.pid, flush=True)
threading.Event().wait()
"""


@pytest.mark.faults
@pytest.mark.parametrize(
    ("entry", "job"), [("sleep", "job"), ("sleep", "no job"), ("hold_the_gil", "job")]
)
def test_a_child_ends_with_its_killed_parent(entry: str, job: str) -> None:
    """A child whose parent is killed ends by itself within a second, even with the GIL held."""
    words = [sys.executable, "-c", PARENT, f"{ENTRIES}:{entry}", job, *sys.path]
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        assert child.is_running()
        parent.kill()
        child.wait(1.0)


def test_the_sentinel_is_a_handle_to_wait_on() -> None:
    """`multiprocessing.connection.wait` gives the sentinels of the children that died."""
    children = [spawn(f"{ENTRIES}:sleep") for _ in range(3)]
    with ExitStack() as cleanup:
        for child in children:
            cleanup.enter_context(child)
        sentinels = [child.sentinel for child in children]
        assert wait(sentinels, 0) == []
        children[1].kill()
        assert wait(sentinels, SOON) == [sentinels[1]]
        assert [child.poll() for child in children] == [False, True, False]


def test_a_child_gets_no_other_handle() -> None:
    """A pipe that is inheritable in the parent is not open in the child."""
    read_end, write_end = os.pipe()
    os.set_inheritable(write_end, True)
    child, channel = start("sleep")
    with child, channel:
        assert channel.recv(1) == b"!"
        os.close(write_end)
        assert os.read(read_end, 1) == b""
    os.close(read_end)


@pytest.mark.slow
def test_a_hundred_children_at_once() -> None:
    """More children than one wait call of Windows can take (63) start, answer and end."""
    with ExitStack() as cleanup:
        pairs = [start("echo") for _ in range(100)]
        for child, channel in pairs:
            cleanup.enter_context(child)
            cleanup.enter_context(channel)
            channel.sendall(b"%d" % child.pid)
        assert [int(channel.recv(100)) for _, channel in pairs] == [pair[0].pid for pair in pairs]
        for _, channel in pairs:
            channel.close()
        assert all(child.wait(SOON) for child, _ in pairs)
        assert {child.exitcode for child, _ in pairs} == {0}


@pytest.mark.slow
def test_threads_spawn_at_once() -> None:
    """Eight threads that spawn at the same time give children that each have their own channel."""
    answers: list[bytes] = []

    def work(number: int) -> None:
        for turn in range(3):
            payload = b"%d %d" % (number, turn)
            child, channel = start("return_payload", payload=payload)
            with child, channel:
                assert read_all(channel) == payload
                answers.append(payload)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(answers)) == 24


@pytest.mark.slow
def test_no_handle_leaks_over_500_spawns() -> None:
    """The parent has as many handles after 500 children as before."""
    from support.windows_handles import count_handles

    before = 0
    for number in range(510):
        if number == 10:  # what is loaded and opened once is there by now
            before = count_handles()
        child, channel = start("sleep")
        channel.close()
        child.close()
    assert 10 < count_handles() <= before + 2


def copy_of_the_interpreter(folder: Path) -> Path:
    """Copy the interpreter without its site-packages; return its program."""
    skip = shutil.ignore_patterns("Lib", "*.chm", "Doc")
    shutil.copytree(sys.base_prefix, folder, ignore=skip)
    return folder / "python.exe"


@pytest.mark.slow
def test_blanks_and_umlauts_in_every_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interpreter, working directory and module may lie in folders with blanks and umlauts."""
    python = copy_of_the_interpreter(tmp_path / "Python für alle")
    place = tmp_path / "Größe & Maß"
    place.mkdir()
    (place / "eintritt.py").write_text(
        "from support.windows_entries import describe", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(str(place))
    ours, theirs = socket.socketpair()
    child = spawn("eintritt:describe", channels=[theirs], python=python, cwd=place)
    theirs.close()
    with child, ours:
        told = json.loads(read_all(ours))
        child.check(SOON)
    assert told["cwd"] == str(place)
    assert told["executable"] == str(python)


def test_the_launcher_of_a_virtual_environment_is_stepped_over(tmp_path: Path) -> None:
    """The child is the interpreter itself, with the virtual environment as its prefix."""
    launcher = tmp_path / "venv" / "Scripts" / "python.exe"
    launcher.parent.mkdir(parents=True)
    launcher.write_text("stands for the launcher, which is never run")
    settings = f"home = {sys.base_prefix}\ninclude-system-site-packages = true\n"
    (tmp_path / "venv" / "pyvenv.cfg").write_text(settings, encoding="utf-8")
    child, channel = start("describe", python=launcher)
    with child, channel:
        told = json.loads(read_all(channel))
        child.check(SOON)
    assert told["pid"] == child.pid
    assert told["executable"] == str(launcher)
    assert told["prefix"] == str(tmp_path / "venv")
    assert "__PYVENV_LAUNCHER__" not in told["environment"]


def test_a_frozen_program_becomes_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """`freeze_support` boots the child from the handles that follow the marker."""
    from loky_spawn import _frozen, _win32

    def command(order: Any, program: str, boot: int, report: int) -> list[str]:
        code = "import loky_spawn; loky_spawn.freeze_support(); print('not a child')"
        return [program, "-c", code, _frozen.MARKER, str(boot), str(report)]

    monkeypatch.setattr(_win32, "_command", command)
    test_a_channel_carries_bytes_both_ways()
