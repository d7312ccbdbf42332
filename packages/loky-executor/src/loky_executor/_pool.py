"""The pool behind an executor: it feeds the scheduler with events and carries out its effects.

    submit ─► post ─► Machine.handle ─► effects ─► outbox of a worker ─► socket
                ▲                                                          │
                └────────── reactor thread ◄───────── frames, deaths ◄─────┘

Rules:
1. The machine is touched by the thread that holds the turn. Under the turn nothing blocks, no I/O
   is done and no user code is called, nor a lock taken that user code may hold (a future's). A
   finalizer or a signal handler that strikes there and comes back to `post` leaves its event in
   the inbox, which the holder empties.
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
from concurrent.futures import BrokenExecutor
from typing import Any

from loky_backend import (
    Event,
    FrameArrived,
    FrameKind,
    Reactor,
    RestartBudget,
    SegmentPool,
    TimerFired,
    WorkerDied,
    WorkerReady,
)

from . import _effects as do
from . import _events as on
from ._callbacks import Callback, callback_runner
from ._machine import Machine, Status
from ._staff import Staff, WorkerInfo
from ._stats import Ledger, Stats
from ._tasks import TaskTable
from ._workshop import Workshop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._settings import PoolSettings

_numbers = itertools.count(1)


class Batch:
    """Effects that one thread carries out; `done` of them are."""

    __slots__ = ("done", "effects", "owner")

    def __init__(self, owner: int) -> None:
        self.owner = owner
        self.effects: list[do.Effect] = []
        self.done = 0


class Pool:
    """All state of one executor but the face it shows; threads hold this, never the executor.

    Attributes:
        name: of the pool; its threads and workers are named after it.
        ended: set when every worker is gone and everything was given back.
        failure: what went wrong on our own side, None while nothing did.
        forked: whether this is a copy in a forked process, without threads and workers.
    """

    def __init__(self, max_workers: int, settings: PoolSettings) -> None:
        self.name = f"loky-{next(_numbers)}"
        self.ended = threading.Event()
        self.failure: BaseException | None = None
        self.forked = False
        self._machine = Machine(max_workers, settings.machine, RestartBudget())
        self._machine.idle_timeout = settings.idle_timeout
        self._inbox: deque[on.Event] = deque()
        self._turn = threading.Lock()  # see rule 1; held for microseconds
        self._inside: set[int] = set()  # threads that have the turn or are about to take it
        self._batches: dict[int, Batch] = {}  # what was decided and is being carried out
        self._history: tuple[tuple[float, on.Event], ...] = ()  # as it was when the pool broke
        self._own_threads = f"{self.name}-"
        self._encodes_apart = bool(settings.job_reducers)
        self._callbacks = callback_runner(f"{self.name}-callbacks")
        self._feeder: Workshop[int] = Workshop(f"{self.name}-feeder", self._encode, self._lost)
        self._reactor = Reactor(self._on_events, self._on_reactor_failure, f"{self.name}-reactor")
        self._staff = Staff(
            self.name, settings, self._reactor, self.post, self._lost, flush=self._flush
        )
        self._seats = self._staff.seats
        self._segments = SegmentPool(self._seats.forget_segment)
        self._staff.use(self._segments)
        self._inheritance = settings.inheritance
        self._ledger = Ledger()
        self._tasks = TaskTable(self, self._ledger, self._segments, settings.job_reducers)
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

    def submit(self, call: tuple[Any, ...], options: on.TaskOptions | None = None) -> Any:
        """Take a task, (function, args, kwargs), and return its future."""
        future = self._tasks.add(call)
        self._ledger.submitted += 1
        self.post(on.Submit(future.task, options))
        return future

    def dropped(self, task: int) -> None:
        """Take note that the future of a task was cancelled."""
        self._tasks.take(task)
        self.post(on.Dropped(task))

    def kill_task(self, task: int) -> None:
        """Have a task ended, also if it runs."""
        self.post(on.KillTask(task))

    def run_callback(self, callback: Callback) -> None:
        """Have a done-callback called soon, on the callback thread."""
        self._callbacks.put(callback)

    def processes(self) -> dict[int, Any]:
        """Return pid -> child process of the workers there are now."""
        return {worker.child.pid: worker.child for worker in self._seats.workers()}

    def terminate_workers(self) -> None:
        """Send SIGTERM to every worker."""
        for worker in self._seats.workers():
            worker.child.terminate()

    def stats(self) -> Stats:
        """Return what was done so far."""
        return self._ledger.snapshot()

    def workers(self) -> list[WorkerInfo]:
        """Return a snapshot of the workers."""
        states = self._machine.workers
        return [
            WorkerInfo(
                ident=worker.ident,
                pid=worker.child.pid,
                name=worker.name,
                state=states[worker.ident].phase.value,
                tasks=len(states[worker.ident].assigned),
            )
            for worker in self._seats.workers()
            if worker.ident in states
        ]

    def counts(self) -> tuple[int, int, int]:
        """Return (busy, idle or starting, waiting): workers, workers, tasks; a rough snapshot."""
        states = list(self._machine.workers.values())
        busy = sum(bool(state.assigned) for state in states)
        return busy, len(states) - busy, max(0, len(self._machine.tasks) - busy)

    def join(self) -> None:
        """Wait until everything is given back; not from the pool's own threads."""
        self.ended.wait()
        for part in (self._reactor, self._staff, self._feeder, self._callbacks):
            part.join()

    def abandon(self) -> None:
        """Close after the last task; what the garbage collector calls, so it takes no lock."""
        if not (self.forked or self.ended.is_set()):
            self._reactor.call(lambda: self.post(on.Shutdown()))

    def disown(self) -> None:
        """Become unusable, in a forked copy of the process: threads and workers are not its."""
        self.forked = True
        self._seats.disown()
        self._reactor.disown()
        self.ended.set()

    def in_own_thread(self) -> bool:
        """Whether the caller is a thread of this pool, which must not wait for its end."""
        return threading.current_thread().name.startswith(self._own_threads)

    # -- events in, effects out ----------------------------------------------------------------

    def post(self, event: on.Event) -> None:
        """Give an event to the scheduler and carry out what it decides. Never blocks for long."""
        if self.forked:
            return  # the pool and its workers are another process's
        self._inbox.append(event)
        me = threading.get_ident()
        if me in self._inside and self._turn.locked():
            return  # struck within our own turn: the frame below empties the inbox
        try:
            while self._inbox:
                self._perform(self._decide(me))
        except BaseException:
            # Ctrl-C, most likely, which strikes between any two steps. What this thread had
            # decided and not carried out goes on in the reactor's: every effect may be done twice.
            self._reactor.call(lambda: self._resume(me))
            raise

    def _decide(self, me: int) -> Batch:
        """Take the turn, give all events to the machine, and return what is to be done."""
        batch = Batch(me)
        try:
            self._inside.add(me)  # before the lock is taken: a handler may strike in between
            with self._turn:
                self._batches[id(batch)] = batch
                try:
                    now = time.monotonic()
                    while self._inbox:
                        batch.effects += self._staged(
                            self._machine.handle(self._inbox.popleft(), now)
                        )
                except BaseException as error:
                    self.failure = self.failure or error
                    batch.effects += self._machine.handle(on.ParentFailed(), time.monotonic())
                    if not isinstance(error, Exception):
                        raise
                finally:
                    if self._machine.status is Status.BROKEN and not self._history:
                        self._history = tuple(self._machine.history)
        finally:
            self._inside.discard(me)
        return batch

    def _resume(self, interrupted: int) -> None:
        """Carry out what an interrupted thread had left; in the reactor's thread."""
        for batch in list(self._batches.values()):
            if batch.owner == interrupted:
                self._perform(batch)
        while self._inbox:
            self._perform(self._decide(threading.get_ident()))

    def _staged(self, effects: list[do.Effect]) -> list[do.Effect]:
        """Put what goes to workers into their outboxes, in the order of decisions."""
        for effect in effects:
            match effect:
                case do.Spawn(worker):
                    self._seats.reserve(worker)
                case do.Send(worker, task, claim):
                    record = self._tasks.get(task)
                    if record is None:  # cancelled meanwhile
                        self._inbox.append(on.Dropped(task))
                    else:
                        self._seats.stage(worker, (FrameKind.TASK, task, record, claim))
                case do.Stop(worker):
                    self._seats.stage(worker, (FrameKind.STOP, 0, None, False))
                case _:
                    pass
        return effects

    def _perform(self, batch: Batch) -> None:
        while batch.done < len(batch.effects):
            self._carry_out(batch.effects[batch.done])
            batch.done += 1
        self._batches.pop(id(batch), None)

    def _carry_out(self, effect: do.Effect) -> None:  # noqa: C901, PLR0912 - a line each
        """Do one thing that was decided; doing it twice does no harm."""
        match effect:
            case do.Send(worker):
                self._flush(worker)
                self._staff.busy()
            case do.Stop(worker):
                self._flush(worker)
            case do.Encode(task):
                if self._encodes_apart or self.in_own_thread():
                    self._feeder.put(task)
                else:
                    self._encode(task)
            case do.Spawn(worker):
                self._staff.launcher.put(worker)
                if not self.in_own_thread():
                    from . import _verdict  # noqa: F401 - a slow import, while the worker boots
            case do.Recall(worker):
                self.post(on.TakenBack(worker, tuple(self._seats.take_back(worker))))
            case do.DumpStacks(worker):
                self._seats.dump_stacks(worker)
            case do.Kill(worker, reason):
                self._seats.kill(worker, reason)
            case do.Fail():
                self._fail(effect)
            case do.Cancel(task):
                self._tasks.cancel(task)
            case do.SetTimer(when):
                self._reactor.set_timer("machine", when)
            case do.Ended():
                self._give_back()

    def _flush(self, worker: int) -> None:
        for task in self._seats.flush(worker):
            self.post(on.Dropped(task))

    def _encode(self, task: int) -> None:
        error = self._tasks.encode(task)
        self.post(on.Encoded(task) if error is None else on.Dropped(task))
        if isinstance(error, KeyboardInterrupt) and not self.in_own_thread():
            raise error  # Ctrl-C struck while this thread was pickling: it is meant for it

    def _fail(self, effect: do.Fail) -> None:
        from ._verdict import verdict  # a slow import, which the launcher has done before

        broken = self._machine.status is Status.BROKEN
        error = verdict(effect, self._seats, self.failure, self._history, broken=broken)
        self._tasks.fail(effect.task, error)

    def _give_back(self) -> None:
        self._reactor.stop()
        self._segments.close()
        if self._inheritance is not None:
            self._inheritance.close()
        for part in (self._staff, self._feeder, self._callbacks):
            part.stop()
        self.ended.set()

    # -- in the reactor's thread ---------------------------------------------------------------

    def _on_events(self, events: list[Event]) -> None:  # noqa: C901 - a case for each
        answers = []
        for event in events:
            match event:
                case FrameArrived(worker, frame):
                    answers.append(frame)
                    self._staff.answered(worker)
                    self._inbox.append(on.Answered(worker.ident, frame.task))
                case WorkerReady(worker):
                    self._inbox.append(on.WorkerReady(worker.ident))
                case WorkerDied(worker, obituary):
                    self._seats.vacate(worker, obituary)
                    self._inbox.append(on.WorkerDied(worker.ident))
                case TimerFired("memory"):
                    self._staff.look()
                    if any(state.assigned for state in self._machine.workers.values()):
                        self._staff.busy()
                case TimerFired():
                    self._inbox.append(on.TimerFired())
        for frame in answers:
            self._tasks.answer(frame)
        me = threading.get_ident()
        while self._inbox:
            self._perform(self._decide(me))
        if not self._seats.any():
            self._segments.trim()

    def _on_reactor_failure(self, error: BaseException) -> None:
        self._lost(error)
        self._tasks.fail_all(lambda task: BrokenExecutor(f"task {task}: the executor failed"))
        self._give_back()

    def _lost(self, error: BaseException) -> None:
        """Break the pool: something of ours failed that must not."""
        self.failure = self.failure or error
        self.post(on.ParentFailed())
