"""The write ends of this process's lifelines, and how a forked copy of it lets go of them.

A child lives as long as any copy of its write end is open. They are not inheritable, so what this
process executes never holds one; but `os.fork` copies them, and a child must not live on because
some fork of its parent does.

Facts:
- `os.register_at_fork` hooks run for every fork that Python makes, `subprocess` with ``preexec_fn``
  among them; not for one that a C library makes on its own.
- A reentrant lock that is held at the fork is held in the copy, by the thread that forked.
"""

# ruff: noqa: E402 (the assertion comes before the imports, so that mypy skips those elsewhere)

from __future__ import annotations

import sys

assert sys.platform != "win32"

import os
import threading
from contextlib import suppress

from ._descriptors import make_pipe

# Guards the set below against a fork between the making of a pipe and its entry, or between the
# removal of one and its closing. Reentrant: a signal handler of the same thread may fork.
_lock = threading.RLock()
_write_ends: set[int] = set()


def make_lifeline() -> tuple[int, int]:
    """Return (read end for the child, write end for this process)."""
    with _lock:
        read_end, write_end = make_pipe()
        _write_ends.add(write_end)
    return read_end, write_end


def close_lifeline(write_end: int) -> None:
    """Close a write end: the kernel kills the child that still holds on to it."""
    with _lock:
        _write_ends.discard(write_end)
        os.close(write_end)


def _let_go() -> None:
    for fd in _write_ends:
        with suppress(OSError):  # EBADF: something closed all descriptors it found
            os.close(fd)
    _write_ends.clear()
    _lock.release()


os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_let_go)
