"""What a process holds that can leak: children, threads, descriptors, shared memory.

Facts:

- `/proc/self/fd` holds one link per descriptor that says what it points to; `socket:[n]` and
  the like carry an inode number, so a new object behind an old number is seen too (proc(5)).
  Where it does not exist (macOS, Windows) descriptors are not compared.
- A child that ended but was not waited for is a zombie: it is listed, and it is a leak.
- Named shared memory and named semaphores are files in `/dev/shm` on Linux (shm_overview(7)). A
  semaphore is mapped under another name, that of a file it was made as: the inode tells which.
"""

from __future__ import annotations

import gc
import os
import re
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

DESCRIPTORS = Path("/proc/self/fd")
SHARED_MEMORY = Path("/dev/shm")
# Made by the released loky and by joblib, which benchmarks may be running beside the tests.
_OTHERS = re.compile(r"sem\.loky-|joblib_memmapping_folder_|loky-\d+-")

ALLOWED_THREADS = {
    "loky-exit-watcher",  # one per process, from the first spawn until the interpreter exits
}


@dataclass(frozen=True)
class Snapshot:
    """What this process holds at one moment."""

    children: frozenset[psutil.Process]
    threads: frozenset[threading.Thread]
    descriptors: frozenset[tuple[int, str]]
    shared_memory: frozenset[str]

    @classmethod
    def take(cls) -> Snapshot:
        """Look around."""
        return cls(
            children=frozenset(psutil.Process().children(recursive=True)),
            threads=frozenset(threading.enumerate()),
            descriptors=frozenset(_descriptors()),
            shared_memory=frozenset(_shared_memory()),
        )

    def lines_not_in(self, before: Snapshot) -> list[str]:
        """Return one line for each thing that is here and was not there before."""
        lines = [_describe(child) for child in self.children - before.children]
        lines += [
            f"thread {thread.name!r}{' (daemon)' if thread.daemon else ''}"
            for thread in self.threads - before.threads
            if thread.name not in ALLOWED_THREADS
        ]
        lines += [
            f"descriptor {number} -> {target}"
            for number, target in self.descriptors - before.descriptors
        ]
        shared = _without_strangers(self.shared_memory - before.shared_memory)
        lines += [f"/dev/shm/{name}" for name in shared]
        return sorted(lines)


def leaked_since(before: Snapshot, *, patience: float) -> list[str]:
    """Return what is left over, as soon as it is nothing or `patience` seconds have passed."""
    deadline = time.monotonic() + patience
    pause = 0.001
    while True:
        lines = Snapshot.take().lines_not_in(before)
        if not lines or time.monotonic() > deadline:
            return lines
        gc.collect()  # what only a reference cycle keeps alive has not leaked
        time.sleep(pause)
        pause = min(2 * pause, 0.1)


def _descriptors() -> list[tuple[int, str]]:
    if sys.platform == "win32" or not DESCRIPTORS.is_dir():  # wine shows Linux's /proc
        return []
    found = []
    for entry in DESCRIPTORS.iterdir():
        try:
            found.append((int(entry.name), str(entry.readlink())))
        except FileNotFoundError:
            continue  # the descriptor of this very listing
    return found


def _shared_memory() -> list[str]:
    """Return this user's entries: other users of the machine come and go."""
    if sys.platform == "win32" or not SHARED_MEMORY.is_dir():
        return []
    found = []
    for entry in SHARED_MEMORY.iterdir():
        try:
            if entry.lstat().st_uid == os.getuid() and not _OTHERS.match(entry.name):
                found.append(entry.name)
        except FileNotFoundError:
            continue  # gone meanwhile: not ours to report
    return found


def _without_strangers(names: frozenset[str]) -> list[str]:
    """Leave out what processes of other sessions use: another test run, on the same machine."""
    if not names:
        return []
    ours = os.getsid(0)
    used: set[int] = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(folder.name)) != ours:
                maps = (folder / "maps").read_text(encoding="utf-8", errors="replace")
                used.update(map(int, re.findall(r"(\d+) +/dev/shm/", maps)))
        except OSError:
            continue  # gone meanwhile, or another user's
    return [name for name in names if _inode(name) not in used | {None}]


def _inode(name: str) -> int | None:
    try:
        return (SHARED_MEMORY / name).stat().st_ino
    except FileNotFoundError:  # gone meanwhile
        return None


def _describe(child: psutil.Process) -> str:
    try:
        with child.oneshot():
            command = " ".join(child.cmdline())[:120]
            return f"process {child.pid} ({child.status()}, child of {child.ppid()}): {command}"
    except psutil.NoSuchProcess:
        return f"process {child.pid} (ended during the listing)"
