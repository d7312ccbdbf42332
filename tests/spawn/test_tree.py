"""Ending a child with everything it started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

import loky_spawn
from loky_spawn import _processes, _tree
from support.spawn_tools import ENTRIES, PATIENCE, ask, read_line, running, wait_until_gone


def test_kill_tree_ends_all_generations(without: str) -> None:
    """Children, grandchildren and those whose parent is gone end with the child."""
    with running("parent_of_sleepers") as (child, channel):
        pids = [int(pid) for pid in read_line(channel).split()]
        child.kill_tree()
        assert wait_until_gone([child.pid, *pids], PATIENCE) == []
        assert child.wait(PATIENCE)
        assert child.exitcode == -9
        child.kill_tree()


def test_kill_tree_finds_sessions_of_their_own() -> None:
    """A grandchild that left the process group ends too, as long as its parents live."""
    source = b"""
import subprocess, time
line = ["sh", "-c", "setsid sleep 3600 & echo $!; wait"]
shell = subprocess.Popen(line, stdout=subprocess.PIPE, start_new_session=True)
import os
os.write(handover.descriptors[0], b"%d %s" % (shell.pid, shell.stdout.readline()))
time.sleep(3600)
"""
    with running("run", payload=source) as (child, channel):
        pids = [int(pid) for pid in read_line(channel).split()]
        child.kill_tree()
        assert wait_until_gone([child.pid, *pids], PATIENCE) == []


def test_kill_tree_of_a_child_that_is_dead_already() -> None:
    """What a dead child left in its process group still ends."""
    with running("parent_of_sleepers", payload=b"return") as (child, channel):
        pids = [int(pid) for pid in read_line(channel).split()]
        assert child.wait(PATIENCE)
        child.kill_tree()
        assert wait_until_gone(pids, PATIENCE) == []
        assert child.exitcode == 0


@pytest.mark.slow
def test_a_tree_that_grows_meanwhile() -> None:
    """A process that keeps starting others, each of which outlives its parent, ends as a whole."""
    source = b"""
import os, sys
os.write(handover.descriptors[0], b"!")
while True:
    if os.fork():
        os._exit(0)
"""
    with running("run", payload=source) as (child, channel):
        assert channel.recv(1) == b"!"
        child.kill_tree()
        assert child.wait(PATIENCE)
        channel.settimeout(PATIENCE)
        assert channel.recv(1) == b""  # every copy held the channel


def test_closing_ends_the_group_too() -> None:
    """`close` ends what the child left running in its process group."""
    with running("parent_of_sleepers") as (_, channel):
        pids = [int(pid) for pid in read_line(channel).split()]
    assert wait_until_gone(pids, PATIENCE) == []


def test_kill_process_tree_by_number() -> None:
    """Any process tree can be ended by the number of its root."""
    line = ["sh", "-c", "sleep 3600 & echo $!; wait"]
    with subprocess.Popen(line, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        below = int(process.stdout.readline())
        loky_spawn.kill_process_tree(process.pid)
        assert process.wait(PATIENCE) == -9
    assert wait_until_gone([below], PATIENCE) == []


@pytest.mark.parametrize("pid", [-5, 0, 1, os.getpid(), os.getppid()])
def test_own_tree_is_not_killed(pid: int) -> None:
    """Numbers that would hit this process are refused, and nothing is stopped."""
    with pytest.raises(ValueError, match="will not kill"):
        loky_spawn.kill_process_tree(pid)


def test_a_process_that_is_gone_is_no_error() -> None:
    """The tree of a process that does not exist is ended already."""
    with subprocess.Popen(["true"]) as process:
        pass
    loky_spawn.kill_process_tree(process.pid)


def test_the_table_agrees_with_ps(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `ps` says of a process is what /proc says, where only `ps` exists."""
    with running("sleep") as (child, channel):
        assert channel.recv(1) == b"!"
        expected = (os.getpid(), child.pid)
        assert expected == _processes.list_processes()[child.pid]
        if os.access("/bin/ps", os.X_OK):
            assert expected == _processes._from_ps()[child.pid]
        monkeypatch.setattr(os.path, "exists", lambda path: False)
        monkeypatch.setenv("PATH", "")
        assert _processes.list_processes() == {}


def test_without_a_table_the_group_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no process can be listed, the child and its process group still end."""
    monkeypatch.setattr(_tree, "list_processes", dict)
    with running("parent_of_sleepers") as (child, channel):
        pids = [int(pid) for pid in read_line(channel).split()]
        child.kill_tree()
        assert wait_until_gone([child.pid, *pids], PATIENCE) == []


def test_no_psutil_at_this_layer() -> None:
    """Neither the parent's side nor the child's imports psutil."""
    source = f"""
        import sys, loky_spawn
        with loky_spawn.spawn("{ENTRIES}:sleep", channels=handover.channels) as child:
            child.kill_tree()
        answer = "psutil" in sys.modules
        """
    assert ask(source) is False
    assert sys.version_info >= (3, 10)


@pytest.mark.parametrize("payload", [b"return", b""])
@pytest.mark.parametrize("spare", [True, False])
def test_close_may_spare_what_a_child_started(spare: bool, payload: bytes) -> None:
    """Programs of a child that has ended with exit code 0 live on if so wished, no others."""
    with running("parent_of_sleepers", payload=payload) as (child, channel):
        pids = [int(pid) for pid in read_line(channel).split()]
        ended = child.wait(PATIENCE) if payload else False
        spared = spare and ended and child.exitcode == 0
        child.close(spare_relatives=spare)
        left = wait_until_gone(pids, 0.1 if spared else PATIENCE)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        assert bool(left) is spared
        assert wait_until_gone(pids, PATIENCE) == []
