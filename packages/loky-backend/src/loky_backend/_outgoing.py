"""What goes to one worker: an outbox of frames, written as far as the kernel takes them.

Rules:
1. It never blocks and never runs user code; what the kernel does not take stays.
2. Whoever holds `_writing` writes; nobody ever waits for it. A thread that cannot have it leaves
   its frame in the outbox, where the holder finds it (it looks again after letting go).
3. A token goes into the claim channel before its frame goes into the data channel, and a descriptor
   goes with a token.
4. A frame that was taken out of the outbox is sent: without a claim if there is no token to be
   had, by the stream if its segment or the descriptor cannot be.
5. Small frames leave together: one call for their tokens, one for themselves.
"""

from __future__ import annotations

import sys
import threading
from collections import deque

from ._frames import SCRATCH, FrameKind, SegmentUse, encode_frame, encode_placed_frame
from ._pieces import MOST_AT_ONCE, batch_of, drop_sent, first_of, views_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import TypeAlias

    from ._claims import Claims
    from ._encoded import Encoded
    from ._pieces import Buffer
    from ._segments import SegmentPool

    # kind, task, what it carries, whether the worker must claim it
    Entry: TypeAlias = tuple[int, int, "Encoded | bytes | None", bool]


class Outgoing:
    """The sending side of one worker's channels.

    Args:
        receiver: the worker's number.
        channel: non-blocking.
        claims: its tokens.
        segments: where large buffers were placed; None if they go through the stream.

    Attributes:
        outbox: frames that wait; any thread may append.
        blocked: whether the kernel did not take all of what was flushed.
        takes_descriptors: whether the worker reads tokens in the way that catches descriptors.
        closed: whether the worker was given up.
    """

    def __init__(
        self,
        receiver: int,
        channel: socket.socket,
        claims: Claims,
        segments: SegmentPool | None,
    ) -> None:
        self.outbox: deque[Entry] = deque()
        self.blocked = False
        self.takes_descriptors = False
        self.closed = False
        self._receiver = receiver
        self._channel = channel
        self._claims = claims
        self._segments = segments
        self._asked = False  # whether the worker was told to expect descriptors
        self._unsent: list[memoryview] = []  # of whoever holds _writing
        self._writing = threading.Lock()

    def flush(self) -> None:
        """Send what waits, as far as the kernel takes it. Never blocks; any thread."""
        while self.outbox or self.blocked:
            if not self._writing.acquire(blocking=False):
                return  # the holder looks into the outbox again after letting go
            try:
                self.blocked = not self._write_out()
            finally:
                self._writing.release()
            if self.blocked:
                return

    def _write_out(self) -> bool:
        """Write until the outbox is empty (True) or the kernel takes no more (False)."""
        while True:
            try:
                if not self._unsent:
                    if not self.outbox:
                        return True
                    self._unsent = self._next_pieces()
                if self._unsent:
                    self._send_some()
            except BlockingIOError:
                return False
            except OSError:  # EPIPE, ECONNRESET: it is dying; its sentinel tells the reactor
                self._unsent = []
                self.outbox.clear()
                if self.closed and self._segments is not None:
                    self._segments.receiver_died(self._receiver)  # what was lent to it since then
                return True

    def _next_pieces(self) -> list[memoryview]:
        """Make the next frames: several small ones, or one with buffers; send what goes before."""
        batch: list[Entry] = []
        size = 0
        while self.outbox and size < SCRATCH:
            content = self.outbox[0][2]
            if content is None or isinstance(content, bytes):
                size += len(content or b"")
            elif content.buffers:
                break
            else:
                size += len(content.body)
            batch.append(self.outbox.popleft())
        if not batch:
            return self._pieces_of(*self.outbox.popleft())  # type: ignore[arg-type]
        tokens = iter(self._claims.send_for([(task, claim) for _, task, _, claim in batch if task]))
        pieces: list[Buffer] = []
        for kind, task, content, _ in batch:
            body = content if content is None or isinstance(content, bytes) else content.body
            token = next(tokens) if task else -1
            claimed = FrameKind.CLAIMED_TASK if token >= 0 else kind
            pieces += encode_frame(claimed, task, body or b"", token=max(0, token))
        return views_of(pieces if size >= SCRATCH else [b"".join(pieces)])

    def _pieces_of(self, kind: int, task: int, content: Encoded, claim: bool) -> list[memoryview]:
        """Make a frame that has buffers, and send what goes before it."""
        use = self._segment_use(content)
        token = -1
        if claim or (use is not None and use.fresh):
            token = self._send_token(task, use)
        if token < 0:
            if self._claims.under_way:
                self._claims.sent_unclaimed(task)
            if use is not None and use.fresh and self._segments is not None:
                self._segments.not_delivered(use.number, self._receiver)
                use = None
            token = 0
        elif claim:
            kind = FrameKind.CLAIMED_TASK
        body, buffers = content.body, content.buffers
        if use is None:
            return views_of(encode_frame(kind, task, body, buffers, token))
        return views_of(encode_placed_frame(kind, task, body, buffers, use, token=token))

    def _segment_use(self, content: Encoded) -> SegmentUse | None:
        if self._segments is None or not content.large:
            return None
        if not self._asked:
            self._asked = True
            # Goes out after this task, which goes by the stream.
            self.outbox.append((FrameKind.DESCRIPTORS, 0, None, False))
        if not self.takes_descriptors or content.segment is None:
            return None
        number, positions = content.segment
        fresh = self._segments.lend(number, self._receiver)
        return None if fresh is None else SegmentUse(number, positions, fresh)

    def _send_token(self, task: int, use: SegmentUse | None) -> int:
        """Send the token of a task, with the descriptor it needs; -1 if there is none."""
        if use is None or self._segments is None:
            return self._claims.send(task, -1, -1)
        descriptor = self._segments.descriptor(use.number) if use.fresh else -1
        return self._claims.send(task, use.number, descriptor)

    def _send_some(self) -> None:
        unsent = self._unsent
        if len(unsent) == 1 and len(unsent[0]) <= MOST_AT_ONCE:
            sent = self._channel.send(unsent[0])
        elif sys.platform == "win32":
            sent = self._channel.send(first_of(unsent))
        else:
            sent = self._channel.sendmsg(batch_of(unsent))
        drop_sent(unsent, sent)
