"""The frames that parent and worker exchange: their layout, and a reader without any I/O.

A frame is a header, a table of buffer sizes, a body, and the buffers. Whatever is needed to know
which task a frame belongs to stands in the header, outside any pickle, so a body that cannot be
decoded costs that one task.

    header   magic u16 | kind u8 | token u8 | buffers u32 | task u64 | body size u64
             | seconds f32 of decoding, of running, of encoding (answers only)         (36 bytes)
    table    one u64 per buffer: its size; the top bit says that it lies in a segment
             one u64 more if any does: the segment's number; its top bit says that the segment's
             descriptor comes along (`_segments`)
    body     bytes
    buffers  the raw bytes of those that are in no segment, one after the other

Rules:
1. `FrameReader` makes room for a body or buffer when its first byte is due, and a large one is
   memory that the kernel fills on touch: a lying header costs address space and no memory.
2. A header that breaks the layout raises `ProtocolError`; nothing after it is believed, and what
   came before it is handed out first.

Facts:
- ``bytearray(n)`` writes n zeros; an anonymous mmap does not touch its pages.
- `len` of a memoryview counts items, `nbytes` bytes.
"""

from __future__ import annotations

from struct import Struct

from ._errors import ProtocolError
from ._pieces import MOST_AT_ONCE, nbytes, room

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._pieces import Buffer

MAGIC = 0x6C6B
HEADER = Struct("<HBBIQQfff")
_NO_TIMES = (0.0, 0.0, 0.0)
_NOTHING = memoryview(b"")
_UNREAD = memoryview(b"")  # stands for a body whose first byte has not come
_SIZE = Struct("<Q")


class FrameKind:
    """What a frame is, and who sends it.

    Plain numbers, since importing `enum` would cost every worker 3 ms.
    """

    TASK = 1  # parent: run this
    CLAIMED_TASK = 2  # parent: run this if the next token of the claim channel is its own
    STOP = 3  # parent: end
    READY = 4  # worker: initialized
    RESULT = 5  # worker: what the task returned
    FAILURE = 6  # worker: what the task raised; task 0 is the initializer
    DESCRIPTORS = 7  # parent: from now on expect descriptors beside tokens; worker: I do
    RELEASE = 8  # both: the segments named in the body are not used here any more
    FORGET = 9  # both: the segments named in the body are gone; close their descriptors
    UNSHARE = 10  # parent: the shared objects named in the body are gone; unmap them
    SKIPPED = 11  # worker: the token of this task was not there, so it is not run


_TOP_BIT = 1 << 63
_HAS_SEGMENT = 1 << 31

MAX_BODY = 1 << 44
MAX_BUFFERS = 1 << 12
SCRATCH = 1 << 16
LARGE = 1 << 20  # bytes from which a buffer is better placed into a segment (`_segments`)


class Frame:
    """One frame as it was read.

    Attributes:
        kind: one of `FrameKind`.
        token: the byte that claims the task, 0 where none is needed.
        task: the id of the task it belongs to, 0 for none.
        body: the encoded message; writable memory of its own, or bytes.
        buffers: out-of-band buffers, each writable memory of its own; b"" stands for one that
            lies in the segment.
        segment: number of the segment that holds some of the buffers, -1 for none.
        fresh: whether the segment's descriptor comes along.
        times: seconds the worker spent decoding, running and encoding.
        placed: (position in `buffers`, size) of those that lie in the segment, in their order.
    """

    __slots__ = ("body", "buffers", "fresh", "kind", "placed", "segment", "task", "times", "token")

    def __init__(self, kind: int, token: int, task: int) -> None:
        self.kind = kind
        self.token = token
        self.task = task
        self.body: Buffer = b""
        self.buffers: list[Buffer] = []
        self.segment = -1
        self.fresh = False
        self.placed: list[tuple[int, int]] = []
        self.times: tuple[float, float, float] = _NO_TIMES

    def __repr__(self) -> str:
        return f"Frame(kind={self.kind}, task={self.task}, {len(self.body)} bytes)"


