"""What runs in a worker process: read a task, decode, run, encode, answer. One thread, no imports.

Rules:
1. Only plain reads and writes of the private channel: nothing is shared with any other process.
2. No exception of user code ends the loop: it becomes the answer to that task.
3. SIGINT interrupts the running task and nothing else; an answer is never cut by it.

Facts:
- The claim channel's tokens are put there before the frame that needs them; the parent takes a task
  back by reading its token first. Both ends read without blocking, and the kernel gives each
  byte to one reader. No token, or another task's: this one was taken back.
"""

from __future__ import annotations

import faulthandler
import marshal
import sys
from time import perf_counter

from . import _cpython
from ._encoding import decode, encode
from ._failures import describe_failure
from ._frames import Frame, FrameKind, FrameReader, encode_frame
from ._platform import Wire, dump_stacks_on

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from loky_spawn import Handover

    from ._encoded import Encoded
    from ._picklers import Reducers
    from ._worker_segments import WorkerSegments


def main(handover: Handover) -> None:
    """Entry of a worker process (`loky_spawn.spawn`)."""
    settings = marshal.loads(handover.payload)
    if sys.stdout is not None and hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(line_buffering=True)  # what a task prints is seen at once
    if handover.report >= 0:
        faulthandler.enable(file=handover.report)
        dump_stacks_on(settings["dump_signal"], handover.report)
    wire = Wire(handover)
    try:
        _WorkerLoop(wire).run(settings["reducers"], settings["initializer"])
    except (BrokenPipeError, ConnectionAbortedError, ConnectionResetError):
        pass  # the parent gave this worker up; nobody is left to be told anything
    finally:
        wire.close()


class _WorkerLoop:
    """The loop; serves one task after the other until told to stop."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._reader = FrameReader()
        self._held_token = -1  # a token that was read but belongs to a later task
        self._interruptible = False
        self._reducers: Reducers | None = None
        self._segments: WorkerSegments | None = None  # from the first large buffer on
        _cpython.set_interrupt_handler(self._on_interrupt)

    def _on_interrupt(self, _number: int, _frame: FrameType | None) -> None:
        if self._interruptible:
            self._interruptible = False  # once, so that none is raised while this one is handled
            raise KeyboardInterrupt

    def run(self, reducers: bytes | None, initializer: bytes | None) -> None:
        """Initialize, say so, then serve until told to stop or until the parent is gone."""
        if not self._initialize(reducers, initializer):
            return
        self._wire.send(encode_frame(FrameKind.READY))
        for frame in self._frames():
            kind = frame.kind
            if kind == FrameKind.STOP:
                return
            if kind >= FrameKind.DESCRIPTORS:
                self._handle(frame)
            elif (kind == FrameKind.TASK and not frame.fresh) or self._claim(frame.token):
                self._serve(frame)
                if self._segments is not None:
                    self._segments.tell_releases()
            else:
                self._wire.send(encode_frame(FrameKind.SKIPPED, frame.task))

    def _initialize(self, reducers: bytes | None, initializer: bytes | None) -> bool:
        stage = "decode"
        try:
            if reducers is not None:
                from ._settings import apply_settings

                self._reducers = apply_settings(reducers)
            if initializer is not None:
                function, arguments = decode(initializer)
                stage = "run"
                function(*arguments)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the parent tells the user
            failure = describe_failure(error, stage)
            self._wire.send(encode_frame(FrameKind.FAILURE, 0, failure))
            return False
        return True

    def _frames(self) -> Iterator[Frame]:
        reader = self._reader
        while True:
            count = self._wire.receive(reader.target())
            if not count:
                return
            yield from reader.advance(count)

    def _large(self) -> WorkerSegments:
        """What moves large buffers; imported when the first of them comes."""
        if self._segments is None:
            from ._worker_segments import WorkerSegments

            self._segments = WorkerSegments(self._wire)
        return self._segments

    def _handle(self, frame: Frame) -> None:
        if frame.kind == FrameKind.UNSHARE:
            if "loky_backend._sharing" in sys.modules:  # else it was never used here
                sys.modules["loky_backend._sharing"].forget(frame.body)
            return
        try:
            self._large().handle(frame)
        except (OSError, ImportError) as error:  # a task has used up all descriptors
            if isinstance(error, (BrokenPipeError, ConnectionResetError)):
                raise

    def _send_large(self, task: int, answer: Encoded, times: tuple[float, float, float]) -> None:
        try:
            segments = self._large()
        except (OSError, ImportError):  # as above
            body, buffers = answer.body, answer.buffers
            self._wire.send(encode_frame(FrameKind.RESULT, task, body, buffers, times=times))
        else:
            segments.send_result(task, answer, times)

    def _claim(self, token: int) -> bool:
        """Say whether the task with this token is still ours; take the token if so."""
        if self._held_token < 0:
            self._held_token = self._wire.next_token()
        if self._held_token != token:
            return False
        self._held_token = -1
        return True

    def _serve(self, frame: Frame) -> None:
        stage = "decode"
        begun = decoded = ran = perf_counter()
        try:
            try:
                if frame.segment >= 0:
                    self._large().fill(frame)
                self._interruptible = True
                function, args, kwargs = decode(frame.body, frame.buffers)
                frame.body = b""
                frame.buffers = []
                stage = "run"
                decoded = ran = perf_counter()
                value = function(*args, **kwargs)
                stage = "encode"
                ran = perf_counter()
                answer = encode(value, self._reducers)
            finally:
                self._interruptible = False
        except BaseException as error:  # noqa: BLE001 - it is the answer to this task
            # The stage that failed took until now; not told by equal readings, which a coarse clock
            # also gives for a task that was done at once.
            if stage == "decode":
                decoded = ran = perf_counter()
            elif stage == "run":
                ran = perf_counter()
            body = describe_failure(error, stage)
            times = (decoded - begun, ran - decoded, perf_counter() - ran)
            self._wire.send(encode_frame(FrameKind.FAILURE, frame.task, body, times=times))
            return
        times = (decoded - begun, ran - decoded, perf_counter() - ran)
        if answer.large:
            self._send_large(frame.task, answer, times)
        else:
            body, buffers = answer.body, answer.buffers
            pieces = encode_frame(FrameKind.RESULT, frame.task, body, buffers, times=times)
            self._wire.send(pieces)
