"""Large buffers in a worker: mapping those of tasks, placing those of results.

Imported with the first large buffer, since a worker that never sees one need not pay for it.
"""

from __future__ import annotations

from collections import deque

from ._frames import FrameKind, SegmentUse, encode_frame, encode_placed_frame
from ._segments import SegmentPool, SegmentReader, decode_numbers, encode_numbers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._encoded import Encoded
    from ._frames import Frame
    from ._platform import Wire

_PARENT = 0  # the one receiver of a worker's segments
_SELF = "self"


class WorkerSegments:
    """Both directions of one worker; used by its one thread, but for finalizers."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._released: deque[int] = deque()  # filled by finalizers, which may strike anywhere
        self._mapped = SegmentReader(self._released.append)
        self._placed = SegmentPool(self._forget)
        self._placed.in_use = True

    def fill(self, frame: Frame) -> None:
        """Map the buffers of a task that lie in a segment of the parent's."""
        descriptor = self._wire.descriptor_of(frame.token) if frame.fresh else -1
        self._mapped.fill(frame, descriptor)

    def handle(self, frame: Frame) -> None:
        """Serve a frame about segments."""
        if frame.kind == FrameKind.DESCRIPTORS:
            self._wire.expect_descriptors()
            self._wire.send(encode_frame(FrameKind.DESCRIPTORS))
        elif frame.kind == FrameKind.RELEASE:
            self._placed.returned(frame.body, _PARENT)
        else:
            self._mapped.forget(decode_numbers(frame.body))

    def send_result(self, task: int, answer: Encoded, times: tuple[float, float, float]) -> None:
        """Send a result with large buffers: beside the stream if possible."""
        body, buffers = answer.body, answer.buffers
        place = self._placed.place(buffers, _SELF)
        if place is None:
            self._wire.send(encode_frame(FrameKind.RESULT, task, body, buffers, times=times))
            return
        number, positions = place
        fresh = bool(self._placed.lend(number, _PARENT))
        if fresh and not self._wire.send_descriptor(self._placed.descriptor(number)):
            self._placed.not_delivered(number, _PARENT)
            pieces = encode_frame(FrameKind.RESULT, task, body, buffers, times=times)
        else:
            use = SegmentUse(number, positions, fresh)
            pieces = encode_placed_frame(FrameKind.RESULT, task, body, buffers, use, times=times)
        self._placed.release(number, _SELF)
        self._wire.send(pieces)

    def tell_releases(self) -> None:
        """Tell the parent which of its segments are not used here any more."""
        if self._released:
            numbers = []
            while self._released:
                numbers.append(self._released.popleft())
            self._wire.send(encode_frame(FrameKind.RELEASE, 0, encode_numbers(numbers)))

    def _forget(self, _receiver: int, number: int) -> None:
        self._wire.send(encode_frame(FrameKind.FORGET, 0, encode_numbers([number])))
