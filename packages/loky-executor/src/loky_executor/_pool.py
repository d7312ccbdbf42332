"""The pool behind an executor: it feeds the scheduler with events and carries out its effects.

    submit ─► post ─► Machine.handle ─► effects ─► outbox of a worker ─► socket
                ▲                                                          │
                └────────── reactor thread ◄───────── frames, deaths ◄─────┘

Rules:
1. The machine is touched by the thread that holds the turn. Under the turn nothing blocks, no I/O
   is done and no user code is called; a finalizer or a signal handler that strikes there and comes
   back to `post` leaves its event in the inbox, which the holder empties.
2. The order of frames to a worker is the order of decisions: `Send` and `Stop` go into its outbox
   under the turn, and are written to the socket after it.
3. Encoding (user code) runs in the thread that submits, or in the feeder; never in the reactor.
4. An exception under the turn breaks the pool: no future may wait for a scheduler that is lost.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from typing import Any

from loky_backend import (
    Encoded,
    Event,
    FrameArrived,
    FrameKind,
    Reactor,
    SegmentPool,
    TimerFired,
    WorkerDied,
    WorkerReady,
    encode,
    start_worker,
)

from . import _effects as do
from . import _events as on
from ._callbacks import Callback, callback_runner
from ._future import EncodedFailure, EncodedResult, TaskFuture
from ._machine import Machine, Status
from ._seats import Seats
from ._workshop import Workshop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_numbers = itertools.count(1)


class Record:
    """A task: what to call, the future it answers, its bytes while they are needed."""

    __slots__ = ("begun", "call", "encoded", "future")

    def __init__(self, call: tuple[Any, ...], future: TaskFuture[Any]) -> None:
        self.call: tuple[Any, ...] | None = call
        self.future = future
        self.encoded: Encoded | None = None
        self.begun = False

    def begin(self) -> bool:
        """Mark the future as running; False if it was cancelled. Again after a retry: no matter."""
        self.begun = self.begun or self.future.set_running_or_notify_cancel()
        return self.begun


class Pool:
    """All state of one executor but the face it shows; threads hold this, never the executor.

    Attributes:
        callbacks: runs the done-callbacks of this pool's futures.
        ended: set when every worker is gone and everything was given back.
    """

    def __init__(
        self,
        max_workers: int,
        *,
        idle_timeout: float | None,
        initializer: bytes | None,
        env: Mapping[str, str | None] | None,
    ) -> None:
        number = next(_numbers)
        self.name = f"loky-{number}"
        self.ended = threading.Event()
        self.callbacks = callback_runner(f"{self.name}-callbacks")
        self.failure: BaseException | None = None
        self._initializer = initializer
        self._env = env
        self._machine = Machine(max_workers)
        self._machine.idle_timeout = idle_timeout
        self._records: dict[int, Record] = {}
        self._task_numbers = itertools.count(1)
        self._inbox: deque[on.Event] = deque()
        self._turn = threading.Lock()  # see rule 1; held for microseconds
        self._holder = 0  # the thread that has the turn, or had it last
        self._feeder: Workshop[int] = Workshop(f"{self.name}-feeder", self._encode_and_post)
        self._launcher: Workshop[int] = Workshop(f"{self.name}-launcher", self._launch)
        self._reactor = Reactor(self._on_events, self._on_reactor_failure, f"{self.name}-reactor")
        self._seats = Seats(self._reactor)
        self._segments = SegmentPool(self._seats.forget_segment)
        self.forked = False
        self._reactor.start()

    # -- what the executor asks for ------------------------------------------------------------

    @property
    def status(self) -> Status:
        """Open, closing or broken; may be outdated when it is read."""
        return Status.CLOSING if self.forked else self._machine.status

    @property
    def max_workers(self) -> int:
        """The most workers it may have."""
        return self._machine.max_workers

    def submit(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Any) -> Any:
        """Take a task and return its future."""
        task = next(self._task_numbers)
        future: TaskFuture[Any] = TaskFuture(self, task)
        self._records[task] = Record((function, args, kwargs), future)
        self.post(on.Submit(task))
        return future

    def dropped(self, task: int) -> None:
        """Take note that the future of a task was cancelled."""
        self._take(task)
        self.post(on.Dropped(task))

    def kill_task(self, task: int) -> None:
        """Have a task ended, also if it runs."""
        self.post(on.KillTask(task))

    def run_callback(self, callback: Callback) -> None:
        """Have a done-callback called soon, on the callback thread."""
        self.callbacks.put(callback)

    def processes(self) -> dict[int, Any]:
        """Return pid -> child process of the workers there are now."""
        return {worker.child.pid: worker.child for worker in self._seats.workers()}

    def counts(self) -> tuple[int, int, int]:
        """Return (busy, idle or starting, waiting): workers, workers, tasks; a rough snapshot."""
        states = list(self._machine.workers.values())
        busy = sum(bool(state.assigned) for state in states)
        return busy, len(states) - busy, max(0, len(self._machine.tasks) - busy)

    def join(self) -> None:
        """Wait until everything is given back; not from the pool's own threads."""
        self.ended.wait()
        for part in (self._reactor, self._launcher, self._feeder, self.callbacks):
            part.join()

    def abandon(self) -> None:
        """Close after the last task; what the garbage collector calls, so it takes no lock."""
        if not (self.forked or self.ended.is_set()):
            self._reactor.call(lambda: self.post(on.Shutdown()))

    def disown(self) -> None:
        """Become unusable, in a forked copy of the process: threads and workers are not its."""
        self.forked = True
        self.ended.set()

    def in_own_thread(self) -> bool:
        """Whether the caller is a thread of this pool, which must not wait for its end."""
        return threading.current_thread().name.startswith(f"{self.name}-")

    # -- events in, effects out ----------------------------------------------------------------

    def post(self, event: on.Event) -> None:
        """Give an event to the scheduler and carry out what it decides. Never blocks for long."""
        self._inbox.append(event)
        if self._turn.locked() and self._holder == threading.get_ident():
            return  # struck within our own turn: the frame below empties the inbox
        while self._inbox:
            self._perform(self._decide())

    def _decide(self) -> list[do.Effect]:
        effects: list[do.Effect] = []
        with self._turn:
            self._holder = threading.get_ident()
            try:
                now = time.monotonic()
                while self._inbox:
                    effects += self._staged(self._machine.handle(self._inbox.popleft(), now))
            except BaseException as error:
                self.failure = self.failure or error
                effects += self._machine.handle(on.ParentFailed(), time.monotonic())
                if not isinstance(error, Exception):
                    self._perform(effects)
                    raise
            finally:
                self._holder = 0
        return effects

    def _staged(self, effects: list[do.Effect]) -> list[do.Effect]:
        """Put what goes to workers into their outboxes, in the order of decisions."""
        for effect in effects:
            match effect:
                case do.Spawn(worker):
                    self._seats.reserve(worker)
                case do.Send(worker, task, claim):
                    record = self._records.get(task)
                    if record is not None and record.begin():
                        self._seats.stage(worker, (FrameKind.TASK, task, record.encoded, claim))
                    else:
                        self._inbox.append(on.Dropped(task))
                case do.Stop(worker):
                    self._seats.stage(worker, (FrameKind.STOP, 0, None, False))
                case _:
                    pass
        return effects

    def _perform(self, effects: list[do.Effect]) -> None:  # noqa: C901 - one line for each effect
        for effect in effects:
            match effect:
                case do.Send(worker) | do.Stop(worker):
                    self._seats.flush(worker)
                case do.Encode(task):
                    if self.in_own_thread():
                        self._feeder.put(task)
                    else:
                        self._encode_and_post(task)
                case do.Spawn(worker):
                    self._launcher.put(worker)
                case do.Recall(worker):
                    self.post(on.TakenBack(worker, tuple(self._seats.take_back(worker))))
                case do.DumpStacks(worker):
                    self._seats.dump_stacks(worker)
                case do.Kill(worker, reason):
                    self._seats.kill(worker, reason)
                case do.Fail():
                    self._fail(effect)
                case do.Cancel(task):
                    self._cancel(task)
                case do.SetTimer(when):
                    self._reactor.set_timer("machine", when)
                case do.Ended():
                    self._give_back()

    # -- carrying out ------------------------------------------------------------------------

    def _encode_and_post(self, task: int) -> None:
        record = self._records.get(task)
        call = record.call if record is not None else None
        if record is None or call is None:
            return  # cancelled meanwhile
        try:
            encoded = encode(call)
            if encoded.large:
                encoded.segment = self._segments.place(encoded.buffers, record)
        except BaseException as error:  # user code: pickling may raise, or exit
            self._take(task)
            self.post(on.Dropped(task))
            if record.future.set_running_or_notify_cancel():
                record.future.set_exception(error)
            if not isinstance(error, Exception) and not self.in_own_thread():
                raise
            return
        record.encoded = encoded
        record.call = None
        if task not in self._records:  # taken while it was encoded
            self._let_go(record)
        self.post(on.Encoded(task))

    def _take(self, task: int) -> Record | None:
        """Take the record of a task that is answered now; only one caller gets it."""
        record = self._records.pop(task, None)
        if record is not None:
            self._let_go(record)
        return record

    def _let_go(self, record: Record) -> None:
        if record.encoded is not None and record.encoded.segment is not None:
            self._segments.release(record.encoded.segment[0], record)

    def _launch(self, ident: int) -> None:
        if not self._seats.wanted(ident):
            self.post(on.WorkerDied(ident))
            return
        try:
            worker = start_worker(
                ident,
                initializer=self._initializer,
                env=self._env,
                name=f"{self.name}-{ident}",
                segments=self._segments,
            )
        except BaseException as error:  # noqa: BLE001 - every task that waited for it is told
            self._seats.failed(ident, error)
            self.post(on.WorkerDied(ident))
            return
        self._seats.occupy(ident, worker)
        from . import _verdict  # noqa: F401  (while the worker boots; the reactor may need it)

    def _fail(self, effect: do.Fail) -> None:
        record = self._take(effect.task)
        if record is None:
            return
        from ._verdict import verdict  # a slow import, which `_launch` has done before

        error = verdict(effect, self._seats, self.failure, self._machine.history)
        if record.future.running() or record.future.set_running_or_notify_cancel():
            record.future.set_exception(error)

    def _cancel(self, task: int) -> None:
        record = self._take(task)
        if record is not None and record.future.cancel():
            record.future.set_running_or_notify_cancel()

    def _give_back(self) -> None:
        self._reactor.stop()
        self._segments.close()
        for workshop in (self._launcher, self._feeder, self.callbacks):
            workshop.stop()
        self.ended.set()

    # -- in the reactor's thread ---------------------------------------------------------------

    def _on_events(self, events: list[Event]) -> None:
        answers = []
        for event in events:
            match event:
                case FrameArrived(worker, frame):
                    answers.append(frame)
                    self._inbox.append(on.Answered(worker.ident, frame.task))
                case WorkerReady(worker):
                    self._inbox.append(on.WorkerReady(worker.ident))
                case WorkerDied(worker, obituary):
                    self._seats.vacate(worker, obituary)
                    self._inbox.append(on.WorkerDied(worker.ident))
                case TimerFired():
                    self._inbox.append(on.TimerFired())
        while self._inbox:
            self._perform(self._decide())
        for frame in answers:
            self._answer(frame)
        if not self._seats.any():
            self._segments.trim()

    def _answer(self, frame: Any) -> None:
        record = self._take(frame.task)
        if record is None:
            return  # failed meanwhile: the executor broke or was killed
        if frame.kind == FrameKind.RESULT:
            record.future.set_result(EncodedResult(frame))
        else:
            record.future.set_exception(EncodedFailure(frame))

    def _on_reactor_failure(self, error: BaseException) -> None:
        self.failure = self.failure or error
        self.post(on.ParentFailed())
        self._give_back()
