"""Frames that are none: refused, and believed in nothing, least of all in their size."""

from __future__ import annotations

import struct
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loky_backend import FrameKind, ProtocolError
from support.backend_frames import (
    HEAD,
    KINDS,
    MAX_BODY,
    MAX_BUFFERS,
    FrameReader,
    Message,
    chunk_sizes,
    feed,
    header,
    joined,
    messages,
    resident_bytes,
)

GOOD = Message(FrameKind.RESULT, 5, b"good").encoded()
MAGIC = struct.unpack_from("<H", GOOD)[0]
GIB = 1 << 30


def table(*sizes: int) -> bytes:
    """Return a table of buffer sizes."""
    return struct.pack(f"<{len(sizes)}Q", *sizes)


@pytest.mark.parametrize(
    "stream",
    [
        header(magic=0),
        header(magic=MAGIC ^ 0x0100),
        header(kind=0),
        header(kind=max(KINDS) + 1),
        header(kind=255),
        header(size=MAX_BODY + 1),
        header(size=2**64 - 1),
        header(buffers=MAX_BUFFERS + 1),
        header(buffers=2**32 - 1),
        header(buffers=1) + table(MAX_BODY + 1),
        header(buffers=1) + table(2**64 - 1),
        header(buffers=2) + table(2**63, 2**63),
        header(size=MAX_BODY, buffers=1) + table(1),
        b"Traceback (most recent call last):\n  File...",
        b"\0" * HEAD,
    ],
    ids=lambda stream: stream[:40].hex(),
)
@pytest.mark.parametrize("cut", [1, HEAD - 1, HEAD, HEAD + 16])
def test_what_is_no_frame_is_refused(stream: bytes, cut: int) -> None:
    """Wrong magic, unknown kinds and absurd sizes raise `ProtocolError`, however they arrive."""
    reader = FrameReader()
    with pytest.raises(ProtocolError) as caught:
        feed(reader, stream, [cut])
    assert isinstance(caught.value, ValueError)
    assert len(str(caught.value)) < 500


def test_the_bytes_that_are_no_frame_are_in_the_message() -> None:
    """The message shows the start of what came, which often is a print of some library."""
    with pytest.raises(ProtocolError, match=r"Segmentation fault"):
        feed(FrameReader(), b"Segmentation fault in libfoo.so, we are sorry")


def test_an_unfinished_header_is_waited_for() -> None:
    """Less than a header says nothing yet, good or bad."""
    reader = FrameReader()
    assert feed(reader, b"\0" * (HEAD - 1)) == []
    assert reader.mid_frame


def test_good_frames_before_garbage_are_delivered() -> None:
    """What was complete before the garbage is handed out, also if both came in one read."""
    found, refused = outcome(GOOD + b"\0" * HEAD, [])
    assert refused
    assert [message.body for message in found] == [b"good"]


LIES = {
    "a body of 64 GiB": header(size=64 * GIB),
    "a body of 1 GiB": header(size=GIB),
    "a buffer of 64 GiB": header(buffers=1) + table(64 * GIB),
    "a buffer of 1 GiB": header(buffers=1) + table(GIB),
    "4096 buffers of 4 MiB": header(buffers=4096) + table(*[4 << 20] * 4096),
    "the most there is": header(size=MAX_BODY),
    "4096 buffers of 255 KiB": header(buffers=4096) + table(*[(1 << 18) - 1] * 4096),
}


@pytest.mark.parametrize("lie", LIES)
def test_memory_does_not_grow_with_a_claimed_size(lie: str) -> None:
    """A header that claims a lot is refused, or costs address space and no memory."""
    reader = FrameReader()
    before = resident_bytes()
    try:
        frames = feed(reader, LIES[lie] + b"first bytes")
    except ProtocolError:
        frames = []
    grown = resident_bytes() - before
    assert frames == []
    assert grown < 32 << 20


@given(st.binary(max_size=400), chunk_sizes)
@settings(deadline=None, max_examples=200)
def test_random_bytes_do_no_harm(data: bytes, chunks: list[int]) -> None:
    """Random bytes give `ProtocolError` or nothing; no other exception."""
    with suppress(ProtocolError):
        feed(FrameReader(), data, chunks)


flips = st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4)


def outcome(data: bytes, chunks: list[int]) -> tuple[list[Message], bool]:
    """Return what a reader makes of data: frames, and whether it refused the stream."""
    found: list[Message] = []
    reader, rest, sizes = FrameReader(), memoryview(data), iter(chunks)
    try:
        while rest:
            target = reader.target()
            assert len(target) > 0
            count = min(len(target), len(rest), next(sizes, len(rest)))
            target[:count] = rest[:count]
            found += map(Message.of, reader.advance(count))
            rest = rest[count:]
    except ProtocolError:
        return found, True
    return found, reader.broken is not None


@given(st.lists(messages, min_size=1, max_size=4), flips, chunk_sizes)
@settings(deadline=None, max_examples=150)
def test_damaged_frames_read_the_same_in_any_chunks(
    sent: list[Message], damage: list[tuple[int, int]], chunks: list[int]
) -> None:
    """Bytes changed at random: the reader neither breaks nor depends on how they arrive."""
    data = bytearray(joined(message.encoded() for message in sent))
    for at, value in damage:
        data[at % min(len(data), 200)] = value
    at_once, refused_at_once = outcome(bytes(data), [])
    in_chunks, refused_in_chunks = outcome(bytes(data), chunks)
    assert refused_in_chunks == refused_at_once
    shorter, longer = sorted((at_once, in_chunks), key=len)
    assert longer[: len(shorter)] == shorter
    if not refused_at_once:
        assert in_chunks == at_once
