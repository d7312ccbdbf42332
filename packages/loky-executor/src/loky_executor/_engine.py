"""The engine of a pool: it feeds the scheduler with events and carries out its effects.

    caller's thread:   submit ─► encode, if there is room ─► inbox ─► wake
    reactor's thread:  inbox, frames, deaths, timers ─► Machine.handle ─► effects

Rules:
1. The machine and its effects belong to the reactor's thread. Every other thread, a finalizer or a
   signal handler too, only puts an event into the inbox and wakes the reactor: one append and one
   byte, so an exception that strikes in between (Ctrl-C) leaves nothing half done.
2. Encoding (user code) runs in the thread that submits, or in the feeder; never in the reactor.
3. An exception in the reactor breaks the pool: no future may wait for a scheduler that is lost.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from concurrent.futures import BrokenExecutor

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
from ._errors import ShutdownExecutorError
from ._machine import Machine, Status
from ._shortage import TIMER as SHORTAGE_TIMER
from ._shortage import Shortage
from ._staff import Staff
from ._stats import Ledger
from ._tasks import TaskTable
from ._workshop import Workshop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._settings import PoolSettings

_ROUNDS = 100  # of events that effects bring about, in one turn
_TELL_EVERY = 0.0005  # seconds for which the feeder collects while no worker is free
_MOST_AT_ONCE = 1024  # events of the inbox in one turn
_GRACE = 1.0  # seconds between SIGTERM and SIGKILL
_numbers = itertools.count(1)


class Engine:
    """What runs a pool, and all its state; threads hold this, never the executor.

    Args:
        max_workers: the most workers at a time.
        settings: what does not change.

    Attributes:
        name: of the pool; its threads and workers are named after it.
        ended: set when every worker is gone and everything was given back.
        failure: what went wrong on our own side, None while nothing did.
        closed: whether it was told to shut down.
        forked: whether this is a copy in a forked process, without threads and workers.
        broken_by: the first error that a task got because the pool broke.
    """

    def __init__(self, max_workers: int, settings: PoolSettings) -> None:
        self.name = f"loky-{next(_numbers)}"
        self.ended = threading.Event()
        self.failure: BaseException | None = None
        self.forked = False
        self.broken_by: BaseException | None = None
        self.closed = False
        self._gentle = False  # whether workers are asked to end before they are killed
        self._machine = Machine(max_workers, settings.machine, RestartBudget())
        self._machine.idle_timeout = settings.idle_timeout
        self._inbox: deque[on.Event] = deque()  # from any thread
        self._reports: deque[on.Event] = deque()  # from the pool's own threads: taken first
        self._sizes: deque[on.Event] = deque(maxlen=1)  # the latest counts, however many come
        self._timeouts: deque[on.Event] = deque(maxlen=1)
        self._own: deque[on.Event] = deque()  # of this turn; the reactor's
        self._history: tuple[str, ...] = ()  # as it was when the pool broke
        self._unflushed: dict[int, None] = {}  # workers with something in their outbox
        self._unencoded: list[int] = []  # tasks for the feeder
        self._warm = False  # whether slow imports are done
        self._own_threads = f"{self.name}-"
        self._encodes_apart = bool(settings.job_reducers)
        self._callbacks = callback_runner(f"{self.name}-callbacks")
        self._feeder: Workshop[tuple[int, ...]] = Workshop(
            f"{self.name}-feeder", self._encode, self._lost
        )
        self._reactor = Reactor(
            self._work,
            self._on_reactor_failure,
            f"{self.name}-reactor",
            on_end=self._finish,
        )
        self._shortage = Shortage(self._reactor, self.ended, self._callbacks, self._lost)
        self._staff = Staff(self.name, settings, self._reactor, self._report, self._lost)
        self._seats = self._staff.seats
        self._segments = SegmentPool(self._seats.forget_segment)
        self._staff.use(self._segments)
        self._inheritance = settings.inheritance
        self._ledger = Ledger()
        self._tasks = TaskTable(self, self._ledger, self._segments, settings, self._seats.unshare)
        self._reactor.start()

    # -- what futures ask for ------------------------------------------------------------------

    def dropped(self, task: int) -> None:
        """Take note that the future of a task was cancelled."""
        self._tasks.take(task)
        self.post(on.Dropped(task))

    def kill_task(self, task: int) -> None:
        """Have a task ended, also if it runs."""
        self.post(on.KillTask(task))

    def run_callback(self, callback: Callback) -> None:
        """Have a done-callback called soon, on the callback thread."""
        self._shortage.give(self._callbacks, callback)

    # -- events in, effects out ----------------------------------------------------------------

    def post(self, event: on.Event) -> None:
        """Give an event to the scheduler. Never blocks, takes no lock; any thread, any moment."""
        if not self.forked:
            self._inbox.append(event)
            self._reactor.wake()

    def _report(self, event: on.Event) -> None:
        """Give the scheduler news of one of the pool's own threads: before what users ask for."""
        self._reports.append(event)
        self._reactor.wake()

    def _work(self, events: list[Event]) -> None:
        """Take what happened, decide, and carry it out; in the reactor's thread, once a turn."""
        # Only some of what is there now: threads that never stop posting, and post more the longer
        # a turn takes, must not keep the sockets waiting, nor our own threads' news.
        for queue in (self._reports, self._sizes, self._timeouts, self._inbox):
            if queue:
                count = min(len(queue), _MOST_AT_ONCE)
                self._own.extend(queue.popleft() for _ in range(count))
        if self._inbox or self._reports:
            self._reactor.wake()
        for event in events:
            self._translate(event)
        for _ in range(_ROUNDS):
            if not self._own:
                break
            happened = tuple(self._own)
            self._own.clear()
            for effect in self._machine.handle(happened, time.monotonic()):
                self._carry_out(effect)
            self._hand_over()
        # The rest comes in the next turn, after what the workers have sent. Likewise what the
        # feeder reported meanwhile, since it saw no worker yet that became free in this turn.
        if self._own or (self._reports and self._machine.has_free_worker()):
            self._reactor.wake()

    def _hand_over(self) -> None:
        """Give what was collected while effects were carried out to channels and feeder."""
        for worker in self._unflushed:
            for task in self._seats.flush(worker):
                self._own.append(on.Dropped(task))
        self._unflushed.clear()
        if self._unencoded:
            self._shortage.give(self._feeder, tuple(self._unencoded))
            self._unencoded.clear()

    def _translate(self, event: Event) -> None:
        match event:
            case FrameArrived(worker, frame):
                if frame.task in self._machine.late:
                    # The signal that asks for stacks woke a call in C; the worker is killed soon.
                    self._seats.keep_stacks(worker)
                    return
                self._tasks.answer(frame)
                self._staff.answered(worker)
                self._own.append(on.Answered(worker.ident, frame.task))
            case WorkerReady(worker):
                self._own.append(on.WorkerReady(worker.ident))
            case WorkerDied(worker, obituary):
                self._seats.vacate(worker, obituary)
                self._own.append(on.WorkerDied(worker.ident))
                if not self._seats.any():
                    self._segments.trim()
            case TimerFired(key):
                self._on_timer(key)

    def _on_timer(self, name: str) -> None:
        if name == "memory":
            self._staff.look()
            if any(state.assigned for state in self._machine.workers.values()):
                self._staff.busy()
        elif name == SHORTAGE_TIMER:
            idle, over = not self._seats.workers(), self._machine.status is Status.BROKEN
            self._shortage.retry(self._feeder, self._staff.launcher, idle=idle, over=over)
        elif name == "kill":
            for worker in self._seats.workers():
                worker.kill("it did not end when it was sent SIGTERM")
        else:
            self._own.append(on.TimerFired())

    def _carry_out(self, effect: do.Effect) -> None:  # noqa: C901, PLR0912 - a line each
        match effect:
            case do.Send(worker, task, claim):
                record = self._tasks.get(task)
                if record is None:  # cancelled meanwhile
                    self._own.append(on.Dropped(task))
                else:
                    self._seats.stage(worker, (FrameKind.TASK, task, record, claim))
                    self._unflushed[worker] = None
                    self._staff.busy()
            case do.Stop(worker):
                self._seats.stage(worker, (FrameKind.STOP, 0, None, False))
                self._unflushed[worker] = None
            case do.Encode(task):
                self._unencoded.append(task)
            case do.Spawn(worker):
                self._seats.reserve(worker)
                self._shortage.give(self._staff.launcher, worker)
            case do.Flush(worker):
                self._unflushed[worker] = None
            case do.Recall(worker):
                taken = tuple(self._seats.take_back(worker))
                self._own.append(on.TakenBack(worker, taken))
            case do.DumpStacks(worker):
                self._seats.dump_stacks(worker)
            case do.Kill(worker, reason):
                if self._gentle and self._seats.terminate(worker):
                    self._reactor.set_timer("kill", time.monotonic() + _GRACE)
                else:
                    self._seats.kill(worker, reason)
            case do.Fail():
                self._fail(effect)
            case do.Cancel(task):
                self._tasks.cancel(task)
            case do.SetTimer(when):
                self._reactor.set_timer("machine", when)
            case do.Ended():
                self._give_back()

    def _encode(self, tasks: tuple[int, ...]) -> None:
        """Encode tasks that waited; in the feeder."""
        told = time.monotonic()
        for task in tasks:
            error = self._tasks.encode(task)
            self._reports.append(on.Encoded(task) if error is None else on.Dropped(task))
            now = time.monotonic()
            # Pickling the next one may take long: nobody who could run this one waits for that.
            if now - told > _TELL_EVERY or self._machine.has_free_worker():
                told = now
                self._reactor.wake()
        self._reactor.wake()

    # -- the end, and what goes wrong ----------------------------------------------------------

    def _fail(self, effect: do.Fail) -> None:
        from ._verdict import verdict  # a slow import, which `submit` has done before

        broken = self._machine.status is Status.BROKEN
        if broken and not self._history:
            self._history = tuple(f"{when:.6f} {event}" for when, event in self._machine.history)
        error = verdict(effect, self._seats, self.failure, self._history, broken=broken)
        if broken and self.broken_by is None:
            self.broken_by = error
        self._tasks.fail(effect.task, error)

    def _give_back(self) -> None:
        self._reactor.stop()
        self._segments.close()
        if self._inheritance is not None:
            self._inheritance.close()
        for part in (self._staff, self._feeder, self._callbacks):
            part.stop()
        self.ended.set()

    def _on_reactor_failure(self, error: BaseException) -> None:
        self.failure = self.failure or error
        self.broken_by = self.broken_by or error
        self._machine.status = Status.BROKEN
        self._tasks.fail_all(self._failed)
        self._give_back()

    def _finish(self) -> None:
        """Answer what came too late for the last turn; the last act of the reactor's thread."""
        self._tasks.fail_all(lambda _: self._too_late())
        self._callbacks.work_off()

    def _too_late(self) -> BaseException:
        if self._machine.status is not Status.BROKEN:
            return ShutdownExecutorError("the executor was shut down before the task was there")
        from ._broken import refusal

        return refusal(self.broken_by)

    def _failed(self, task: int) -> BaseException:
        error = BrokenExecutor(f"task {task}: the executor itself failed")
        error.__cause__ = self.failure
        return error

    def _lost(self, error: BaseException) -> None:
        """Break the pool: something of ours failed that must not."""
        self.failure = self.failure or error
        self._report(on.ParentFailed())