def encode_frame(
    kind: int,
    task: int = 0,
    body: Buffer = b"",
    buffers: Sequence[Buffer] = (),
    token: int = 0,
    *,
    times: tuple[float, float, float] = _NO_TIMES,
) -> list[Buffer]:
    """Return the pieces of a frame, to be sent one after the other; large ones are not copied."""
    size = nbytes(body)
    head = HEADER.pack(MAGIC, kind, token, len(buffers), task, size, *times)
    if not buffers:
        return [head + body] if size < SCRATCH else [head, body]
    table = b"".join([_SIZE.pack(nbytes(buffer)) for buffer in buffers])
    return [head + table, body, *buffers]


def encode_placed_frame(
    kind: int,
    task: int,
    body: Buffer,
    buffers: Sequence[Buffer],
    segment: SegmentUse,
    *,
    token: int = 0,
    times: tuple[float, float, float] = _NO_TIMES,
) -> list[Buffer]:
    """Return the pieces of a frame some of whose buffers were placed into a segment."""
    count = len(buffers) | _HAS_SEGMENT
    table = [HEADER.pack(MAGIC, kind, token, count, task, nbytes(body), *times)]
    pieces: list[Buffer] = [body]
    for position, buffer in enumerate(buffers):
        if position in segment.positions:
            table.append(_SIZE.pack(nbytes(buffer) | _TOP_BIT))
        else:
            table.append(_SIZE.pack(nbytes(buffer)))
            pieces.append(buffer)
    table.append(_SIZE.pack(segment.number | (_TOP_BIT if segment.fresh else 0)))
    return [b"".join(table), *pieces]


class SegmentUse:
    """How one frame uses a segment.

    Attributes:
        number: the segment's number at its sender.
        positions: which of the frame's buffers lie in it.
        fresh: whether the receiver has not got the segment's descriptor yet.
    """

    __slots__ = ("fresh", "number", "positions")

    def __init__(self, number: int, positions: frozenset[int], fresh: bool) -> None:
        self.number = number
        self.positions = positions
        self.fresh = fresh


