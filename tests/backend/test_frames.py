"""Frames: whatever the stream is cut into, the same frames come out of it."""

from __future__ import annotations

import mmap
import socket
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loky_backend import FrameKind, encode_frame
from support.backend_frames import (
    EDGES,
    KINDS,
    MAPPED_FROM,
    MAX_BUFFERS,
    SCRATCH,
    FrameReader,
    Message,
    chunk_sizes,
    feed,
    joined,
    messages,
    messages_of,
    patterned,
    resident_bytes,
)

SOME = [
    Message(FrameKind.READY),
    Message(FrameKind.TASK, 7, b"body"),
    Message(FrameKind.RESULT, 2**64 - 1, b"", (b"", b"one", b"")),
    Message(FrameKind.CLAIMED_TASK, 1, b"x" * 100, (b"y" * 50,), 255),
    Message(FrameKind.STOP),
]


def test_every_cut_in_two_gives_the_same_frames() -> None:
    """A few frames, cut in two at each byte, come out as they went in."""
    data = joined(message.encoded() for message in SOME)
    for cut in range(1, len(data)):
        assert messages_of(data, [cut]) == SOME


def test_single_bytes_give_the_same_frames() -> None:
    """A few frames that arrive one byte at a time come out as they went in."""
    data = joined(message.encoded() for message in SOME)
    assert messages_of(data, [1] * len(data)) == SOME


@pytest.mark.parametrize("where", ["body", "buffer", "both"])
def test_every_cut_of_a_large_frames_head(where: str) -> None:
    """A frame with memory of its own may be cut anywhere in and around its header and table."""
    large = patterned(SCRATCH + 5)
    message = Message(
        FrameKind.TASK,
        3,
        large if where != "buffer" else b"small",
        (b"", large, b"") if where != "body" else (),
    )
    data = SOME[1].encoded() + message.encoded() + SOME[2].encoded()
    expected = [SOME[1], message, SOME[2]]
    for cut in (*range(1, 120), *range(len(data) - 120, len(data))):
        assert messages_of(data, [cut]) == expected


