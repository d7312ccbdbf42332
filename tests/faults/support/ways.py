"""How a worker comes to grief: eleven ways, each a function that strikes where it is called.

Runs in workers, also before anything of ours does, so it imports little.

Facts:
- setrlimit(2), mmap(2): the main thread's stack grows until RLIMIT_STACK, which is looked at when
  it grows; other threads have a fixed stack with a guard page behind it. Python counts its own
  recursion, by depth or (3.14) by the bounds it found at start: with a smaller stack than it knows
  of, the stack is at its end first.
- `collections.deque(iterator, maxlen=0)` consumes the iterator in C: no byte code runs meanwhile,
  so the GIL is never given away.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

SMALL_STACK = 1 << 18
_ROOM = 1 << 25
_TOO_MUCH = 1 << 33  # a free-threaded Python has reserved 1 GiB from the start
_kept: list[bytes] = []


def strike(way: str, mark: str) -> object:
    """Leave a mark with the pid, so that the test knows it came to this, and come to grief."""
    if way == "loop":
        spin(mark)
    fd = os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(fd, f"{os.getpid()}\n".encode())
    os.close(fd)
    return WAYS[way]()


def struck(mark: str) -> list[int]:
    """Return the pids of the processes that came to grief."""
    try:
        lines = Path(mark).read_text(encoding="ascii").splitlines()
        return [int(line) for line in lines if line.strip()]
    except FileNotFoundError:
        return []


def throw() -> NoReturn:
    """Raise."""
    raise ValueError("struck on purpose")


def leave() -> NoReturn:
    """Leave as a program does."""
    sys.exit(6)


def leave_at_once() -> NoReturn:
    """End the process without any goodbye."""
    os._exit(7)


def die_of(number: int) -> None:
    """Get a signal that cannot be refused."""
    os.kill(os.getpid(), number)


def segfault() -> None:
    """Read where nothing is, in native code."""
    import ctypes

    ctypes.string_at(0)


def overflow(_: object = None) -> None:
    """Use up the stack, in C calls."""
    import resource

    sys.setrecursionlimit(10**6)
    resource.setrlimit(
        resource.RLIMIT_STACK, (SMALL_STACK, resource.getrlimit(resource.RLIMIT_STACK)[1])
    )
    try:
        deeper(None)
    except RecursionError:  # from 3.14 on Python knows where the stack of a thread ends
        os.kill(os.getpid(), signal.SIGSEGV)


def deeper(_: object) -> None:
    """Call itself through C for ever."""
    list(map(deeper, [None]))


def exhaust() -> None:
    """Ask for more than RLIMIT_AS allows; the limit is as it was afterwards."""
    import resource

    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    limit = pages * resource.getpagesize() + _ROOM
    resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    try:
        bytes(_TOO_MUCH)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def starve(smallest: int) -> NoReturn:
    """Use up all memory that there is under RLIMIT_AS, to pieces of this size, and keep it."""
    import resource

    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize(),) * 2)
    size = 1 << 20
    while True:
        try:
            _kept.append(bytes(size))
        except MemoryError:
            if size <= smallest:
                raise
            size //= 2


def overrun_the_cgroup() -> None:
    """Enter the control group that the test made, and use more memory than it has."""
    Path(os.environ["FAULTS_CGROUP"], "cgroup.procs").write_text("0", encoding="ascii")
    kept = []
    while True:
        kept.append(b"x" * (1 << 22))


def spin(mark: str) -> NoReturn:
    """Loop in C for ever, with the GIL held; the mark is left by the loop itself.

    1. A thread of an idle worker left its mark by `os.write`, which gives the GIL away. 2. The test
    saw it, and sent the task that was to hang. 3. The worker's main thread had the GIL, and did the
    task, before the other thread got to its loop.
    """
    from collections import deque
    from itertools import chain, repeat
    from mmap import mmap

    text = f"{os.getpid():>10}\n".encode()
    fd = os.open(mark, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(fd, b" " * (len(text) - 1) + b"\n")
    end = os.lseek(fd, 0, os.SEEK_CUR)
    memory = mmap(fd, end)
    os.close(fd)
    leave_mark = map(memory.__setitem__, [slice(end - len(text), end)], [text])
    deque(chain(leave_mark, repeat(None)), maxlen=0)
    raise AssertionError("for ever is over")


WAYS: dict[str, Callable[[], object]] = {
    "raise": throw,
    "exit": leave,
    "_exit": leave_at_once,
    "SIGKILL": lambda: die_of(signal.SIGKILL),
    "segfault": segfault,
    "abort": os.abort,
    "overflow": overflow,
    "memory": exhaust,
    "cgroup": overrun_the_cgroup,
    "SIGSTOP": lambda: die_of(signal.SIGSTOP),
}
