"""Who has what: the tasks and workers of a machine, and the moves between them.

The lower half of the scheduler. `_machine` decides what an event means and calls the moves here;
after every event `settle` brings tasks and workers together. No I/O, no clock, like the machine.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

from . import _effects as do
from . import _events as on
from ._crew import Pace, Phase, WorkerState
from ._queues import PriorityQueue

_PLAIN: Final = on.TaskOptions()
_ALONE_AFTER: Final = 2  # crashes after which a task runs with no other near it


class Place(Enum):
    """Where a task is."""

    PENDING = "pending"
    ENCODING = "encoding"
    ENCODED = "encoded"
    ASSIGNED = "assigned"


class Status(Enum):
    """What the whole pool is in the middle of."""

    OPEN = "open"
    CLOSING = "closing"  # no new tasks; those it has are finished
    BROKEN = "broken"


class Settings(NamedTuple):
    """What does not change while a pool lives.

    Attributes:
        encode_ahead: how many tasks per worker are held encoded before a worker asks for them.
        stop_grace: seconds a worker may take to end after it was told to, before it is killed.
        isolate: whether a crash costs only the task that ran, or breaks the pool.
        max_tasks: tasks after which a worker is replaced; None for never.
        depth: the most tasks a worker holds at a time.
        work_ahead: seconds of work a worker should hold.
        patience: seconds after which a silent worker's waiting tasks are given to an idle one.
        dump_time: seconds an overdue worker gets to write down its stacks before it is killed.
        crashes: how many crashes within `crash_seconds` are suffered while no task is completed.
        crash_seconds: see there.
        spawn_retries: how often a start that failed for lack of resources is tried again when there
            is no other worker.
        spawn_pause: seconds before the first such try; they double.
    """

    encode_ahead: int = 2
    stop_grace: float = 10.0
    isolate: bool = False
    max_tasks: int | None = None
    depth: int = 1
    work_ahead: float = 0.002
    patience: float = 0.002
    dump_time: float = 0.05
    crashes: int = 10
    crash_seconds: float = 60.0
    spawn_retries: int = 6
    spawn_pause: float = 0.05


class Roster:
    """The state of a machine, and the moves on it; each keeps the invariants by itself."""

    def __init__(self, max_workers: int, settings: Settings | None = None) -> None:
        self.max_workers = max_workers
        self.settings = settings or Settings()
        self.status = Status.OPEN
        self.idle_timeout: float | None = None
        self.tasks: dict[int, Place] = {}
        self.workers: dict[int, WorkerState] = {}
        self.pace = Pace(self.settings.work_ahead, self.settings.depth)
        self._options: dict[int, on.TaskOptions] = {}  # of tasks that are not plain
        self._crashes: dict[int, int] = {}  # of tasks that crashed or ran out of time
        self._pending = PriorityQueue()  # may name tasks that are gone: they are skipped
        self._encoded = PriorityQueue()  # likewise
        self._ahead = 0  # tasks being encoded or encoded
        self.late: set[int] = set()  # tasks whose time is up: an answer comes too late
        self._condemned: set[int] = set()  # assigned tasks that are to be killed
        self._idle: dict[int, None] = {}  # ready workers without a task, longest idle first
        self._leaving: dict[int, None] = {}  # workers without a task that are to be replaced
        self._fresh: dict[int, None] = {}  # starting workers without a task
        self._roomy: dict[int, None] = {}  # ready workers that have tasks and may have more
        self._live = 0  # workers that are not stopping
        self._next_worker = 1
        self._spawn_again: float | None = None  # when starting workers is tried again
        self._soonest: float | None = None  # no deadline of a worker is before this
        self._timer: float | None = None
        self._ended = False

    # -- moves of tasks ----------------------------------------------------------------------

    def options_of(self, task: int) -> on.TaskOptions:
        """Return the options of a task."""
        return self._options.get(task, _PLAIN)

    def forget(self, task: int) -> None:
        """Remove a task that is answered."""
        if self.tasks.pop(task) in (Place.ENCODING, Place.ENCODED):
            self._ahead -= 1
        if self._options:
            self._options.pop(task, None)
        if self._crashes:
            self._crashes.pop(task, None)
        if self.late or self._condemned:
            self.late.discard(task)
            self._condemned.discard(task)

    def requeue(self, task: int) -> None:
        """Put a task that was assigned before all that wait."""
        self.tasks[task] = Place.ENCODED
        self.late.discard(task)
        self._ahead += 1
        self._encoded.push_front(task, self.options_of(task).priority)

    def forget_waiting(self) -> None:
        """Clear the queues, after their tasks were removed."""
        self._pending.clear()
        self._encoded.clear()
        self._ahead = 0

    def _runs_alone(self, task: int) -> bool:
        return (
            self.options_of(task).timeout is not None or self._crashes.get(task, 0) >= _ALONE_AFTER
        )

    def unassign(self, worker: int, task: int, now: float) -> None:
        """Take a task from a worker: it was answered, or taken back."""
        state = self.workers[worker]
        was_head = state.head() == task
        del state.assigned[task]
        if len(state.assigned) <= self.pace.depth // 2:  # it is filled up again when half is done
            self._show_room(worker, state, now)
        if was_head:
            self._begin_head(state, now)

    def _show_room(self, worker: int, state: WorkerState, now: float) -> None:
        """Note whether a worker may get tasks."""
        if state.phase is Phase.STOPPING:
            return
        if state.assigned:
            if not state.retiring and state.phase is Phase.READY:
                self._roomy[worker] = None
            return
        self._roomy.pop(worker, None)
        if state.retiring:
            self._leaving[worker] = None
        elif state.phase is Phase.STARTING:
            self._fresh[worker] = None
        else:
            state.idle_since = now
            self._idle[worker] = None

    def _begin_head(self, state: WorkerState, now: float) -> None:
        """Note that the first task of a worker runs from now on."""
        state.head_since = now
        state.deadline = None
        state.dumped = False
        head = state.head()
        if head is not None and state.phase is Phase.READY and self._options:
            timeout = self.options_of(head).timeout
            if timeout is not None:
                self.set_deadline(state, now + timeout)

    # -- moves of workers --------------------------------------------------------------------

    def set_deadline(self, state: WorkerState, when: float) -> None:
        """Have the timer fire for a worker at a time."""
        state.deadline = when
        if self._soonest is None or when < self._soonest:
            self._soonest = when

    def remove_worker(self, worker: int) -> WorkerState | None:
        """Take a dead worker out; None if it is gone already."""
        state = self.workers.pop(worker, None)
        if state is not None:
            self._leave(worker, state)
        return state

    def _leave(self, worker: int, state: WorkerState) -> None:
        if state.phase is not Phase.STOPPING:
            self._live -= 1
        for group in (self._idle, self._fresh, self._roomy, self._leaving):
            group.pop(worker, None)

    def kill(self, worker: int, reason: str, effects: list[do.Effect]) -> None:
        """End a worker at once; what is assigned to it stays so until it is dead."""
        state = self.workers[worker]
        self._leave(worker, state)
        state.phase = Phase.STOPPING
        state.deadline = None
        effects.append(do.Kill(worker, reason))

    def stop(self, worker: int, now: float, effects: list[do.Effect]) -> None:
        """Tell a worker that has no task to leave."""
        state = self.workers[worker]
        self._leave(worker, state)
        state.phase = Phase.STOPPING
        self.set_deadline(state, now + self.settings.stop_grace)
        effects.append(do.Stop(worker))

    # -- after every event -------------------------------------------------------------------

    def settle(self, now: float, effects: list[do.Effect]) -> None:
        """Bring tasks and workers together as far as it goes."""
        self._assign(now, effects)
        decided = len(effects)
        self._dismiss(now, effects)
        self._hire(now, effects)
        if len(effects) > decided:
            self._assign(now, effects)
        self._encode_ahead(effects)
        self._rebalance(now, effects)
        self._arm_timer(effects)
        closed = self.status is not Status.OPEN and not self.workers and not self.tasks
        if closed and not self._ended:
            self._ended = True
            effects.append(do.Ended())

    def _assign(self, now: float, effects: list[do.Effect]) -> None:
        while self._encoded and self._live <= self.max_workers:
            free = self._idle or self._fresh
            if not free and not (self._roomy and self._have_backlog()):
                return
            task = self._encoded.pop()
            if self.tasks.get(task) is not Place.ENCODED:
                continue
            if free:
                self._give(task, free.popitem()[0], now, effects)
            elif self._runs_alone(task) or not self._give_ahead(task, now, effects):
                self._encoded.push_front(task, self.options_of(task).priority)
                return

    def _have_backlog(self) -> bool:
        """Whether more tasks wait than workers could start at once."""
        return self.settings.depth > 1 and len(self.tasks) > 2 * self.max_workers

    def _give_ahead(self, task: int, now: float, effects: list[do.Effect]) -> bool:
        """Give a task to a worker that runs another; False if none has room."""
        depth = self.pace.depth
        share = max(1, len(self.tasks) // max(1, self._live))
        while self._roomy:
            worker = next(iter(self._roomy))
            state = self.workers[worker]
            del self._roomy[worker]
            head = state.head()
            room = min(depth, share, self._tasks_left(state) + len(state.assigned))
            alone = head is not None and self._runs_alone(head)
            if not (state.retiring or state.recalled or alone) and len(state.assigned) < room:
                self._give(task, worker, now, effects)
                return True
        return False

    def _tasks_left(self, state: WorkerState) -> int:
        """How many more tasks a worker may be given before it is replaced."""
        if self.settings.max_tasks is None:
            return self.settings.depth
        return self.settings.max_tasks - state.done - len(state.assigned)

    def _give(self, task: int, worker: int, now: float, effects: list[do.Effect]) -> None:
        state = self.workers[worker]
        first = not state.assigned
        state.assigned[task] = None
        state.spent = False
        self.tasks[task] = Place.ASSIGNED
        self._ahead -= 1
        if first:
            self._begin_head(state, now)
        self._show_room(worker, state, now)
        effects.append(do.Send(worker, task, claim=not first))

    def _dismiss(self, now: float, effects: list[do.Effect]) -> None:
        """Tell free workers to leave that are too old, too many, or not needed any more."""
        while self._leaving:
            self.stop(next(iter(self._leaving)), now, effects)
        closing = self.status is not Status.OPEN and not self.tasks
        while (self._live > self.max_workers or closing) and (self._idle or self._fresh):
            self.stop(next(iter(self._idle or self._fresh)), now, effects)

    def _hire(self, now: float, effects: list[do.Effect]) -> None:
        """Start workers, as many as there are tasks for."""
        if self._spawn_again is not None and now < self._spawn_again:
            return
        while self._live < min(self.max_workers, len(self.tasks)):
            worker = self._next_worker
            self._next_worker += 1
            self.workers[worker] = WorkerState()
            self._fresh[worker] = None
            self._live += 1
            effects.append(do.Spawn(worker))

    def has_room(self) -> bool:
        """Whether a task that comes now is encoded at once. Any thread: it may be outdated."""
        return self._ahead < self._encode_window() and not self._pending

    def has_free_worker(self) -> bool:
        """Whether a worker has nothing to do. Any thread: it may be outdated."""
        return bool(self._idle or self._fresh)

    def _encode_window(self) -> int:
        return self.max_workers * self.settings.encode_ahead * self.pace.depth

    def _encode_ahead(self, effects: list[do.Effect]) -> None:
        room = self._encode_window()
        while self._pending and self._ahead < room:
            task = self._pending.pop()
            if self.tasks.get(task) is Place.PENDING:
                self.tasks[task] = Place.ENCODING
                self._ahead += 1
                effects.append(do.Encode(task))

    def _rebalance(self, now: float, effects: list[do.Effect]) -> None:
        """Give idle workers what waits behind a task that takes long.

        A worker that had nothing to give back is not asked again before it gets a new task:
        1. A worker holds two tasks. It answers the first and begins the second; nobody has read
           the answer yet, and the first is overdue. 2. It is recalled for an idle worker, and has
           nothing to give. 3. That is an event of its own, after which it would be recalled again,
           and so on: the answer would never be read.
        """
        if not self._idle or self._ahead or self.settings.depth == 1:
            return
        for worker, state in self.workers.items():
            if len(state.assigned) < 2 or state.recalled or state.spent:
                continue
            due = state.head_since + self.settings.patience
            if due <= now:
                state.recalled = True
                effects.append(do.Recall(worker))
            elif self._soonest is None or due < self._soonest:
                self._soonest = due

    def _arm_timer(self, effects: list[do.Effect]) -> None:
        """Have the timer fire for the earliest thing that is due; later ones are found then."""
        earliest = self._soonest
        if self.idle_timeout is not None and self._idle:
            leaves = self.workers[next(iter(self._idle))].idle_since + self.idle_timeout
            earliest = leaves if earliest is None else min(earliest, leaves)
        if self._spawn_again is not None:
            again = self._spawn_again
            earliest = again if earliest is None else min(earliest, again)
        if earliest is not None and (self._timer is None or earliest < self._timer):
            self._timer = earliest
            effects.append(do.SetTimer(earliest))
