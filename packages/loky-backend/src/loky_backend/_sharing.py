"""`Shared`: an object that is pickled once, and passed to any number of tasks for a name.

The one who shares writes the pickle and its buffers into an anonymous memfd and seals it: nobody
can change it any more. Where a handle arrives, the memory is opened and mapped once; arrays lie in
the mapping and are read-only. The idea is that of Ray's object store, without the store: no
server, no name in a file system, nothing to clean up.

Rules:
1. A task that names shared memory holds it (`encode_lending`) until it is answered. When the last
   holder in the sharing process is gone the descriptor is closed, and workers that have it mapped
   are told (UNSHARE); whoever is killed, the kernel frees the rest.
2. Outside of a task a handle is pickled as a copy: nobody would hold the memory.
3. No lock: the value may be decoded twice by two threads, the first one counts.

Facts:
- /proc/PID/fd/N can be opened by processes of the same user (proc(5), PTRACE_MODE_READ). The inode
  number tells whether it still is what was meant.
- A write-sealed memfd could not be mapped shared before Linux 6.7, even for reading only; a private
  mapping has the same pages, but for those that were written to.
"""

from __future__ import annotations

import mmap
import os
import sys
import threading
import weakref
from typing import Any, Generic, TypeVar

from loky_spawn import has_capability

from . import _cpython
from ._encoding import decode, encode
from ._errors import SharedMemoryError
from ._pieces import nbytes
from ._segments import decode_numbers, layout, write_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ._encoded import Encoded
    from ._picklers import Reducers
    from ._pieces import Buffer

    Name = tuple[int, int, bool]

T = TypeVar("T")
_LENT_FROM = 1 << 14  # bytes; less costs less as a copy in the task than opened and mapped
_lending = threading.local()


class Memory:
    """What handles of one shared object have in common in one process.

    Attributes:
        name: (number, origin, writable), the same in all processes: a random number; the pid of the
            process that shared it; whether each process may change its own.
        nbytes: how large the pickle with its buffers is.
        borrowers: called with `number` when the memory is gone, for those who passed it on.
    """

    def __init__(
        self, name: Name, sizes: list[int], pieces: list[Buffer] | None, fd: int = -1
    ) -> None:
        self.name = name
        self.number, self.origin, self.writable = name
        self.nbytes = sum(sizes)
        self.sizes = sizes
        self.fd = fd
        self.borrowers: dict[Callable[[int], None], None] = {}
        self._pieces = pieces
        self._value: dict[str, Any] = {}
        weakref.finalize(self, _free, self.number, fd, self.borrowers).atexit = False

    def value(self) -> Any:
        """Return the object; decoded at the first call."""
        if "value" not in self._value:
            body, *buffers = self.pieces()
            if self.writable and self.fd < 0:
                buffers = [bytearray(buffer) for buffer in buffers]
            self._value.setdefault("value", decode(body, buffers))
        return self._value["value"]

    def pieces(self) -> list[Buffer]:
        """Return the pickle and its buffers."""
        if self._pieces is None:
            self._pieces = _mapped(self.fd, self.sizes, self.writable)
        return self._pieces


def _free(number: int, fd: int, borrowers: dict[Callable[[int], None], None]) -> None:
    if fd >= 0:
        os.close(fd)
    for forget in list(borrowers):
        forget(number)


_known: weakref.WeakValueDictionary[int, Memory] = weakref.WeakValueDictionary()
_kept: dict[int, Memory] = {}  # of our parent, until it says that it is gone


class Shared(Generic[T]):
    """A handle of an object that was shared (`share`); pass it to tasks, they call `get`.

    Handles that arrive in a worker name the same memory, mapped once for all tasks there.
    """

    __slots__ = ("_memory",)

    def __init__(self, memory: Memory) -> None:
        self._memory: Memory | None = memory

    def get(self) -> T:
        """Return the object: in every process one for all callers, so do not change it.

        Its arrays lie in the shared memory, read-only; the rest is a copy of this process.

        Raises:
            ValueError: the handle was closed.
            BaseException: whatever decoding it raised.

        Does not block, but for what decoding does the first time. Any thread.
        """
        value: T = self._held().value()
        return value

    def close(self) -> None:
        """Let go of the memory; it is freed when no other handle and no task holds it."""
        self._memory = None

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._memory is None

    @property
    def nbytes(self) -> int:
        """Bytes of the pickle and its buffers."""
        return self._held().nbytes

    def _held(self) -> Memory:
        if self._memory is None:
            raise ValueError("this shared object was closed")
        return self._memory

    def __enter__(self) -> Shared[T]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        memory = self._held()
        lent: dict[int, Memory] | None = getattr(_lending, "lent", None)
        if lent is not None:
            lent[memory.number] = memory
        ours = memory.origin == os.getpid()
        if memory.fd >= 0 and (lent is not None or not ours):
            holder = os.getpid(), memory.fd, os.fstat(memory.fd).st_ino
            return _arrive, (memory.name, memory.sizes, holder)
        pieces = [_cpython.pickle.PickleBuffer(piece) for piece in memory.pieces()]
        return _arrive_whole, (memory.name, pieces)

    def __repr__(self) -> str:
        if self._memory is None:
            return "<Shared closed>"
        return f"<Shared {self._memory.nbytes} bytes>"


