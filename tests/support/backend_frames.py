"""Feeding frames to a `FrameReader` without any I/O, and making random ones."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hypothesis import strategies as st

from loky_backend import FrameKind, encode_frame
from loky_backend._frames import MAX_BODY, MAX_BUFFERS, SCRATCH, FrameReader

if TYPE_CHECKING:
    from collections.abc import Iterable

    from loky_backend import Buffer, Frame

KINDS = tuple(kind for name, kind in vars(FrameKind).items() if name.isupper())
HEAD = len(b"".join(bytes(piece) for piece in encode_frame(FrameKind.READY)))  # bytes of a header
MAPPED_FROM = 1 << 18  # from this size on a frame has a mapping of its own

# A size is interesting where the reader changes the way it stores a frame.
EDGES = sorted(
    {
        edge + delta
        for edge in (0, HEAD, 4096, SCRATCH, MAPPED_FROM)
        for delta in (-HEAD - 9, -HEAD - 8, -HEAD - 1, -HEAD, -1, 0, 1, HEAD)
        if edge + delta >= 0
    }
)


class Message(NamedTuple):
    """What a frame says, comparable."""

    kind: int
    task: int = 0
    body: bytes = b""
    buffers: tuple[bytes, ...] = ()
    token: int = 0

    def encoded(self) -> bytes:
        """Return the bytes that travel."""
        return joined(encode_frame(*self))

    @classmethod
    def of(cls, frame: Frame) -> Message:
        """Return what a frame that was read says."""
        buffers = tuple(bytes(buffer) for buffer in frame.buffers)
        return cls(frame.kind, frame.task, bytes(frame.body), buffers, frame.token)


def header(
    *, magic: int | None = None, kind: int = FrameKind.RESULT, size: int = 0, buffers: int = 0
) -> bytes:
    """Return a header that may lie."""
    head = bytearray(joined(encode_frame(kind, 1)))
    if magic is not None:
        struct.pack_into("<H", head, 0, magic)
    struct.pack_into("<I", head, 4, buffers)
    struct.pack_into("<Q", head, 16, size)
    return bytes(head)


def joined(pieces: Iterable[Buffer]) -> bytes:
    """Return the pieces of a frame as one, as the other side receives them."""
    return b"".join(bytes(piece) for piece in pieces)


def feed(reader: FrameReader, data: bytes, chunks: Iterable[int] = ()) -> list[Frame]:
    """Let a reader receive data in chunks of such sizes, then the rest as fast as it takes it."""
    frames: list[Frame] = []
    rest, sizes = memoryview(data), iter(chunks)
    while rest:
        target = reader.target()
        assert len(target) > 0
        count = min(len(target), len(rest), next(sizes, len(rest)))
        target[:count] = rest[:count]
        frames += reader.advance(count)
        rest = rest[count:]
    return frames


def messages_of(data: bytes, chunks: Iterable[int] = ()) -> list[Message]:
    """Return what a fresh reader makes of data; the stream must end between two frames."""
    reader = FrameReader()
    found = [Message.of(frame) for frame in feed(reader, data, chunks)]
    assert not reader.mid_frame
    return found


def resident_bytes() -> int:
    """Return how much real memory this process holds, shared memory included."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def patterned(size: int) -> bytes:
    """Return bytes of which no part looks like its neighbour."""
    return (bytes(range(251)) * (size // 251 + 1))[:size]


_SIZES = st.one_of(st.integers(0, 200), st.sampled_from(EDGES))
_BODIES = st.one_of(st.binary(max_size=64), _SIZES.map(patterned))

messages = st.builds(
    Message,
    kind=st.sampled_from(KINDS),
    task=st.integers(0, 2**64 - 1),
    body=_BODIES,
    buffers=st.lists(_BODIES, max_size=4).map(tuple),
    token=st.integers(0, 255),
)
chunk_sizes = st.lists(st.one_of(st.integers(1, 40), st.sampled_from(EDGES[1:])), max_size=60)

__all__ = [
    "EDGES",
    "HEAD",
    "KINDS",
    "MAPPED_FROM",
    "MAX_BODY",
    "MAX_BUFFERS",
    "SCRATCH",
    "FrameReader",
    "Message",
    "chunk_sizes",
    "feed",
    "header",
    "joined",
    "messages",
    "messages_of",
    "patterned",
    "resident_bytes",
]