class FrameReader:
    """Cuts a stream of bytes into frames; told what arrived, it never reads itself.

    Use: receive into `target()`, then call `advance(n)` with the number of bytes received. Small
    frames come out of one scratch memory, many at a time; what is larger than the scratch memory
    is received straight to where it stays.

    Attributes:
        broken: why the stream is not believed any more, None while it is.
    """

    __slots__ = (
        "_current",
        "_due",
        "_filled",
        "_hole",
        "_position",
        "_scratch",
        "_view",
        "broken",
    )

    def __init__(self) -> None:
        self.broken: ProtocolError | None = None
        self._scratch = bytearray(SCRATCH)
        self._view = memoryview(self._scratch)
        self._filled = 0  # bytes of the scratch memory that hold something
        self._current: Frame | None = None  # the large frame being received
        self._due: list[int] = []  # sizes of what is still to come of it, the last one first
        self._hole = memoryview(b"")  # the part of it that is being received
        self._position = 0

    def target(self) -> memoryview:
        """Return the memory into which the next bytes are to be received; never empty.

        Raises:
            ProtocolError: the stream is broken.
        """
        if self._current is not None:
            return self._hole[self._position : self._position + MOST_AT_ONCE]
        if self.broken is not None:
            raise self.broken
        return self._view[self._filled :]

    @property
    def mid_frame(self) -> bool:
        """Whether a part of a frame has arrived: an end of the stream now would cut it."""
        return self._current is not None or self._filled > 0

    def advance(self, count: int) -> list[Frame]:
        """Take note of `count` bytes received into `target()`; return the frames now complete.

        Raises:
            ProtocolError: the stream is not made of frames. If good ones came before that they are
                returned, and `broken` is set; the next call of any method raises.
        """
        if self._current is None:
            self._filled += count
            frames: list[Frame] = []
            try:
                self._cut(frames)
            except ProtocolError as error:
                self._break(error)
                if not frames:
                    raise
            return frames
        self._position += count
        if self._position < len(self._hole):
            return []
        try:
            if self._next_hole(self._current):
                return []
        except ProtocolError as error:
            self._break(error)
            raise
        frame, self._current = self._current, None
        return [frame]

    def _break(self, error: ProtocolError) -> None:
        self._current = None
        self.broken = error

    def _next_hole(self, frame: Frame) -> bool:
        """Make room for what comes next of a large frame; False if it is complete."""
        due = self._due
        while due:
            memory = room(due.pop())
            if frame.body is _UNREAD:
                frame.body = memory
            else:
                frame.buffers.append(memory)
            self._hole = memoryview(memory)
            self._position = 0
            if len(self._hole):
                return True
        self._hole = _NOTHING
        return False

    def _cut(self, frames: list[Frame]) -> None:
        """Cut the frames that are complete out of the scratch memory."""
        start = 0
        while self._filled - start >= HEADER.size:
            magic, kind, token, count, task, size, *times = HEADER.unpack_from(self._scratch, start)
            known = FrameKind.TASK <= kind <= FrameKind.SKIPPED
            listed = count & ~_HAS_SEGMENT
            if magic != MAGIC or not known or size > MAX_BODY or listed > MAX_BUFFERS:
                header = bytes(self._view[start : start + HEADER.size])
                raise ProtocolError(f"not a frame: {header!r}")
            body_at = start + HEADER.size + _SIZE.size * (listed + (count >= _HAS_SEGMENT))
            if body_at > self._filled:
                break
            frame = Frame(kind, token, task)
            frame.times = (times[0], times[1], times[2])
            sizes = self._read_table(frame, count, start + HEADER.size) if count else []
            total = size + sum(sizes)
            if total > MAX_BODY:
                raise ProtocolError(f"a frame of {total} bytes")
            if body_at + total > self._filled:
                if body_at + total - start <= SCRATCH:
                    break  # fits into the scratch memory once it was moved to the front
                self._receive_apart(frame, [size, *sizes], body_at)
                return
            frame.body = bytes(self._view[body_at : body_at + size])
            at = body_at + size
            for length in sizes:
                frame.buffers.append(bytearray(self._view[at : at + length]))
                at += length
            frames.append(frame)
            start = at
        self._keep_from(start)

    def _read_table(self, frame: Frame, count: int, at: int) -> list[int]:
        """Return the sizes of the buffers as they are in the stream: 0 for one in the segment."""
        sizes = []
        for position in range(count & ~_HAS_SEGMENT):
            size = _SIZE.unpack_from(self._scratch, at)[0]
            at += _SIZE.size
            if size & _TOP_BIT:
                frame.placed.append((position, size & ~_TOP_BIT))
                size = 0
            sizes.append(size)
        if count & _HAS_SEGMENT:
            number = _SIZE.unpack_from(self._scratch, at)[0]
            frame.fresh = bool(number & _TOP_BIT)
            frame.segment = number & ~_TOP_BIT
        elif frame.placed:
            raise ProtocolError("a buffer in a segment that is not named")
        return sizes

    def _keep_from(self, start: int) -> None:
        rest = self._filled - start
        if start and rest:
            self._scratch[:rest] = self._scratch[start : self._filled]
        self._filled = rest

    def _receive_apart(self, frame: Frame, sizes: list[int], body_at: int) -> None:
        """Give a large frame memory of its own and move there what has arrived of it."""
        have = self._view[body_at : self._filled]
        self._filled = 0
        frame.body = _UNREAD
        self._current = frame
        self._due = sizes[::-1]
        while self._next_hole(frame):
            taken = min(len(have), len(self._hole))
            self._hole[:taken] = have[:taken]
            have = have[taken:]
            if taken < len(self._hole):
                self._position = taken
                return
