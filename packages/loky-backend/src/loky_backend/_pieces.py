"""Memory that goes through a channel: its size, room to receive into, and pieces for one call.

Facts:
- macOS refuses to read or write more than INT_MAX bytes in one call (EINVAL); Linux takes a little
  less than that and says so. IOV_MAX is 1024 on Linux and macOS.
- A shared anonymous mapping, which is what `mmap.mmap(-1, size)` makes, stays shared with forks.
"""

from __future__ import annotations

import mmap

from ._errors import ProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, TypeAlias

    Buffer: TypeAlias = bytes | bytearray | memoryview | mmap.mmap

MOST_AT_ONCE = 1 << 30
_MOST_PIECES = 512
_JOINED = 1 << 16  # bytes; a copy of so many costs less than the system calls it saves
_MAP_FROM = 1 << 18
_FLAGS = getattr(mmap, "MAP_PRIVATE", 0) | getattr(mmap, "MAP_ANON", 0)
_PRIVATE: dict[str, Any] = {"flags": _FLAGS} if _FLAGS else {}  # Windows has none, and no forks


def nbytes(buffer: Buffer) -> int:
    """Return how many bytes a buffer holds."""
    return buffer.nbytes if type(buffer) is memoryview else len(buffer)


def room(size: int) -> Buffer:
    """Return writable memory of a size, of this process alone.

    Large memory is not touched before it is used; it comes as a view, which can be pickled.

    Raises:
        ProtocolError: there is no room for so much.
    """
    if size < _MAP_FROM:
        return bytearray(size)
    try:
        return memoryview(mmap.mmap(-1, size, **_PRIVATE))
    except (OSError, ValueError, OverflowError) as error:
        raise ProtocolError(f"no memory for a frame of {size} bytes: {error}") from error


def views_of(pieces: Iterable[Buffer]) -> list[memoryview]:
    """Return the pieces of a frame as views of their bytes, without empty ones."""
    return [memoryview(piece).cast("B") for piece in pieces if nbytes(piece)]


def batch_of(views: list[memoryview]) -> list[memoryview]:
    """Return as many of the first views, the last one cut, as one system call takes."""
    left = MOST_AT_ONCE
    batch = []
    for view in views[:_MOST_PIECES]:
        batch.append(view[:left])
        left -= len(view)
        if left <= 0:
            break
    return batch


def first_of(views: list[memoryview]) -> Buffer:
    """Return the first view, or some small ones in one: for a system call that takes one piece."""
    if len(views) == 1 or len(views[0]) >= _JOINED:
        return views[0][:MOST_AT_ONCE]
    count = size = 0
    while count < len(views) and size < _JOINED:
        size += len(views[count])
        count += 1
    return b"".join(view[:_JOINED] for view in views[:count])[:_JOINED]


def drop_sent(views: list[memoryview], sent: int) -> None:
    """Take the first `sent` bytes out of a list of views."""
    done = 0
    for view in views:
        if sent < len(view):
            break
        sent -= len(view)
        done += 1
    del views[:done]
    if sent:
        views[0] = views[0][sent:]
