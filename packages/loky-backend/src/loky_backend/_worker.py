"""A worker process as its parent sees it: the child, its private channel, its claim tokens.

Rules:
1. `queue` and `flush` never block and never run user code; what the kernel does not take stays.
2. Whoever holds `_writing` writes; nobody ever waits for it. A thread that cannot have it leaves
   its frame in the outbox, where the holder finds it (it looks again after letting go).
3. A token goes into the claim channel before its frame goes into the data channel, and a descriptor
   goes with a token.
4. A frame that was taken out of the outbox is sent: without a claim if there is no token to be
   had, by the stream if its segment or the descriptor cannot be.
5. `receive` is called by one thread at a time, the reactor's.

Facts:
- unix(7): a descriptor arrives with the byte it was sent with, and is closed by the kernel if that
  byte is read without asking for descriptors. Hence DESCRIPTORS: no descriptor is sent before the
  worker said that it reads tokens in the way that catches them.
"""

from __future__ import annotations

import sys
import threading
from collections import deque

from loky_spawn import ChildFailedError, ChildProcess

from ._claims import Claims
from ._errors import ProtocolError
from ._failures import describe_loss, failure_text
from ._frames import (
    Frame,
    FrameKind,
    FrameReader,
    SegmentUse,
    encode_frame,
    encode_placed_frame,
)
from ._obituary import Obituary, clip_failure
from ._oom import oom_kills
from ._pieces import MOST_AT_ONCE, batch_of, drop_sent, views_of
from ._platform import receive_descriptor
from ._report import Report
from ._segments import SegmentPool, SegmentReader, decode_numbers, encode_numbers

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from typing import TypeAlias

    from ._encoded import Encoded
    from ._pieces import Buffer

    Entry: TypeAlias = tuple[int, int, "Encoded | bytes | None", bool]


_READS_PER_TURN = 16


