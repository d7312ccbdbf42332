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
import os

from . import _cpython
from ._encoding import Encoded, decode, encode
from ._failures import describe_failure
from ._frames import Frame, FrameKind, FrameReader, encode_frame

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from loky_spawn import Handover

    from ._frames import Buffer

_MOST_PIECES = 512  # IOV_MAX is 1024 on Linux and macOS; less is safe elsewhere


def main(handover: Handover) -> None:
    """Entry of a worker process (`loky_spawn.spawn`)."""
    settings = marshal.loads(handover.payload)
    if handover.report >= 0:
        faulthandler.enable(file=handover.report)
        if settings["dump_signal"]:
            faulthandler.register(settings["dump_signal"], file=handover.report, chain=False)
    try:
        _WorkerLoop(*handover.descriptors).run(settings["initializer"])
    except (BrokenPipeError, ConnectionResetError):
        pass  # the parent gave this worker up; nobody is left to be told anything


class _WorkerLoop:
    """The loop; owns the two descriptors of this worker."""

    def __init__(self, data: int, claims: int) -> None:
        self._data = data
        self._claims = claims
        self._reader = FrameReader()
        self._held_token = -1  # a token that was read but belongs to a later task
        self._interruptible = False
        _cpython.set_interrupt_handler(self._on_interrupt)

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        if self._interruptible:
            self._interruptible = False  # once, so that none is raised while this one is handled
            raise KeyboardInterrupt

    def run(self, initializer: bytes | None) -> None:
        """Initialize, say so, then serve until told to stop or until the parent is gone."""
        if initializer is not None and not self._initialize(initializer):
            return
        self._send(encode_frame(FrameKind.READY))
        for frame in self._frames():
            if frame.kind == FrameKind.STOP:
                return
            if frame.kind == FrameKind.TASK or (frame.kind == FrameKind.CLAIMED_TASK and self._claim(frame.token)):
                self._serve(frame)

    def _initialize(self, encoded: bytes) -> bool:
        stage = "decode"
        try:
            function, arguments = decode(encoded)
            stage = "run"
            function(*arguments)
        except BaseException as error:
            self._send(encode_frame(FrameKind.FAILURE, 0, describe_failure(error, stage)))
            return False
        return True

    def _frames(self) -> Iterator[Frame]:
        reader = self._reader
        while True:
            count = os.readv(self._data, [reader.target()])
            if not count:
                return
            yield from reader.advance(count)

    def _claim(self, token: int) -> bool:
        """Say whether the task with this token is still ours; take the token if so."""
        if self._held_token < 0:
            try:
                self._held_token = os.read(self._claims, 1)[0]
            except (BlockingIOError, IndexError):  # no token is there, or the parent is gone
                return False
        if self._held_token != token:
            return False
        self._held_token = -1
        return True

    def _serve(self, frame: Frame) -> None:
        stage = "decode"
        try:
            try:
                self._interruptible = True
                function, args, kwargs = decode(frame.body, frame.buffers)
                frame.body = b""
                frame.buffers = []
                stage = "run"
                value = function(*args, **kwargs)
                stage = "encode"
                answer = encode(value)
            finally:
                self._interruptible = False
        except BaseException as error:
            failure = describe_failure(error, stage)
            self._send(encode_frame(FrameKind.FAILURE, frame.task, failure))
        else:
            self._send(encode_frame(FrameKind.RESULT, frame.task, answer.body, answer.buffers))

    def _send(self, pieces: list[Buffer]) -> None:
        if len(pieces) == 1:
            data = pieces[0]
            sent = os.write(self._data, data)
            if sent == len(data):
                return
            pieces = [memoryview(data)[sent:]]
        views = [memoryview(piece).cast("B") for piece in pieces if len(piece)]
        while views:
            sent = os.writev(self._data, views[:_MOST_PIECES])
            while views and sent >= len(views[0]):
                sent -= len(views.pop(0))
            if sent:
                views[0] = views[0][sent:]
