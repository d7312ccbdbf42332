"""What watches workers from the parent: memory, the kernel's out-of-memory killer, crash loops."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from loky_backend import MemoryWatch, RestartBudget, kill_process_tree, leak_limit
from loky_backend._memory import own_memory
from loky_backend._oom import oom_kills
from support.executor_waiting import all_gone

if TYPE_CHECKING:
    from pathlib import Path

MEGABYTE = 1 << 20


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> dict[int, int | None]:
    """Give a table pid -> bytes that stands for the system."""
    table: dict[int, int | None] = {}
    monkeypatch.setattr("loky_backend._memory.own_memory", table.get)
    return table


def test_a_leak_counts_from_the_first_task_on(memory: dict[int, int | None]) -> None:
    """What a worker needs to start and for its first task is no leak."""
    watch = MemoryWatch(leak_limit=100)
    memory[7] = 1000
    assert watch.look([(1, 7, False)]) == []
    memory[7] = 2000
    assert watch.look([(1, 7, True)]) == []
    memory[7] = 2100
    assert watch.look([(1, 7, True)]) == []
    memory[7] = 2101
    (excess,) = watch.look([(1, 7, True)])
    assert (excess.ident, excess.used, excess.limit, excess.hard) == (1, 2101, 2100, False)


def test_the_hard_limit_holds_from_the_start(memory: dict[int, int | None]) -> None:
    """A worker above the hard limit is named whatever it has done."""
    watch = MemoryWatch(leak_limit=None, hard_limit=500)
    memory.update({7: 500, 8: 501})
    (excess,) = watch.look([(1, 7, False), (2, 8, False)])
    assert (excess.ident, excess.hard) == (2, True)


def test_the_peak_is_remembered_while_a_worker_is_there(memory: dict[int, int | None]) -> None:
    """The most that was seen; nothing of a worker that is gone."""
    watch = MemoryWatch(leak_limit=None)
    for used in (10, 30, 20):
        memory[7] = used
        watch.look([(1, 7, True)])
    assert watch.peak(1) == 30
    memory[7] = None
    watch.look([(1, 7, True)])
    assert watch.peak(1) is None


def test_own_memory_of_a_process() -> None:
    """A process has some megabytes of its own; one that is gone has none."""
    mine = own_memory(os.getpid())
    assert mine is not None
    assert mine > MEGABYTE
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        pass
    assert own_memory(child.pid) is None


def test_the_leak_limit_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """`LOKY_MAX_MEMORY_LEAK_SIZE` in bytes, 300 MB without it, an error for nonsense."""
    monkeypatch.delenv("LOKY_MAX_MEMORY_LEAK_SIZE", raising=False)
    assert leak_limit() == 300_000_000
    monkeypatch.setenv("LOKY_MAX_MEMORY_LEAK_SIZE", "1e6")
    assert leak_limit() == 1_000_000
    monkeypatch.setenv("LOKY_MAX_MEMORY_LEAK_SIZE", "much")
    with pytest.raises(ValueError, match="much"):
        leak_limit()


@pytest.mark.parametrize(
    ("group", "path"),
    [
        ("0::/box\n", "sys/fs/cgroup/box/memory.events"),
        ("9:memory:/box\n0::/\n", "sys/fs/cgroup/memory/box/memory.oom_control"),
        ("", "proc/vmstat"),
    ],
)
def test_oom_kills_are_read_where_they_are(tmp_path: Path, group: str, path: str) -> None:
    """From the process's own group (version 2 or 1), else from the whole machine."""
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(group)
    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("low 0\noom_kill 3\n")
    assert oom_kills(str(tmp_path)) == 3


def test_oom_kills_that_nobody_counts(tmp_path: Path) -> None:
    """Nothing readable is None, and no error."""
    assert oom_kills(str(tmp_path)) is None


def test_the_budget_of_crashes() -> None:
    """So many within so long are suffered; old ones and completed tasks make room."""
    budget = RestartBudget(restarts=2, seconds=10)
    assert [budget.spend(now) for now in (0, 1, 2)] == [True, True, False]
    budget = RestartBudget(restarts=2, seconds=10)
    assert [budget.spend(now) for now in (0, 1, 12)] == [True, True, True]
    budget.refill()
    assert [budget.spend(now) for now in (13, 14)] == [True, True]


@pytest.mark.faults
def test_kill_process_tree_without_any_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    """A `Popen` and its child end, with an empty PATH and no psutil; twice is no error."""
    program = (
        "import subprocess, sys; c = subprocess.Popen([sys.executable, '-c', 'input()'],"
        " stdin=subprocess.PIPE); print(c.pid, flush=True); c.wait()"
    )
    words = [sys.executable, "-c", program]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        grandchild = int(process.stdout.readline())
        with monkeypatch.context() as bare:
            bare.setenv("PATH", "")
            bare.setitem(sys.modules, "psutil", None)
            kill_process_tree(process)
        assert process.returncode == (signal.SIGTERM if sys.platform == "win32" else -9)
        assert process.stdout.read() == ""  # the grandchild held the other end
    assert all_gone([grandchild])  # its files are closed a moment before it is a zombie


@pytest.mark.parametrize("wrong", ["12", None, 1.5, True])
def test_kill_process_tree_of_nonsense(wrong: object) -> None:
    """Neither a pid nor a process is a TypeError that names it."""
    with pytest.raises(TypeError, match="neither a pid"):
        kill_process_tree(wrong)
