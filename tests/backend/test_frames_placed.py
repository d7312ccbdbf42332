"""Frames some of whose buffers lie in a segment: what is in the stream, and what is refused."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loky_backend import FrameKind, ProtocolError
from loky_backend._frames import SegmentUse, encode_placed_frame
from support.backend_frames import (
    MAX_BUFFERS,
    SCRATCH,
    FrameReader,
    Message,
    chunk_sizes,
    feed,
    header,
    joined,
    patterned,
)

GOOD = Message(FrameKind.RESULT, 5, b"good").encoded()


@given(
    buffers=st.lists(
        st.tuples(st.booleans(), st.sampled_from([0, 1, 50, SCRATCH, SCRATCH * 5])), max_size=5
    ),
    number=st.integers(0, 2**62),
    fresh=st.booleans(),
    chunks=chunk_sizes,
)
@settings(deadline=None, max_examples=100)
def test_placed_frames_in_random_chunks(
    buffers: list[tuple[bool, int]], number: int, fresh: bool, chunks: list[int]
) -> None:
    """Buffers in the segment are named with their sizes; the others come through the stream."""
    memories = [patterned(size) for _, size in buffers]
    positions = frozenset(i for i, (placed, _) in enumerate(buffers) if placed)
    use = SegmentUse(number, positions, fresh)
    pieces = encode_placed_frame(FrameKind.TASK, 9, b"body", memories, use, token=3)
    after = Message(FrameKind.STOP)
    frame, stop = feed(FrameReader(), joined(pieces) + after.encoded(), chunks)
    assert (frame.kind, frame.task, frame.token, bytes(frame.body)) == (1, 9, 3, b"body")
    assert (frame.segment, frame.fresh) == (number, fresh)
    assert frame.placed == [(position, len(memories[position])) for position in sorted(positions)]
    expected = [b"" if i in positions else memory for i, memory in enumerate(memories)]
    assert [bytes(buffer) for buffer in frame.buffers] == expected
    assert Message.of(stop) == after


def test_a_plain_frame_has_no_segment() -> None:
    """A frame without a segment says so."""
    (frame,) = feed(FrameReader(), GOOD)
    assert (frame.segment, frame.fresh, frame.placed) == (-1, False, [])


def test_a_buffer_in_no_segment_is_refused() -> None:
    """A buffer that claims to lie in a segment needs one."""
    with pytest.raises(ProtocolError):
        feed(FrameReader(), header(buffers=1) + struct.pack("<Q", 1 << 63 | 5))


@pytest.mark.parametrize("count", [MAX_BUFFERS + 2, (1 << 31) - 1])
def test_too_many_placed_buffers_are_refused(count: int) -> None:
    """The number of buffers is limited with a segment, too."""
    with pytest.raises(ProtocolError):
        feed(FrameReader(), header(buffers=count | 1 << 31))
