"""`Inheritance`: pickle locks, queues, connections and sockets for a process that is to be started.

`multiprocessing` pickles such things only for a child that is about to be spawned, and asks that
child's starter to hand the descriptors over. An `Inheritance` is such a starter.

Facts:
- POSIX: a pickled connection or socket holds the number of a descriptor, which the child must
  inherit under that number (``pass_fds``). A lock holds the name of its semaphore, which
  exists as long as the lock does in the process that made it.
- Shared ctypes objects (`Value`, `Array`) are shared only by the reducers of `multiprocessing`'s
  pickler; the plain C pickler makes a copy of them, without a word.
- Windows: a pickled lock holds a handle, which the child fetches from this process when it
  unpickles; a connection's handle can be fetched once, so by one child; a socket comes
  through a server thread of `multiprocessing`, for children that share its key.
"""

from __future__ import annotations

import os
import sys
import weakref
from contextlib import contextmanager

from ._ladder import climb
from ._mp_reducers import spawning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from ._picklers import Reducers

_FIRST_FREE = 3  # 0 to 2 are the standard streams


class Inheritance:
    """What children of this process are to inherit, collected while objects are pickled.

    Use: ``encode`` the arguments; give ``descriptors`` to `loky_spawn.spawn` as ``pass_fds`` for
    every child that is to unpickle them; ``close`` when no further child is to be started. Not for
    several threads at once.
    """

    def __init__(self) -> None:
        self._copies: dict[int, int] = {}
        self._kept: list[object] = []
        self._finalizer = weakref.finalize(self, _close_all, self._copies)

    @property
    def descriptors(self) -> tuple[int, ...]:
        """The descriptors that children must get under these numbers; () on Windows."""
        return tuple(self._copies.values())

    def encode(self, value: object, reducers: Reducers | None = None) -> bytes:
        """Pickle an object for the children, and keep it alive until `close`.

        Args:
            value: anything, with locks, queues, connections and sockets in it.
            reducers: as for `loky_backend.encode`.

        Returns:
            A pickle in one piece, for children that inherit `descriptors`.

        Raises:
            EncodingError: no pickler can.
            OSError: no more descriptors.

        Does not block, but for what the object's own code does.
        """
        with self.pickling():
            body = climb(value, reducers, None)
        self._kept.append(value)
        return body

    @contextmanager
    def pickling(self) -> Iterator[None]:
        """Have what `multiprocessing`'s own pickler does in the block, in this thread, be for them.

        Not enough for other picklers, which lack its reducers: `encode` has them.
        """
        with spawning(self):
            yield

    def close(self) -> None:
        """Close the copies of the descriptors and let go of the objects. Idempotent."""
        self._finalizer()
        self._kept.clear()

    def __enter__(self) -> Inheritance:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def duplicate_for_child(self, handle: int) -> int:
        """Return the number by which the child will know a descriptor or handle of this process.

        Called by `multiprocessing`. The child gets a copy made now, so what happens to the original
        afterwards does not matter (POSIX).
        """
        if sys.platform == "win32":
            return FetchedHandle(handle)
        if handle not in self._copies:
            import fcntl

            self._copies[handle] = fcntl.fcntl(handle, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE)
        return self._copies[handle]

    class DupFd:
        """A descriptor that the child inherits; the name is what `multiprocessing` looks for."""

        def __init__(self, fd: int) -> None:
            self.fd = fd

        def detach(self) -> int:
            """Return the descriptor, which is the caller's from then on. In the child."""
            return self.fd


def _close_all(copies: dict[int, int]) -> None:
    while copies:
        os.close(copies.popitem()[1])


class FetchedHandle(int):
    """A handle of this process; unpickled, a copy of it in the process that unpickles (Windows)."""

    __slots__ = ()

    def __reduce__(self) -> tuple[object, ...]:
        return fetch_handle, (os.getpid(), int(self))


def fetch_handle(pid: int, handle: int) -> int:
    """Return a handle of this process to what is `handle` in another (Windows)."""
    if sys.platform != "win32":
        raise AssertionError("handles are things of Windows")
    import ctypes
    from ctypes import wintypes

    may_duplicate, same_access = 0x40, 0x2
    kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel32.OpenProcess.restype = wintypes.HANDLE
    kernel32.GetCurrentProcess.restype = wintypes.HANDLE
    kernel32.DuplicateHandle.argtypes = (
        *(wintypes.HANDLE,) * 3,
        ctypes.POINTER(wintypes.HANDLE),
        wintypes.DWORD,
        wintypes.BOOL,
        wintypes.DWORD,
    )
    kernel32.CloseHandle.argtypes = (wintypes.HANDLE,)
    source = kernel32.OpenProcess(may_duplicate, False, pid)
    if not source:
        raise ctypes.WinError(ctypes.get_last_error())
    try:
        mine = wintypes.HANDLE()
        here = kernel32.GetCurrentProcess()
        if not kernel32.DuplicateHandle(
            source, handle, here, ctypes.byref(mine), 0, False, same_access
        ):
            raise ctypes.WinError(ctypes.get_last_error())
    finally:
        kernel32.CloseHandle(source)
    return int(mine.value or 0)