class Worker:
    """One worker: start it with `start_worker`, add it to a `Reactor`, send it tasks.

    Attributes:
        ident: the number its owner gave it; must not be 0.
        name: for messages.
        child: the process.
        socket: the parent's end of the data channel; non-blocking.
        ready: whether it said that it is ready for tasks.
        stopping: whether it was told to stop.
        reason: why the parent ended it, "" if it did not.
        failure: what its failed initializer raised, as the body of a FAILURE frame.
        start_timeout: seconds after which the reactor kills it unless it is ready; None for never.
        received: bytes read from it so far.
        peak_memory: bytes of its own it was seen with at most; its owner may set it.
        on_blocked: called with the worker when `flush` left something; the reactor sets it.
    """

    def __init__(
        self,
        ident: int,
        child: ChildProcess,
        data: socket.socket,
        claims: tuple[socket.socket, ...],
        segments: SegmentPool | None,
        *,
        start_timeout: float | None = None,
    ) -> None:
        self.ident = ident
        self.name = child.name
        self.child = child
        self.socket = data
        self.ready = False
        self.stopping = False
        self.ended = False  # the stream is at its end, or broken
        self.drained = False  # the last `receive` left nothing unread
        self.reason = ""
        self.failure: Buffer | None = None
        self.start_timeout = start_timeout
        self.received = 0
        self.peak_memory: int | None = None
        self._oom_kills = oom_kills()
        self.wants_write = False
        self.on_blocked: Callable[[Worker], None] | None = None
        self._claims = Claims(claims)
        self._claim_ends = claims
        self._segments = segments
        self._takes_descriptors = False
        self._asked_for_descriptors = False
        self._reader = FrameReader()
        self._mapped = SegmentReader(self._release)
        self._outbox: deque[Entry] = deque()
        self._unsent: list[memoryview] = []  # of whoever holds _writing
        self._writing = threading.Lock()
        self._closed = False
        self._report = Report(child)

    # -- to the worker -----------------------------------------------------------------------

    def queue(
        self, kind: int, task: int = 0, content: Encoded | bytes | None = None, claim: bool = False
    ) -> None:
        """Put a frame into the outbox; `flush` sends it. Any thread; takes no lock.

        Args:
            kind: one of `FrameKind`.
            task: the task's id.
            content: what it carries.
            claim: the worker must claim the task before it runs it, so `take_back` can have it.
        """
        self.stopping = self.stopping or kind == FrameKind.STOP
        self._outbox.append((kind, task, content, claim))

    def flush(self) -> None:
        """Send what waits, as far as the kernel takes it. Never blocks; any thread."""
        while self._outbox or self.wants_write:
            if not self._writing.acquire(blocking=False):
                return  # the holder looks into the outbox again after letting go
            try:
                self.wants_write = not self._write_out()
            finally:
                self._writing.release()
            if self.wants_write:
                if self.on_blocked is not None:
                    self.on_blocked(self)
                return

    def _write_out(self) -> bool:
        """Write until the outbox is empty (True) or the kernel takes no more (False)."""
        while True:
            try:
                if not self._unsent:
                    try:
                        entry = self._outbox.popleft()
                    except IndexError:
                        return True
                    self._unsent = self._pieces_of(*entry)
                if self._unsent:
                    self._send_some()
            except BlockingIOError:
                return False
            except OSError:  # EPIPE, ECONNRESET: it is dying; its sentinel tells the reactor
                self._unsent = []
                self._outbox.clear()
                if self._closed and self._segments is not None:
                    self._segments.receiver_died(self.ident)  # what was lent to it since then
                return True

    def _pieces_of(
        self, kind: int, task: int, content: Encoded | bytes | None, claim: bool
    ) -> list[memoryview]:
        """Make a frame, and send what goes before it."""
        if content is None or isinstance(content, bytes):
            return views_of(encode_frame(kind, task, content or b""))
        use = self._segment_use(content)
        token = -1
        if claim or (use is not None and use.fresh):
            token = self._send_token(task, use)
        if token < 0:
            if self._claims.under_way:
                self._claims.sent_unclaimed(task)
            if use is not None and use.fresh and self._segments is not None:
                self._segments.not_delivered(use.number, self.ident)
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
        if not self._asked_for_descriptors:
            self._asked_for_descriptors = True
            self.queue(FrameKind.DESCRIPTORS)  # goes out after this task, which goes by stream
        if not self._takes_descriptors or content.segment is None:
            return None
        number, positions = content.segment
        fresh = self._segments.lend(number, self.ident)
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
            sent = self.socket.send(unsent[0])
        elif sys.platform == "win32":
            sent = self.socket.send(batch_of(unsent)[0])
        else:
            sent = self.socket.sendmsg(batch_of(unsent))
        drop_sent(unsent, sent)

    def take_back(self) -> list[int]:
        """Take back the claimed tasks that the worker has not begun; return their ids.

        It will not run them. Never blocks; works while the worker is deep in C code; any thread.
        """
        tasks = []
        for task, lent in self._claims.take_back():
            tasks.append(task)
            if lent >= 0 and self._segments is not None:
                self._segments.not_delivered(lent, self.ident)
        return tasks

    # -- from the worker ---------------------------------------------------------------------

    @property
    def broken(self) -> ProtocolError | None:
        """Why what it sends is not believed any more, None while it is."""
        return self._reader.broken

    def receive(self) -> list[Frame]:
        """Read what has arrived, some; return the frames that are complete and the owner's.

        Raises:
            ProtocolError: the worker sent something that is not a frame. What it sent before that
                is returned first; `broken` is set then, and the next call raises.
        """
        frames: list[Frame] = []
        self.drained = False
        try:
            for _ in range(_READS_PER_TURN):
                target = self._reader.target()
                try:
                    count = self.socket.recv_into(target)
                except BlockingIOError:
                    self.drained = True
                    break
                except OSError:  # ECONNRESET: it died with unread data of ours
                    count = 0
                if not count:
                    self.ended = True
                    break
                self.received += count
                frames += [f for f in self._reader.advance(count) if self._is_for_owner(f)]
                if count < len(target):
                    break
        except ProtocolError:
            if not frames:
                raise
        return frames

    def _is_for_owner(self, frame: Frame) -> bool:
        """Serve a frame about segments here; complete one whose buffers lie in a segment."""
        if frame.kind < FrameKind.DESCRIPTORS:
            self._report.moved_on = True
            if self._claims.under_way:
                self._claims.passed(frame.task)
            if frame.segment >= 0:
                self._fill(frame)
            return True
        if frame.kind == FrameKind.DESCRIPTORS:
            self._takes_descriptors = True
            if self._segments is not None:
                self._segments.in_use = True
        elif frame.kind == FrameKind.RELEASE:
            if self._segments is not None:
                self._segments.returned(frame.body, self.ident)
        else:
            self._mapped.forget(decode_numbers(frame.body))
        return False

    def _fill(self, frame: Frame) -> None:
        """Have a frame's buffers from its segment; if that fails it becomes a failure."""
        try:
            self._mapped.fill(frame, self._received_descriptor() if frame.fresh else -1)
        except (OSError, ProtocolError) as error:
            frame.kind = FrameKind.FAILURE
            frame.body = describe_loss(frame.task, error)
            frame.buffers = []

    def _received_descriptor(self) -> int:
        """Take the descriptor that the worker sent before its frame."""
        try:
            return receive_descriptor(self._claim_ends[0])[1]
        except (OSError, IndexError):  # none came, or there is no channel for them
            return -1

    def _release(self, number: int) -> None:
        # A finalizer, in any thread: Ctrl-C could strike there in the middle of a `flush`.
        self.queue(FrameKind.RELEASE, content=encode_numbers([number]))
        self._flush_soon()

    def forget(self, number: int) -> None:
        """Tell the worker that a segment of ours is closed. Any thread; never blocks."""
        self.queue(FrameKind.FORGET, content=encode_numbers([number]))
        self._flush_soon()

    def _flush_soon(self) -> None:
        if self.on_blocked is not None:
            self.on_blocked(self)
        else:
            self.flush()

    # -- its end -----------------------------------------------------------------------------

    def kill(self, reason: str) -> None:
        """End the process at once; remember why. Any thread; never blocks."""
        self.reason = self.reason or reason
        self.child.kill()

    def dump_stacks(self) -> None:
        """Have the worker write its Python stacks into its report, even while it holds the GIL.

        Does not wait: it takes a moment until `stacks` has them. Nothing on Windows, nor before
        the worker is ready: until then it may not know the signal, which would end it. What an
        earlier dump left is wiped out. Any thread.
        """
        if self.ready:
            self._report.ask()

    def stacks(self) -> str:
        """Return the stacks that the worker has written into its report so far."""
        return self._report.stacks()

    def _struck_by_oom_killer(self) -> bool | None:
        if self.reason or self.child.exitcode != -9 or self._oom_kills is None:
            return None
        kills = oom_kills()
        return None if kills is None else kills > self._oom_kills

    def obituary(self) -> Obituary:
        """Return how it died. Only for a dead worker, before `close`."""
        failure, stacks = "", self._report.stacks_of_death(ended_by_parent=bool(self.reason))
        try:
            self.child.check(0)
        except ChildFailedError as error:
            failure = error.traceback
            if failure:
                stacks = ""
        if self.failure is not None:
            failure, stacks = failure_text(self.failure), ""
        stage = "stopping" if self.stopping else "running" if self.ready else "starting"
        return Obituary(
            pid=self.child.pid,
            name=self.name,
            exitcode=self.child.exitcode,
            stage=stage,
            stacks=stacks,
            reason=self.reason,
            oom=self._struck_by_oom_killer(),
            peak_memory=self.peak_memory,
            failure=clip_failure(failure),
        )

    def disown(self) -> None:
        """Close this process's copies of the channels, in a forked copy of the parent."""
        self.socket.close()
        for end in self._claim_ends:
            end.close()

    @property
    def left_cleanly(self) -> bool:
        """Whether it is dead because it was told to stop, and so did."""
        return self.stopping and self.child.exitcode == 0

    def close(self) -> None:
        """Give everything back; kills the process if it still runs. Idempotent.

        What its tasks started ends with it, unless it was told to stop and exited with code 0.
        """
        self._closed = True  # before the lent segments are taken back: see `_write_out`
        self.disown()
        self._mapped.close()
        if self._segments is not None:
            self._segments.receiver_died(self.ident)
        self.child.close(spare_relatives=self.stopping)
