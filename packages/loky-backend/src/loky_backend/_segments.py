"""Large buffers beside the stream: written once into an anonymous memfd, mapped by the receiver.

The sender owns segments (`SegmentPool`): it writes the large buffers of a frame into one and passes
its descriptor the first time a receiver sees it. The receiver (`SegmentReader`) maps it; arrays
that come out are writable, and theirs alone, since the sender does not touch a segment until the
receiver has let go of the last view and said so (RELEASE). Then it is used again: its pages are
there already, which on virtual machines is worth more than the copy.

Rules:
1. A segment is free only when nobody holds it: neither the task it was filled for nor a receiver.
2. No lock: finalizers, which strike anywhere, release segments. `dict.pop` decides who frees one.
3. Descriptors are few (1024 in all, often). A sender has `_MOST_USED` segments at most, a process
   holds `_MOST_HELD` mappings at most, however many arrays its user keeps: what comes beyond is
   copied out of the segment into private memory, and the segment is free at once.
4. Whatever keeps a receiver from using a segment, it gives it back.

Facts:
- memfd_create(2): memory without a name; the kernel frees it when the last descriptor and the last
  mapping are gone, whoever is killed.
- `memoryview(view)` does not keep `view` alive but the object below it: the mapping. Hence one
  mapping for each frame, watched by a weak reference.
- `mmap.mmap` keeps a copy of the descriptor as long as the mapping lives (an option since 3.13).
- MAP_POPULATE: the pages of a used segment are mapped at once instead of by 1,600 faults.
"""

from __future__ import annotations

import itertools
import mmap
import os
import sys
import weakref

from loky_spawn import has_capability

from ._errors import ProtocolError
from ._frames import LARGE
from ._pieces import drop_sent, nbytes, room, views_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ._frames import Frame
    from ._pieces import Buffer

_ALIGNMENT = 64
_KEPT_BYTES = 512 << 20  # free segments that are kept for use again
_KEPT_SEGMENTS = 16
_MOST_USED = 64
_MOST_HELD = 32
_LOST = 1 << 63  # in a RELEASE: the receiver has not got the descriptor
_NAMELESS = "loky-segment"


class _Segment:
    __slots__ = ("capacity", "fd", "holders", "known_to", "number")

    def __init__(self, number: int, fd: int, capacity: int) -> None:
        self.number = number
        self.fd = fd
        self.capacity = capacity
        self.holders: set[object] = set()
        self.known_to: set[int] = set()  # receivers that have its descriptor


