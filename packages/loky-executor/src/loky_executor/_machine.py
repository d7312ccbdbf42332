"""The scheduler: a state machine without I/O, threads or clock. Events in, effects out.

It knows tasks and workers by number. It decides; who calls it carries the effects out, in order.
The time comes with each event, so the same events give the same effects.

Rules:
1. A task is in exactly one place: pending, encoding, encoded, assigned to one worker, or gone.
2. When a worker dies, every task assigned to it moves in the same step.
3. Constant work per event, whatever is queued (but for events that end everything).
4. An event about a task or worker that is gone is no error: it crossed its end on the way.

                Encode          Encoded            Send           Answered
    Submit ──► pending ──► encoding ──► encoded ──► assigned ──► (gone)
                  │            │           │            │
                  └─ Cancel ───┴───────────┘            └─ WorkerDied ──► Fail

    worker:  Spawn ──► starting ── WorkerReady ──► ready ──► stopping ──► (gone)
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from . import _effects as do
from . import _events as on

_HISTORY: Final = 40


def _assert_never(value: object) -> None:
    raise AssertionError(f"no rule for {value!r}")


class Place(Enum):
    """Where a task is."""

    PENDING = "pending"
    ENCODING = "encoding"
    ENCODED = "encoded"
    ASSIGNED = "assigned"


class Phase(Enum):
    """What a worker is in the middle of."""

    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"


class Status(Enum):
    """What the whole pool is in the middle of."""

    OPEN = "open"
    CLOSING = "closing"  # no new tasks; those it has are finished
    BROKEN = "broken"


@dataclass(slots=True)
class WorkerState:
    """One worker as the machine sees it."""

    phase: Phase = Phase.STARTING
    assigned: dict[int, None] = field(default_factory=dict)  # an ordered set of tasks
    idle_since: float = 0.0
    deadline: float | None = None  # by when a stopping worker must be dead


@dataclass(frozen=True, slots=True)
class Settings:
    """What does not change while a pool lives.

    Attributes:
        encode_ahead: how many tasks per worker are held encoded before a worker asks for them.
        stop_grace: seconds a worker may take to end after it was told to, before it is killed.
    """

    encode_ahead: int = 2
    stop_grace: float = 10.0


class Machine:
    """The scheduler of one pool; not thread-safe: whoever calls it serializes the calls."""

    def __init__(self, max_workers: int, settings: Settings | None = None) -> None:
        self.max_workers = max_workers
        self.settings = settings or Settings()
        self.status = Status.OPEN
        self.idle_timeout: float | None = None
        self.history: deque[tuple[float, on.Event]] = deque(maxlen=_HISTORY)
        self.tasks: dict[int, Place] = {}
        self.workers: dict[int, WorkerState] = {}
        self._pending: deque[int] = deque()  # may name tasks that are gone: they are skipped
        self._encoded: deque[int] = deque()  # likewise
        self._ahead = 0  # tasks being encoded or encoded
        self._idle: dict[int, None] = {}  # ready workers without a task, longest idle first
        self._fresh: dict[int, None] = {}  # starting workers without a task
        self._live = 0  # workers that are not stopping
        self._next_worker = 1
        self._timer: float | None = None
        self._ended = False

    def handle(self, event: on.Event, now: float) -> list[do.Effect]:  # noqa: C901 - one rule each
        """Take one event and return what is to be done, in order.

        Args:
            event: what happened.
            now: seconds on a clock that never goes back.
        """
        self.history.append((now, event))
        effects: list[do.Effect] = []
        match event:
            case on.Submit(task):
                self._submit(task, effects)
            case on.Encoded(task):
                self._on_encoded(task)
            case on.Dropped(task):
                self._drop(task, now)
            case on.Answered(worker, task):
                self._answered(worker, task, now)
            case on.WorkerReady(worker):
                self._ready(worker, now)
            case on.WorkerDied(worker):
                self._died(worker, effects)
            case on.Resize(max_workers):
                self.max_workers = max_workers
            case on.IdleTimeout(seconds):
                self.idle_timeout = seconds
            case on.TimerFired():
                self._timer = None
                self._expire(now, effects)
            case on.Shutdown():
                self._shutdown(event, effects)
            case on.ParentFailed():
                self._break(effects, do.Cause.PARENT_FAILED)
            case _:
                _assert_never(event)
        self._settle(now, effects)
        return effects

    # -- single events -----------------------------------------------------------------------

    def _submit(self, task: int, effects: list[do.Effect]) -> None:
        if self.status is not Status.OPEN:
            effects.append(do.Fail(task, do.Cause.SHUTDOWN, started=False))
            return
        self.tasks[task] = Place.PENDING
        self._pending.append(task)

    def _on_encoded(self, task: int) -> None:
        if self.tasks.get(task) is Place.ENCODING:
            self.tasks[task] = Place.ENCODED
            self._encoded.append(task)

    def _drop(self, task: int, now: float) -> None:
        place = self.tasks.get(task)
        if place is Place.ASSIGNED:
            owner = next(ident for ident, state in self.workers.items() if task in state.assigned)
            self._answered(owner, task, now)
        elif place is not None:
            del self.tasks[task]
            self._ahead -= place is not Place.PENDING

    def _answered(self, worker: int, task: int, now: float) -> None:
        state = self.workers.get(worker)
        if state is None or task not in state.assigned:
            return
        del state.assigned[task]
        del self.tasks[task]
        if not state.assigned and state.phase is Phase.READY:
            state.idle_since = now
            self._idle[worker] = None
        elif not state.assigned and state.phase is Phase.STARTING:
            self._fresh[worker] = None

    def _ready(self, worker: int, now: float) -> None:
        state = self.workers.get(worker)
        if state is None or state.phase is not Phase.STARTING:
            return
        state.phase = Phase.READY
        if not state.assigned:
            del self._fresh[worker]
            state.idle_since = now
            self._idle[worker] = None

    def _died(self, worker: int, effects: list[do.Effect]) -> None:
        state = self.workers.pop(worker, None)
        if state is None:
            return
        self._idle.pop(worker, None)
        self._fresh.pop(worker, None)
        if state.phase is Phase.STOPPING:
            return
        self._live -= 1
        if state.phase is Phase.STARTING:
            self._break(effects, do.Cause.START_FAILED, worker, state)
        elif state.assigned:
            self._break(effects, do.Cause.WORKER_DIED, worker, state)
        # else: it was idle, and nothing is lost; another one starts when there is work

    def _shutdown(self, event: on.Shutdown, effects: list[do.Effect]) -> None:
        if self.status is Status.OPEN:
            self.status = Status.CLOSING
        if event.cancel or event.kill:
            waiting = [task for task, place in self.tasks.items() if place is not Place.ASSIGNED]
            for task in waiting:
                del self.tasks[task]
                effects.append(do.Cancel(task))
            self._forget_waiting()
        if event.kill:
            for ident, state in self.workers.items():
                for task in state.assigned:
                    del self.tasks[task]
                    effects.append(do.Fail(task, do.Cause.KILLED, started=True, worker=ident))
                state.assigned.clear()
                self._kill(ident, state, "the executor was told to kill its workers", effects)

    # -- shared steps ------------------------------------------------------------------------

    def _break(
        self,
        effects: list[do.Effect],
        cause: do.Cause,
        culprit: int | None = None,
        dead: WorkerState | None = None,
    ) -> None:
        """Fail every task and kill every worker: the pool is broken from now on."""
        self.status = Status.BROKEN
        started = {task for state in self.workers.values() for task in state.assigned}
        if dead is not None and dead.phase is Phase.READY:
            started.update(dead.assigned)
        effects += [
            do.Fail(task, cause, started=task in started, worker=culprit) for task in self.tasks
        ]
        self.tasks.clear()
        self._forget_waiting()
        for ident, state in self.workers.items():
            state.assigned.clear()
            self._kill(ident, state, "its executor broke", effects)

    def _forget_waiting(self) -> None:
        self._pending.clear()
        self._encoded.clear()
        self._ahead = 0

    def _kill(self, ident: int, state: WorkerState, reason: str, effects: list[do.Effect]) -> None:
        if state.phase is not Phase.STOPPING:
            self._live -= 1
        state.phase = Phase.STOPPING
        state.deadline = None
        self._idle.pop(ident, None)
        self._fresh.pop(ident, None)
        effects.append(do.Kill(ident, reason))

    def _stop(self, ident: int, now: float, effects: list[do.Effect]) -> None:
        """Tell an unoccupied worker to leave."""
        state = self.workers[ident]
        state.phase = Phase.STOPPING
        state.deadline = now + self.settings.stop_grace
        self._live -= 1
        self._idle.pop(ident, None)
        self._fresh.pop(ident, None)
        effects.append(do.Stop(ident))

    def _expire(self, now: float, effects: list[do.Effect]) -> None:
        """Send idle workers home, and kill those that were told to leave long ago."""
        if self.idle_timeout is not None:
            for ident in list(self._idle):
                if self.workers[ident].idle_since + self.idle_timeout > now:
                    break
                self._stop(ident, now, effects)
        for ident, state in self.workers.items():
            if state.deadline is not None and state.deadline <= now:
                self._kill(ident, state, "it did not end when it was told to", effects)

    # -- after every event -------------------------------------------------------------------

    def _settle(self, now: float, effects: list[do.Effect]) -> None:
        """Bring tasks and workers together as far as it goes."""
        self._assign(effects)
        self._adjust_workers(now, effects)
        self._assign(effects)
        self._encode_ahead(effects)
        self._arm_timer(effects)
        closed = self.status is not Status.OPEN and not self.workers and not self.tasks
        if closed and not self._ended:
            self._ended = True
            effects.append(do.Ended())

    def _assign(self, effects: list[do.Effect]) -> None:
        while self._encoded and (self._idle or self._fresh) and self._live <= self.max_workers:
            task = self._encoded.popleft()
            if self.tasks.get(task) is not Place.ENCODED:
                continue
            free = self._idle or self._fresh
            worker = free.popitem()[0]
            self.workers[worker].assigned[task] = None
            self.tasks[task] = Place.ASSIGNED
            self._ahead -= 1
            effects.append(do.Send(worker, task))

    def _adjust_workers(self, now: float, effects: list[do.Effect]) -> None:
        closing = self.status is not Status.OPEN and not self.tasks
        while (self._live > self.max_workers or closing) and (self._idle or self._fresh):
            self._stop(next(iter(self._idle or self._fresh)), now, effects)
        while self._live < min(self.max_workers, len(self.tasks)):
            ident = self._next_worker
            self._next_worker += 1
            self.workers[ident] = WorkerState()
            self._fresh[ident] = None
            self._live += 1
            effects.append(do.Spawn(ident))

    def _encode_ahead(self, effects: list[do.Effect]) -> None:
        room = self.max_workers * self.settings.encode_ahead
        while self._pending and self._ahead < room:
            task = self._pending.popleft()
            if self.tasks.get(task) is Place.PENDING:
                self.tasks[task] = Place.ENCODING
                self._ahead += 1
                effects.append(do.Encode(task))

    def _arm_timer(self, effects: list[do.Effect]) -> None:
        """Have the timer fire for the earliest thing that is due; later ones are found then."""
        earliest = None
        if self.idle_timeout is not None and self._idle:
            earliest = self.workers[next(iter(self._idle))].idle_since + self.idle_timeout
        if len(self.workers) > self._live:
            for state in self.workers.values():
                if state.deadline is not None and (earliest is None or state.deadline < earliest):
                    earliest = state.deadline
        if earliest is not None and (self._timer is None or earliest < self._timer):
            self._timer = earliest
            effects.append(do.SetTimer(earliest))