def share(value: T, reducers: Reducers | None = None, *, writable: bool = False) -> Shared[T]:
    """Pickle an object once, into memory that other processes can map.

    Args:
        value: anything that can be pickled. It is copied: later changes are not seen.
        reducers: as for `loky_backend.encode`.
        writable: arrays can be changed, and each process changes its own: a page is copied when it
            is written to. Else they are read-only.

    Returns:
        A handle. The memory is freed when the last handle is gone, or closed, and the last task
        with one is answered.

    Raises:
        EncodingError: it cannot be pickled.
        BaseException: whatever the object's own code raised.

    Does not block, but for pickling and writing. Any thread. Where there is no memfd or /proc the
    handle carries a copy: tasks work the same, more slowly.
    """
    return share_encoded(encode(value, reducers), writable=writable)


def share_encoded(encoded: Encoded, *, writable: bool = False) -> Shared[Any]:
    """Do what `share` does, for an object that is encoded already."""
    pieces: list[Buffer] = [encoded.body, *encoded.buffers]
    number = int.from_bytes(os.urandom(8), "little") >> 1
    fd = _place(pieces)
    if fd < 0:  # the buffers are the object's own memory, which may change
        pieces = [bytes(piece) for piece in pieces]
    sizes = [nbytes(piece) for piece in pieces]
    name = number, os.getpid(), writable
    memory = Memory(name, sizes, pieces if fd < 0 else None, fd)
    _known[number] = memory
    return Shared(memory)


def encode_lending(
    value: object, reducers: Reducers | None = None
) -> tuple[Encoded, tuple[Memory, ...]]:
    """Do what `encode` does, for a receiver that may open shared memory.

    Returns:
        The bytes, and the shared memory they name: keep it until the receiver is done with them.
    """
    outer = getattr(_lending, "lent", None)
    lent: dict[int, Memory] = {}
    _lending.lent = lent
    try:
        encoded = encode(value, reducers)
    finally:
        _lending.lent = outer
    return encoded, tuple(lent.values())


def forget(body: Buffer) -> None:
    """Take note of what an UNSHARE frame says."""
    for number in decode_numbers(body):
        _kept.pop(number, None)


def _arrive(name: Name, sizes: list[int], holder: tuple[int, int, int]) -> Shared[Any]:
    memory = _known.get(name[0])
    if memory is None:
        memory = _keep(Memory(name, sizes, None, _open(*holder)))
    return Shared(memory)


def _arrive_whole(name: Name, pieces: list[Buffer]) -> Shared[Any]:
    memory = _known.get(name[0])
    if memory is None:
        views: list[Buffer] = [memoryview(piece).toreadonly() for piece in pieces]
        memory = _keep(Memory(name, [nbytes(view) for view in views], views))
    return Shared(memory)


def _keep(memory: Memory) -> Memory:
    """Remember memory that arrived; return what another thread was first with, if one was."""
    first = _known.setdefault(memory.number, memory)
    if memory.origin == os.getppid():
        _kept[memory.number] = first
    return first


def _open(pid: int, fd: int, inode: int) -> int:
    try:
        opened = os.open(f"/proc/{pid}/fd/{fd}", os.O_RDONLY)
    except OSError as error:
        raise SharedMemoryError(
            f"the memory of a shared object in process {pid} cannot be opened ({error.strerror}): "
            "its handle was closed, or this process may not look into that one"
        ) from error
    if os.fstat(opened).st_ino != inode:
        os.close(opened)
        raise SharedMemoryError(f"the memory of a shared object in process {pid} is gone")
    return opened


def _place(pieces: list[Buffer]) -> int:
    """Write pieces into a sealed memfd; return its descriptor, -1 if there can be none."""
    if sys.platform != "linux" or sum(map(nbytes, pieces)) < _LENT_FROM:
        return -1
    import fcntl

    offsets, size = layout([nbytes(piece) for piece in pieces])
    try:
        if not has_capability("memfd"):
            return -1
        fd = os.memfd_create("loky-shared", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    except OSError:  # EMFILE, ENOSYS: slower is better than an error
        return -1
    try:
        os.truncate(fd, size)
        for offset, piece in zip(offsets, pieces, strict=True):
            write_at(fd, piece, offset)
        seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
        os.stat(f"/proc/self/fd/{fd}")  # is there a way for others to open it?
    except OSError:  # ENOSPC, ENOMEM; ENOENT: /proc is not mounted
        os.close(fd)
        return -1
    return fd


def _mapped(fd: int, sizes: list[int], writable: bool) -> list[Buffer]:
    if sys.platform == "win32":
        raise AssertionError("there is no memfd on Windows")
    offsets, size = layout(sizes)
    access = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
    whole = memoryview(mmap.mmap(fd, size, flags=mmap.MAP_PRIVATE, prot=access))
    return [whole[offset : offset + length] for offset, length in zip(offsets, sizes, strict=True)]