@pytest.mark.parametrize("before", [0, 1, 24, 100, SCRATCH // 2])
@pytest.mark.parametrize("size", EDGES)
def test_sizes_at_the_edges(size: int, before: int) -> None:
    """A frame whose size is at an edge of the reader's memories survives, after others too."""
    body = patterned(size)
    frames = [
        Message(FrameKind.TASK, 1, patterned(before)),
        Message(FrameKind.TASK, 2, body),
        Message(FrameKind.RESULT, 3, b"b", (body, b"", body)),
        Message(FrameKind.STOP),
    ]
    data = joined(message.encoded() for message in frames)
    assert messages_of(data) == frames
    assert messages_of(data, [SCRATCH - 1, 1, 1, SCRATCH]) == frames


def test_as_many_buffers_as_allowed() -> None:
    """A frame may carry `MAX_BUFFERS` buffers, empty and full ones in any mixture."""
    buffers = tuple(patterned(number % 5) for number in range(MAX_BUFFERS))
    message = Message(FrameKind.RESULT, 9, b"body", buffers)
    data = message.encoded()
    assert messages_of(data) == [message]
    assert messages_of(data, [1000] * 40) == [message]
    large = message._replace(buffers=tuple(patterned(40) for _ in range(MAX_BUFFERS)))
    assert messages_of(large.encoded(), [1000] * 40) == [large]


def test_many_small_frames_come_out_of_one_read() -> None:
    """One filled scratch memory gives all its frames at once, the cut one with the next read."""
    frames = [Message(FrameKind.RESULT, number, b"r" * (number % 7)) for number in range(5000)]
    assert messages_of(joined(message.encoded() for message in frames)) == frames


@given(st.lists(messages, max_size=6), chunk_sizes)
@settings(deadline=None, max_examples=150)
def test_random_frames_in_random_chunks(sent: list[Message], chunks: list[int]) -> None:
    """Any list of frames in any chunks gives the same frames."""
    assert messages_of(joined(message.encoded() for message in sent), chunks) == sent


@given(st.lists(messages, min_size=1, max_size=3), chunk_sizes, st.data())
@settings(deadline=None, max_examples=80)
def test_a_truncated_stream_gives_what_was_complete(
    sent: list[Message], chunks: list[int], data: st.DataObject
) -> None:
    """A stream that ends anywhere gives the frames before its end, and says if it was cut."""
    parts = [message.encoded() for message in sent]
    whole = joined(parts)
    end = data.draw(st.integers(0, len(whole) - 1))
    reader = FrameReader()
    found = [Message.of(frame) for frame in feed(reader, whole[:end], chunks)]
    ends = [sum(map(len, parts[: number + 1])) for number in range(len(parts))]
    complete = sum(at <= end for at in ends)
    assert found == sent[:complete]
    assert reader.mid_frame == (end not in (0, *ends))


def test_a_reader_at_rest_is_not_mid_frame() -> None:
    """`mid_frame` is true from the first byte of a frame to its last but one."""
    reader, data = FrameReader(), SOME[3].encoded()
    states = []
    for byte in data:
        feed(reader, bytes([byte]))
        states.append(reader.mid_frame)
    assert states == [True] * (len(data) - 1) + [False]


@pytest.mark.parametrize("size", [10, SCRATCH + 1, MAPPED_FROM + 1])
def test_buffers_are_writable_and_independent(size: int) -> None:
    """Each buffer that was read is writable memory of its own, whatever comes after it."""
    data = Message(FrameKind.TASK, 1, b"", (b"a" * size, b"b" * size)).encoded()
    reader = FrameReader()
    (first,) = feed(reader, data)
    view = memoryview(first.buffers[0])
    view[:3] = b"new"
    (second,) = feed(reader, data)
    assert bytes(first.buffers[0][:4]) == b"newa"
    assert bytes(first.buffers[1][:4]) == b"bbbb"
    assert bytes(second.buffers[0][:4]) == b"aaaa"
    view.release()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_travels(kind: int) -> None:
    """Kind, token and task id arrive as they were sent."""
    message = Message(kind, 123, b"", (), 45)
    assert messages_of(message.encoded()) == [message]


def test_large_pieces_are_not_copied() -> None:
    """Encoding refers to a large body and to buffers, it does not copy them."""
    body, buffer = bytearray(SCRATCH), bytearray(10)
    assert any(piece is body for piece in encode_frame(FrameKind.TASK, 1, body))
    assert any(piece is buffer for piece in encode_frame(FrameKind.TASK, 1, b"", [buffer]))


def test_a_view_of_wide_items_is_measured_in_bytes() -> None:
    """A memoryview of doubles travels as its bytes, as body and as buffer."""
    view = memoryview(struct.pack("4d", 1, 2, 3, 4)).cast("d")
    data = joined(encode_frame(FrameKind.TASK, 1, view, [view]))
    assert messages_of(data) == [Message(FrameKind.TASK, 1, bytes(view), (bytes(view),))]


@pytest.mark.parametrize("where", ["body", "buffer"])
def test_a_frame_of_more_than_4_gib(where: str) -> None:
    """Sizes above 32 bits work; memory is used only where something was received."""
    size = (1 << 32) + 12_345
    before = resident_bytes()
    with mmap.mmap(-1, size) as sparse:
        sparse[:3], sparse[-3:] = b"beg", b"end"
        body, buffers = (sparse, []) if where == "body" else (b"", [sparse])
        head, *rest = encode_frame(FrameKind.RESULT, 1, body, buffers)
        assert sum(map(len, rest)) == size
    reader = FrameReader()
    frames = feed(reader, head + b"beg")
    left = size - 3
    while left > 3:  # receiving zeros into fresh memory is leaving it as it is
        count = min(len(reader.target()), 1 << 30, left - 3)
        frames += reader.advance(count)
        left -= count
    frames += feed(reader, b"end")
    (frame,) = frames
    memory = frame.body if where == "body" else frame.buffers[0]
    assert len(memory) == size
    assert bytes(memory[:4]) == b"beg\0"
    assert bytes(memory[-4:]) == b"\0end"
    assert resident_bytes() - before < 64 << 20
    assert not reader.mid_frame


@given(st.lists(messages, max_size=4), st.integers(1, 70_000))
@settings(deadline=None, max_examples=20)
def test_through_a_socket(sent: list[Message], size: int) -> None:
    """`target` is memory that `recv_into` fills, `advance` takes its count."""
    data = joined(message.encoded() for message in sent)
    reader, found, at = FrameReader(), [], 0
    ours, theirs = socket.socketpair()
    with ours, theirs:
        if theirs.family == socket.AF_INET:  # on Windows; small pieces would wait for their turn
            theirs.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        ours.settimeout(30)
        while at < len(data):
            at += theirs.send(data[at : at + min(size, 4096)])
            found += reader.advance(ours.recv_into(reader.target()))
        while len(found) < len(sent):
            found += reader.advance(ours.recv_into(reader.target()))
    assert [Message.of(frame) for frame in found] == sent
