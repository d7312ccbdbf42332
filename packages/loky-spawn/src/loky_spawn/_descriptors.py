"""Making descriptors on POSIX: never inheritable, never with the number of a standard stream.

A parent whose standard streams are closed (a daemon) is given their numbers for the next thing it
opens; a child would then take a pipe of ours for its standard output.
"""

# ruff: noqa: E402 (the assertion comes before the imports, so that mypy skips those elsewhere)

from __future__ import annotations

import sys

assert sys.platform != "win32"

import os
from contextlib import ExitStack

from . import _capabilities

_FIRST_FREE = 3


def above_standard_streams(fd: int) -> int:
    """Return the descriptor, moved above 2 where it was not; if that fails it is closed."""
    if fd >= _FIRST_FREE:
        return fd
    try:
        return copy_above_standard_streams(fd)
    finally:
        os.close(fd)


def copy_above_standard_streams(fd: int) -> int:
    """Return a copy of the descriptor with a number above 2."""
    import fcntl

    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE)


def make_pipe() -> tuple[int, int]:
    """Return (read end, write end)."""
    with ExitStack() as on_error:
        read_end, write_end = os.pipe()
        on_error.callback(os.close, write_end)
        read_end = above_standard_streams(read_end)
        on_error.pop_all()
        on_error.callback(os.close, read_end)
        write_end = above_standard_streams(write_end)
        on_error.pop_all()
    return read_end, write_end


def anonymous_file() -> int:
    """Return a file without a name: a memfd, else a temporary file that is unlinked at birth."""
    if sys.platform == "linux" and _capabilities.has("memfd"):
        return above_standard_streams(os.memfd_create("loky-spawn", os.MFD_CLOEXEC))
    import tempfile

    with tempfile.TemporaryFile() as file:
        return copy_above_standard_streams(file.fileno())


def stream_is_usable(fd: int) -> bool:
    """Say whether a standard stream of this process is one that a child can share."""
    try:
        return os.get_inheritable(fd)
    except OSError:  # EBADF: closed
        return False


def write_all(fd: int, data: bytes) -> None:
    """Write everything; blocks where a pipe is full."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
