"""The reactor: one thread that moves frames for all workers of an owner and notices deaths.

Rules:
1. It never runs user code and never blocks but in `select`. What it calls is the owner's sink,
   which keeps the same rule.
2. It owns the selector. Other threads put a call into its queue and wake it.
3. It never dies silently: an exception goes to the owner's `on_failure`, with the workers killed.
4. A death is told after the last frame: the channel is read to its end first.

Facts:
- A socket whose other end's holders are all dead reads to its end and then gives EOF; a
  grandchild that holds a copy keeps it open, so death is what the sentinel says, not EOF.
- On Windows `select` takes sockets only: there `watch_death` has a thread wait for each worker.
  Channels are TCP connections: what a dead worker sent may still be under way, and then its EOF;
  nobody else holds the channel, since sockets are not inherited.
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections import deque
from contextlib import ExitStack

from ._errors import ProtocolError
from ._events import Event, FrameArrived, TimerFired, WorkerDied, WorkerReady
from ._frames import FrameKind
from ._pairs import make_pair
from ._platform import unwatch_death, watch_death
from ._selecting import make_selector

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ._frames import Frame
    from ._worker import Worker

_NOT_READY = "it was not ready in time: its initializer or its imports hang"
_NOT_DEAD = "it closed its channel and did not end"
_PERMISSION = (b"w", None)  # the byte that wakes, and what ends its sending
_LONGEST_SLEEP = 3600.0  # seconds; epoll_wait(2) counts milliseconds in an int
_MOST_AT_DEATH = 1 << 20  # bytes
# Seconds a worker may take to end after its side of the channel closed, before it is killed.
_GRACE_AFTER_EOF = 1.0
_GRACE_AFTER_DEATH = 1.0  # seconds in which the end of a dead worker's stream has to come


class Reactor:
    """Runs one daemon thread from `start` to `stop`.

    Args:
        sink: called in the reactor's thread once a turn with its events, also with none after a
            `wake`; must not block nor run user code.
        on_failure: called in the reactor's thread with the exception that ended it.
        name: of the thread.
        on_end: called by the thread when the reactor is over and nobody is served by it any more.
    """

    def __init__(
        self,
        sink: Callable[[list[Event]], None],
        on_failure: Callable[[BaseException], None],
        name: str = "loky-reactor",
        on_end: Callable[[], None] | None = None,
    ) -> None:
        self._sink = sink
        self._on_end = on_end
        self._on_failure = on_failure
        with ExitStack() as on_error:  # no descriptor is left
            self._selector = on_error.enter_context(make_selector())
            self._wake_reader, self._wake_writer = map(on_error.enter_context, make_pair())
            self._wake_reader.setblocking(False)
            self._wake_writer.setblocking(False)
            self._selector.register(self._wake_reader, selectors.EVENT_READ, None)
            on_error.pop_all()
        self._calls: deque[Callable[[], None]] = deque()
        self._timers: dict[str, float] = {}
        self._overdue: dict[int, tuple[float, str]] = {}  # when a worker is to be killed, and why
        self._workers: dict[int, Worker] = {}
        self._dead: deque[Worker] = deque()  # told by `watch_death` where `select` cannot
        self._unburied: dict[int, float] = {}  # of these: when a worker is buried at the latest
        self._running = True
        self._permission: deque[bytes | None] = deque(_PERMISSION)
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread.

        Raises:
            RuntimeError: the system has no thread left to give; nothing is left open.
        """
        try:
            self._thread.start()
        except BaseException:
            self._close()
            raise

    def stop(self) -> None:
        """Have the thread end after this turn; workers still there are killed. Any thread."""
        self.call(self._stop)

    def _stop(self) -> None:
        self._running = False

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the thread to end; not from the reactor's own thread. True if it ended."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def disown(self) -> None:
        """Close this process's copies of its descriptors, in a forked copy of the parent.

        Closing the copy of an epoll descriptor takes nothing out of the original's set.
        """
        self._closed = True
        self._selector.close()
        self._wake_reader.close()
        self._wake_writer.close()

    def is_current_thread(self) -> bool:
        """Whether the caller is the reactor's thread."""
        return threading.get_ident() == self._thread.ident

    def call(self, function: Callable[[], None]) -> None:
        """Have a function called in the reactor's thread, soon. Any thread; never blocks."""
        self._calls.append(function)
        self.wake()

    def wake(self) -> None:
        """Make the current or next `select` return at once. Any thread; never blocks."""
        try:
            # One call into C takes the permission to wake and sends the byte: no signal handler
            # can come in between and leave the reactor asleep with the permission gone.
            deque(map(self._wake_writer.send, iter(self._permission.popleft, None)), maxlen=0)
        except (IndexError, OSError):
            pass  # it is being woken already; or it has ended

    def add(self, worker: Worker) -> None:
        """Watch a worker from now on; the reactor closes it when it is dead. Any thread."""
        worker.on_blocked = self._flush_later
        self.call(lambda: self._watch(worker))
        if self._closed:
            worker.close()

    def set_timer(self, key: str, when: float) -> None:
        """Have `TimerFired(key)` told at `time.monotonic() >= when`.

        If the timer is set already, the earlier time counts: calls of several threads may come in
        any order, and a timer that fires too early does no harm.
        """

        def change() -> None:
            self._timers[key] = min(when, self._timers.get(key, when))

        if self.is_current_thread():
            change()
        else:
            self.call(change)

    def _flush_later(self, worker: Worker) -> None:
        """Send the rest of what `worker.flush` left, as its channel takes it. Any thread."""
        self.call(lambda: self._watch_for_write(worker))

    # -- in the reactor's thread ---------------------------------------------------------------

    def _run(self) -> None:
        try:
            while self._running:
                self._turn()
        except BaseException as error:  # noqa: BLE001 - our bug, or no memory: the owner is told
            self._on_failure(error)
        finally:
            self._close()
        if self._on_end is not None:
            self._on_end()

    def _turn(self) -> None:
        ready = self._selector.select(self._time_to_next_timer())
        events: list[Event] = []
        for key, mask in ready:
            if key.data is None:
                self._drain_wakes()
            else:
                worker, role = key.data
                self._serve(worker, role, mask, events)
        self._bury_dead(events)
        self._fire_timers(events)
        while self._calls:
            self._calls.popleft()()
        self._sink(events)

    def _serve(self, worker: Worker, role: str, mask: int, events: list[Event]) -> None:
        if worker.ident not in self._workers:
            return  # buried earlier in this turn
        if role == "sentinel":
            if worker.child.poll():
                self._bury(worker, events)
            return
        if mask & selectors.EVENT_WRITE:
            self._write(worker)
        if mask & selectors.EVENT_READ:
            self._read(worker, events)

    def _bury_dead(self, events: list[Event]) -> None:
        """Bury those a thread told of, each when its stream has ended."""
        while self._dead:
            self._unburied[self._dead.popleft().ident] = time.monotonic() + _GRACE_AFTER_DEATH
        for ident, latest in list(self._unburied.items()):
            worker = self._workers[ident]
            if worker.ended or time.monotonic() >= latest:
                del self._unburied[ident]
                self._bury(worker, events)

    def _time_to_next_timer(self) -> float | None:
        if self._calls or self._dead:
            return 0
        whens = [*self._timers.values(), *(when for when, _ in self._overdue.values())]
        whens += self._unburied.values()
        return min(_LONGEST_SLEEP, max(0.0, min(whens) - time.monotonic())) if whens else None

    def _fire_timers(self, events: list[Event]) -> None:
        if not self._timers and not self._overdue:
            return
        now = time.monotonic()
        for when, key in sorted((when, key) for key, when in self._timers.items()):
            if when <= now:
                del self._timers[key]
                events.append(TimerFired(key))
        for ident in [ident for ident, (when, _) in self._overdue.items() if when <= now]:
            _, reason = self._overdue.pop(ident)
            self._workers[ident].kill(reason)

    def _drain_wakes(self) -> None:
        try:
            self._wake_reader.recv(64)  # there is one byte at most: see `wake`
        except BlockingIOError:
            pass
        # Before the queues are emptied: what is put there from now on sends another byte.
        self._permission.extend(_PERMISSION)

    def _watch(self, worker: Worker) -> None:
        self._workers[worker.ident] = worker
        self._selector.register(worker.socket, selectors.EVENT_READ, (worker, "data"))
        key = (worker, "sentinel")
        watch_death(self._selector, worker.child, key, lambda: self._note_death(worker))
        if worker.start_timeout is not None:
            self._overdue[worker.ident] = time.monotonic() + worker.start_timeout, _NOT_READY
        if worker.wants_write:
            self._watch_for_write(worker)

    def _note_death(self, worker: Worker) -> None:
        """Have a worker buried that is dead. Any thread."""
        self._dead.append(worker)
        self.wake()

    def _watch_for_write(self, worker: Worker) -> None:
        if worker.ident in self._workers and not worker.ended:
            both = selectors.EVENT_READ | selectors.EVENT_WRITE
            self._selector.modify(worker.socket, both, (worker, "data"))

    def _write(self, worker: Worker) -> None:
        worker.flush()
        if not (worker.wants_write or worker.ended):
            self._selector.modify(worker.socket, selectors.EVENT_READ, (worker, "data"))

    def _read(self, worker: Worker, events: list[Event]) -> None:
        self._receive(worker, events)
        if worker.ended:
            self._selector.unregister(worker.socket)
            self._overdue[worker.ident] = time.monotonic() + _GRACE_AFTER_EOF, _NOT_DEAD

    def _receive(self, worker: Worker, events: list[Event]) -> None:
        try:
            for frame in worker.receive():
                self._tell(worker, frame, events)
            if worker.broken is not None:
                raise worker.broken
        except ProtocolError as error:
            worker.kill(f"it sent what is not a frame ({error})")
            worker.ended = True

    def _tell(self, worker: Worker, frame: Frame, events: list[Event]) -> None:
        if frame.kind == FrameKind.READY:
            worker.ready = True
            self._overdue.pop(worker.ident, None)
            events.append(WorkerReady(worker))
        elif frame.kind == FrameKind.FAILURE and frame.task == 0:
            worker.failure = frame.body
        else:
            events.append(FrameArrived(worker, frame))

    def _bury(self, worker: Worker, events: list[Event]) -> None:
        """Deliver what the dead worker had sent, then tell of its death.

        What it left may hold a copy of its channel and write for ever: that is killed, and not
        more is read than the channel can have held when the worker died.
        """
        unwatch_death(self._selector, worker.child)
        if not worker.left_cleanly:
            worker.child.kill_tree()
        if not worker.ended:
            self._selector.unregister(worker.socket)
            room = worker.socket.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
            most = worker.received + max(_MOST_AT_DEATH, 4 * room)
            worker.drained = False
            while not (worker.ended or worker.drained or worker.received > most):
                self._receive(worker, events)
        self._overdue.pop(worker.ident, None)
        del self._workers[worker.ident]
        events.append(WorkerDied(worker, worker.obituary()))
        worker.close()

    def _close(self) -> None:
        # 1. `add` queues a call, then looks at _closed. 2. Here _closed is set, then the queue is
        # emptied. Whichever comes first, a late worker is closed by one of the two.
        self._closed = True
        while self._calls:
            self._calls.popleft()()
        for worker in self._workers.values():
            worker.kill("its executor ended")
            worker.close()
        self._workers.clear()
        self._selector.close()
        self._wake_reader.close()
        self._wake_writer.close()
