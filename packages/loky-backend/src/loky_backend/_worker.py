"""A worker process as its parent sees it: the child, its private channel, its claim tokens.

Rules:
1. `send` never blocks and never runs user code; what the kernel does not take stays in the outbox.
2. Whoever holds `_writing` writes; nobody ever waits for it. A thread that cannot have it leaves
   its frame in the outbox, where the holder finds it (it looks again after letting go).
3. A token goes into the claim channel before its frame goes into the data channel.
4. `receive` is called by one thread at a time, the reactor's.
"""

from __future__ import annotations

import marshal
import signal
import socket
import sys
import threading
from collections import deque
from contextlib import ExitStack, suppress

from loky_spawn import ChildFailedError, ChildProcess, spawn

from ._failures import failure_text
from ._frames import Frame, FrameReader
from ._obituary import Obituary, clip_stacks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ._frames import Buffer

_ENTRY = "loky_backend._worker_main:main"
_READS_PER_TURN = 16
_PIECES_PER_SEND = 512


class Worker:
    """One worker: start it with `start_worker`, add it to a `Reactor`, send it frames.

    Attributes:
        ident: the number its owner gave it.
        name: for messages.
        child: the process.
        socket: the parent's end of the data channel; non-blocking.
        ready: whether it said that it is ready for tasks.
        stopping: whether it was told to stop.
        reason: why the parent ended it, "" if it did not.
        failure: the traceback of its failed initializer, as a FAILURE frame's body.
    """

    def __init__(
        self,
        ident: int,
        child: ChildProcess,
        data: socket.socket,
        claims: tuple[socket.socket, ...],
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
        self.wants_write = False
        self._claims = claims  # ours to write to, and a copy of the worker's end to take back from
        self._reader = FrameReader()
        self._outbox: deque[tuple[int, Sequence[Buffer]]] = deque()
        self._unsent: list[memoryview] = []  # of whoever holds _writing
        self._writing = threading.Lock()

    def queue(self, pieces: Sequence[Buffer], token: int = -1) -> None:
        """Put a frame into the outbox; `flush` sends it. Any thread; takes no lock."""
        self._outbox.append((token, pieces))

    def send(self, pieces: Sequence[Buffer], token: int = -1) -> bool:
        """Send a frame; `token` claims it (-1 for none). Never blocks; any thread.

        Returns:
            False if a part of it has to wait until the channel takes more: call `flush` then.
        """
        self.queue(pieces, token)
        return self.flush()

    def flush(self) -> bool:
        """Send what waits, as far as the kernel takes it; False if something is left."""
        while self._outbox or self.wants_write:
            if not self._writing.acquire(blocking=False):
                return True  # the holder looks into the outbox again after letting go
            try:
                self.wants_write = not self._write_out()
            finally:
                self._writing.release()
            if self.wants_write:
                return False
        return True

    def _write_out(self) -> bool:
        while True:
            if not self._unsent:
                try:
                    token, pieces = self._outbox.popleft()
                except IndexError:
                    return True
                if token >= 0:
                    self._claims[0].send(bytes((token,)))
                self._unsent = [memoryview(piece).cast("B") for piece in pieces if len(piece)]
            try:
                self._send_some()
            except BlockingIOError:
                return False
            except OSError:  # EPIPE, ECONNRESET: it is dying; its sentinel tells the reactor
                self._unsent = []
                self._outbox.clear()
                return True

    def _send_some(self) -> None:
        unsent = self._unsent
        if len(unsent) == 1 or sys.platform == "win32":
            sent = self.socket.send(unsent[0])
        else:
            sent = self.socket.sendmsg(unsent[:_PIECES_PER_SEND])
        while unsent and sent >= len(unsent[0]):
            sent -= len(unsent.pop(0))
        if sent:
            unsent[0] = unsent[0][sent:]

    def take_back(self) -> list[int]:
        """Take unread tokens out of the claim channel; return them. The worker will not run these.

        Never blocks; works while the worker is deep in C code. Any thread.
        """
        tokens: list[int] = []
        if len(self._claims) == 2:
            with suppress(BlockingIOError, OSError):
                while data := self._claims[1].recv(256):
                    tokens.extend(data)
        return tokens

    def receive(self) -> list[Frame]:
        """Read what has arrived, some; return the frames that are complete.

        Raises:
            ProtocolError: the worker sent something that is not a frame.
        """
        frames: list[Frame] = []
        self.drained = False
        for _ in range(_READS_PER_TURN):
            target = self._reader.target()
            try:
                count = self.socket.recv_into(target)
            except BlockingIOError:
                self.drained = True
                break
            except OSError:  # ECONNRESET: it died with unread data of ours
                self.ended = True
                break
            if not count:
                self.ended = True
                break
            frames += self._reader.advance(count)
            if count < len(target):
                break
        return frames

    def kill(self, reason: str) -> None:
        """End the process and what it started, at once; remember why. Any thread."""
        self.reason = self.reason or reason
        self.child.kill()

    def obituary(self) -> Obituary:
        """Return how it died. Only for a dead worker, before `close`."""
        failure, stacks = "", self.child.report().decode("utf-8", "replace")
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
            stacks=clip_stacks(stacks),
            reason=self.reason,
            failure=failure,
        )

    def close(self) -> None:
        """Give everything back; kills the process if it still runs. Idempotent."""
        self.socket.close()
        for end in self._claims:
            end.close()
        self.child.close()


def start_worker(
    ident: int,
    *,
    initializer: bytes | None = None,
    env: Mapping[str, str | None] | None = None,
    name: str | None = None,
) -> Worker:
    """Start a worker process.

    Args:
        ident: a number of the caller's choice; names the worker in events.
        initializer: `encode((function, arguments)).body` to be called before the first task; None
            for none.
        env: changes to its environment (`loky_spawn.spawn`).
        name: for messages; None means ``"worker-IDENT"``.

    Returns:
        The worker, starting. Tasks may be sent at once.

    Raises:
        loky_spawn.SpawnError: it could not be started; nothing is left open.

    Blocks for about a millisecond; any thread.
    """
    settings = marshal.dumps({"initializer": initializer, "dump_signal": _dump_signal()})
    with ExitStack() as on_error, ExitStack() as always:
        ends: list[socket.socket] = []
        for _ in ("data", "claims"):
            for end in socket.socketpair():
                on_error.callback(end.close)
                ends.append(end)
        data, childs_data, claims, childs_claims = ends
        always.callback(childs_data.close)
        data.setblocking(False)
        claims.setblocking(False)
        childs_claims.setblocking(False)
        child = spawn(
            _ENTRY,
            payload=settings,
            channels=(childs_data, childs_claims),
            env=env,
            name=name or f"worker-{ident}",
        )
        on_error.pop_all()
    return Worker(ident, child, data, (claims, childs_claims))


def _dump_signal() -> int:
    """The signal on which a worker writes its stacks: one that user code hardly ever uses."""
    if sys.platform == "win32":
        return 0
    return getattr(signal, "SIGRTMAX", signal.SIGUSR2 + 1) - 1