class SegmentPool:
    """The segments of one sender. All methods may be called from any thread.

    Args:
        on_forget: called with (receiver, segment number) when a segment is closed that a receiver
            knows, so that it can be told to close its descriptor.

    Attributes:
        in_use: whether any receiver can take descriptors yet; nothing is placed before.
    """

    def __init__(self, on_forget: Callable[[int, int], None]) -> None:
        self.in_use = False
        self._on_forget = on_forget
        self._used: dict[int, _Segment] = {}
        self._free: dict[int, _Segment] = {}  # oldest first
        self._kept_bytes = _KEPT_BYTES
        self._numbers = itertools.count(1)  # threads place at once: no two get the same

    def place(self, buffers: Sequence[Buffer], holder: object) -> tuple[int, frozenset[int]] | None:
        """Write the large ones among some buffers into a segment that `holder` holds.

        Returns:
            (segment number, positions of those placed), or None if there is nothing large, no
            memory or descriptor is left, or too many segments are in use: then they go through
            the stream.
        """
        if sys.platform != "linux" or not self.in_use:
            return None
        positions = frozenset(i for i, data in enumerate(buffers) if nbytes(data) >= LARGE)
        if not positions or len(self._used) >= _MOST_USED:
            return None
        offsets, size = layout([nbytes(buffers[i]) for i in sorted(positions)])
        try:
            if not (has_capability("memfd") and has_capability("scm_rights")):
                return None
            segment = self._take(size)
        except OSError:  # EMFILE, ENFILE, ENOMEM, ENOSPC: slower is better than an error
            return None
        segment.holders.add(holder)
        self._used[segment.number] = segment
        try:
            for offset, position in zip(offsets, sorted(positions), strict=True):
                write_at(segment.fd, buffers[position], offset)
        except OSError:  # ENOSPC: the memory ran out while it was filled
            self.release(segment.number, holder)
            return None
        return segment.number, positions

    def lend(self, number: int, receiver: int) -> bool | None:
        """Have a receiver hold a segment; True if it needs the descriptor, None if it is gone."""
        segment = self._used.get(number)
        if segment is None:
            return None
        segment.holders.add(receiver)
        fresh = receiver not in segment.known_to
        segment.known_to.add(receiver)
        return fresh

    def descriptor(self, number: int) -> int:
        """Return the descriptor of a segment that is held."""
        return self._used[number].fd

    def not_delivered(self, number: int, receiver: int) -> None:
        """Take note that a frame did not reach its receiver: it was taken back before."""
        segment = self._used.get(number)
        if segment is not None:
            segment.known_to.discard(receiver)
        self.release(number, receiver)

    def release(self, number: int, holder: object) -> None:
        """Take note that a holder does not need a segment any more."""
        segment = self._used.get(number)
        if segment is None:
            return
        segment.holders.discard(holder)
        if not segment.holders and self._used.pop(number, None) is not None:
            self._free[number] = segment
            self._trim(self._kept_bytes)

    def returned(self, body: Buffer, receiver: int) -> None:
        """Take note of what a RELEASE frame of a receiver says."""
        for number in decode_numbers(body):
            if number & _LOST:
                self.not_delivered(number & ~_LOST, receiver)
            else:
                self.release(number, receiver)

    def receiver_died(self, receiver: int) -> None:
        """Take note that a receiver is dead: it holds nothing."""
        for segment in [*self._used.values(), *self._free.values()]:
            segment.known_to.discard(receiver)
            if receiver in segment.holders:
                self.release(segment.number, receiver)

    def trim(self) -> None:
        """Close every free segment: there is no use for them for a while."""
        self._trim(0)

    def close(self) -> None:
        """Close every free segment, and each that is in use as soon as it is released."""
        self._kept_bytes = 0
        self._trim(0)

    def _take(self, size: int) -> _Segment:
        """Return a free segment that fits, else a new one."""
        if sys.platform != "linux":
            raise AssertionError("memfd is a thing of Linux")
        for number, segment in reversed(list(self._free.items())):
            fits = size <= segment.capacity <= 4 * size
            if fits and self._free.pop(number, None) is not None:
                return segment
        fd = os.memfd_create(_NAMELESS, os.MFD_CLOEXEC)
        try:
            os.truncate(fd, size)
        except OSError:
            os.close(fd)
            raise
        return _Segment(next(self._numbers), fd, size)

    def _trim(self, limit: int) -> None:
        """Close the oldest free segments until at most `limit` bytes, and few, are kept."""
        kept = list(self._free.items())
        total = sum(segment.capacity for _, segment in kept)
        for left, (number, segment) in zip(range(len(kept), 0, -1), kept, strict=True):
            if total <= limit and left <= _KEPT_SEGMENTS:
                break
            total -= segment.capacity
            if self._free.pop(number, None) is not None:
                os.close(segment.fd)
                for receiver in segment.known_to:
                    self._on_forget(receiver, number)


