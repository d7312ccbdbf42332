"""A worker process as its parent sees it: the child, its private channel, its claim tokens.

Rules:
1. `queue` and `flush` never block and never run user code (how they send: `_outgoing`).
2. `receive` is called by one thread at a time, the reactor's.

Facts:
- unix(7): a descriptor arrives with the byte it was sent with, and is closed by the kernel if that
  byte is read without asking for descriptors. Hence DESCRIPTORS: no descriptor is sent before the
  worker said that it reads tokens in the way that catches them.
"""

from __future__ import annotations

from loky_spawn import ChildFailedError, ChildProcess

from ._claims import Claims
from ._errors import ProtocolError
from ._failures import describe_loss, failure_text
from ._frames import (
    Frame,
    FrameKind,
    FrameReader,
)
from ._obituary import Obituary, clip_failure
from ._oom import oom_kills
from ._outgoing import Outgoing
from ._platform import receive_descriptor
from ._report import Report
from ._segments import SegmentPool, SegmentReader, decode_numbers, encode_numbers

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from ._encoded import Encoded
    from ._pieces import Buffer


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
        self.on_blocked: Callable[[Worker], None] | None = None
        self._confusion: ProtocolError | None = None
        self._claims = Claims(claims)
        self._claim_ends = claims
        self._segments = segments
        self._reader = FrameReader()
        self._mapped = SegmentReader(self._release)
        self._outgoing = Outgoing(ident, data, self._claims, segments)
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
        if kind == FrameKind.STOP:
            self.stopping = True
        self._outgoing.outbox.append((kind, task, content, claim))

    def flush(self) -> None:
        """Send what waits, as far as the kernel takes it. Never blocks; any thread."""
        self._outgoing.flush()
        if self._outgoing.blocked and self.on_blocked is not None:
            self.on_blocked(self)

    @property
    def wants_write(self) -> bool:
        """Whether the kernel did not take all of what was flushed."""
        return self._outgoing.blocked

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
        return self._reader.broken or self._confusion

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
        """Serve a frame about the channel here; complete one whose buffers lie in a segment."""
        if frame.kind < FrameKind.DESCRIPTORS:
            self._report.moved_on = True
            if self._claims.under_way:
                self._claims.passed(frame.task)
            if frame.segment >= 0:
                self._fill(frame)
            return True
        self._serve_channel(frame)
        return False

    def _serve_channel(self, frame: Frame) -> None:
        if frame.kind == FrameKind.DESCRIPTORS:
            self._outgoing.takes_descriptors = True
            if self._segments is not None:
                self._segments.in_use = True
        elif frame.kind == FrameKind.RELEASE:
            if self._segments is not None:
                self._segments.returned(frame.body, self.ident)
        elif frame.kind == FrameKind.SKIPPED:
            if not self._claims.skipped(frame.task):
                self._confusion = ProtocolError(
                    f"it found no token for task {frame.task}, which was not taken back"
                )
        elif frame.kind == FrameKind.FORGET:
            self._mapped.forget(decode_numbers(frame.body))

    def _fill(self, frame: Frame) -> None:
        """Have a frame's buffers from its segment; if that fails it becomes a failure."""
        try:
            self._mapped.fill(frame, self._received_descriptor() if frame.fresh else -1)
        except (OSError, ProtocolError, MemoryError) as error:
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

    def unshare(self, number: int) -> None:
        """Tell the worker that a shared object is gone. Any thread; never blocks."""
        self.queue(FrameKind.UNSHARE, content=encode_numbers([number]))
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
        self._outgoing.closed = True  # before the lent segments are taken back
        self.disown()
        self._mapped.close()
        if self._segments is not None:
            self._segments.receiver_died(self.ident)
        self.child.close(spare_relatives=self.stopping)