class SegmentReader:
    """The segments one receiver has got from one sender.

    Args:
        on_release: called with what a RELEASE frame is to name (`encode_numbers`) when a frame's
            mapping is gone or could not be made; may be called by the garbage collector, in any
            thread, at any moment.
    """

    def __init__(self, on_release: Callable[[int], None]) -> None:
        self._on_release = on_release
        self._descriptors: dict[int, int] = {}

    def fill(self, frame: Frame, descriptor: int) -> None:
        """Put its segment's bytes into a frame's buffers: views of it, or copies.

        Args:
            frame: a frame with `segment` set.
            descriptor: what came along, -1 if nothing did.

        Raises:
            ProtocolError: the segment is not known, or smaller than the frame says.
            OSError: the operating system did not let it be read.

        If it raises the segment is given back.
        """
        number = frame.segment
        if descriptor >= 0:
            self.forget([number])
            self._descriptors[number] = descriptor
        try:
            mapping = self._fill(frame)
        except BaseException:
            self._on_release(number if number in self._descriptors else number | _LOST)
            raise
        if mapping is None:
            self._on_release(number)
        else:
            _watch(mapping, self._on_release, number)

    def _fill(self, frame: Frame) -> _Mapping | None:
        """Return the mapping whose views the buffers are; None if they are copies."""
        fd = self._descriptors.get(frame.segment)
        if fd is None:
            raise ProtocolError(
                f"the descriptor of segment {frame.segment} did not come: are all in use "
                "(ulimit -n)?"
            )
        offsets, needed = layout([size for _, size in frame.placed])
        if needed > os.fstat(fd).st_size:
            raise ProtocolError(f"segment {frame.segment} is smaller than {needed} bytes")
        mapping = _map(fd, needed)
        whole = None if mapping is None else memoryview(mapping)
        for offset, (position, size) in zip(offsets, frame.placed, strict=True):
            if whole is not None:
                frame.buffers[position] = whole[offset : offset + size]
            else:
                frame.buffers[position] = memory = room(size)
                _read_at(fd, memory, offset)
        return mapping

    def forget(self, numbers: Iterable[int]) -> None:
        """Close the descriptors of segments; mappings of them live as long as they are used."""
        for number in numbers:
            fd = self._descriptors.pop(number, None)
            if fd is not None:
                os.close(fd)

    def close(self) -> None:
        """Close all descriptors."""
        self.forget(list(self._descriptors))


class _Mapping(mmap.mmap):
    """A mapping of its own class, so that weak references and memory views go together."""


_held: set[int] = set()  # one number for each mapping of this process
_numbers = itertools.count()


def _map(fd: int, size: int) -> _Mapping | None:
    """Map a segment; None if too many are mapped, or no descriptor is left for the mapping."""
    if sys.platform == "win32":
        raise AssertionError("there are no segments on Windows")
    if len(_held) >= _MOST_HELD:
        return None
    try:
        return _Mapping(fd, size, flags=mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0))
    except (OSError, ValueError):  # ValueError: an empty one
        return None


def _watch(mapping: _Mapping, on_release: Callable[[int], None], number: int) -> None:
    """Count a mapping until it is gone, then say so."""
    held = next(_numbers)
    _held.add(held)

    def gone() -> None:
        _held.discard(held)
        on_release(number)

    weakref.finalize(mapping, gone).atexit = False


def layout(sizes: Sequence[int]) -> tuple[list[int], int]:
    """Return where buffers of these sizes lie in a segment, and how large it must be."""
    offsets = []
    end = 0
    for size in sizes:
        offsets.append(end)
        end += -(-size // _ALIGNMENT) * _ALIGNMENT
    return offsets, end


def encode_numbers(numbers: Iterable[int]) -> bytes:
    """Return the body of a RELEASE or FORGET frame."""
    return b"".join([number.to_bytes(8, "little") for number in numbers])


def decode_numbers(body: Buffer) -> list[int]:
    """Return the segment numbers of a RELEASE or FORGET frame."""
    data = bytes(body)
    return [int.from_bytes(data[at : at + 8], "little") for at in range(0, len(data), 8)]


def write_at(fd: int, data: Buffer, offset: int) -> None:
    """Write a buffer into a memfd."""
    if sys.platform == "win32":
        raise AssertionError("there are no segments on Windows")
    views = views_of([data])
    while views:
        written = os.pwrite(fd, views[0], offset)
        offset += written
        drop_sent(views, written)


def _read_at(fd: int, memory: Buffer, offset: int) -> None:
    if sys.platform == "win32":
        raise AssertionError("there are no segments on Windows")
    views = views_of([memory])
    while views:
        count = os.preadv(fd, views, offset)
        if not count:
            raise ProtocolError("a segment was cut while it was read")
        offset += count
        drop_sent(views, count)
