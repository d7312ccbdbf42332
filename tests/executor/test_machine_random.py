"""The scheduler's machine against a world that does anything in any order; no process started.

The world below keeps its own books: which tasks it handed in, how each ended, which encodings are
under way, which workers run and what each was sent. After every step its books and the
machine's must agree.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from loky_executor import _effects as do
from loky_executor import _events as on
from loky_executor._machine import Machine, Phase, Place, Settings, Status

GRACE = 10.0
MOST_EFFECTS = 6  # of one event, but for those that end or change everything


@dataclass
class WorldWorker:
    """A worker as the world has it."""

    ready: bool = False
    leaving: bool = False
    killed: bool = False
    inbox: list[int] = field(default_factory=list)


class World(RuleBasedStateMachine):
    """Plays encoders, workers, timers and users."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.timer: float | None = None
        self.ended = 0
        self.next_task = 1
        self.alive: set[int] = set()
        self.ends: Counter[int] = Counter()
        self.gone: list[int] = []
        self.encoding: set[int] = set()
        self.encode_told: Counter[int] = Counter()
        self.cancelled: set[int] = set()  # by the user; the machine was not told yet
        self.workers: dict[int, WorldWorker] = {}
        self.buried: list[int] = []

    @initialize(most=st.integers(1, 4), ahead=st.integers(1, 3))
    def begin(self, most: int, ahead: int) -> None:
        """Make the machine."""
        self.machine = Machine(most, Settings(encode_ahead=ahead, stop_grace=GRACE))

    # -- telling the machine, carrying out its effects -------------------------------------------

    def tell(self, event: on.Event, *, bounded: bool = True) -> None:
        """Give one event to the machine and keep the books on what it decides."""
        told = [event]
        while told:
            effects = self.machine.handle((told.pop(0),), self.now)
            if bounded and self.machine.status is not Status.BROKEN:
                assert len(effects) <= MOST_EFFECTS, effects
            for effect in effects:
                told += self.carry_out(effect)

    def carry_out(self, effect: do.Effect) -> list[on.Event]:
        """Do one effect; return what it makes happen at once."""
        assert not self.ended or isinstance(effect, do.Fail), f"{effect} after the end"
        match effect:
            case do.Encode(task):
                assert task in self.alive
                self.encode_told[task] += 1
                assert self.encode_told[task] == 1
                self.encoding.add(task)
            case do.Spawn(worker):
                assert worker not in self.workers
                assert worker not in self.buried
                self.workers[worker] = WorldWorker()
                assert self.machine.status is not Status.BROKEN
            case do.Send(worker, task):
                return self.send(worker, task)
            case do.Stop(worker):
                assert not self.workers[worker].inbox
                assert not self.workers[worker].leaving
                self.workers[worker].leaving = True
            case do.Kill(worker):
                self.workers[worker].killed = True
                self.workers[worker].inbox.clear()
            case do.Fail(task) | do.Cancel(task):
                self.end(task)
            case do.SetTimer(when):
                self.timer = when
            case do.Ended():
                self.ended += 1
                assert (self.workers, self.alive) == ({}, set())
        return []

    def send(self, worker: int, task: int) -> list[on.Event]:
        """Put a task into a worker's channel, unless its user was faster and cancelled it."""
        state = self.workers[worker]
        assert task in self.alive
        assert task not in self.encoding
        assert (state.leaving, state.killed, state.inbox) == (False, False, [])
        if task in self.cancelled:
            self.end(task)
            return [on.Dropped(task)]
        state.inbox.append(task)
        return []

    def end(self, task: int) -> None:
        """Note that a task ended; a second end of it is an error."""
        assert task in self.alive
        self.alive.discard(task)
        self.cancelled.discard(task)
        self.ends[task] += 1
        self.gone.append(task)

    def drop(self, task: int) -> None:
        """Tell of a cancelled task, or of one that cannot be encoded."""
        if task in self.alive:
            self.end(task)
        self.tell(on.Dropped(task))

    def unsent(self) -> list[int]:
        """Return the tasks a user can still cancel."""
        sent = {task for worker in self.workers.values() for task in worker.inbox}
        return sorted(self.alive - sent - self.cancelled)

    # -- what the world does ---------------------------------------------------------------------

    @rule()
    def submit(self) -> None:
        """A user submits."""
        task = self.next_task
        self.next_task += 1
        self.alive.add(task)
        refused = self.machine.status is not Status.OPEN
        self.tell(on.Submit(task))
        assert refused == (task not in self.alive)

    @precondition(lambda self: self.encoding)
    @rule(data=st.data(), works=st.integers(0, 9))
    def finish_encoding(self, data: st.DataObject, works: int) -> None:
        """An encoding ends, now and then with an error."""
        task = data.draw(st.sampled_from(sorted(self.encoding)))
        self.encoding.discard(task)
        if works:
            self.tell(on.Encoded(task))
        else:
            self.drop(task)

    @precondition(lambda self: any(not worker.ready for worker in self.workers.values()))
    @rule(data=st.data())
    def become_ready(self, data: st.DataObject) -> None:
        """A worker has started."""
        worker = data.draw(self.some_worker(lambda state: not state.ready))
        self.workers[worker].ready = True
        self.tell(on.WorkerReady(worker))

    @precondition(lambda self: any(worker.inbox for worker in self.workers.values()))
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        """A worker answers its task."""
        worker = data.draw(self.some_worker(lambda state: bool(state.inbox)))
        task = self.workers[worker].inbox.pop(0)
        self.end(task)
        self.tell(on.Answered(worker, task))

    @precondition(lambda self: self.workers)
    @rule(data=st.data(), clumsy=st.integers(0, 3))
    def die(self, data: st.DataObject, clumsy: int) -> None:
        """A worker dies: mostly one that was told to."""
        worker = data.draw(self.some_worker(lambda state: True))
        if clumsy and not (self.workers[worker].leaving or self.workers[worker].killed):
            return
        del self.workers[worker]
        self.buried.append(worker)
        self.tell(on.WorkerDied(worker), bounded=False)

    @precondition(lambda self: self.unsent())
    @rule(data=st.data(), told=st.booleans())
    def cancel(self, data: st.DataObject, told: bool) -> None:
        """A user cancels; the machine may hear of it only when it wants to send the task."""
        task = data.draw(st.sampled_from(self.unsent()))
        if told:
            self.drop(task)
        else:
            self.cancelled.add(task)

    @rule(most=st.integers(1, 5))
    def resize(self, most: int) -> None:
        """A user changes the number of workers."""
        self.tell(on.Resize(most), bounded=False)

    @rule(seconds=st.none() | st.integers(0, 20))
    def change_idle_timeout(self, seconds: float | None) -> None:
        """A user changes the idle timeout."""
        self.tell(on.IdleTimeout(seconds))

    @rule(seconds=st.integers(0, 30))
    def time_passes(self, seconds: int) -> None:
        """Time passes, and the timer fires if it is due."""
        self.now += seconds
        if self.timer is not None and self.timer <= self.now:
            self.fire_timer()

    def fire_timer(self) -> None:
        """The timer is due: nobody may overstay after it."""
        self.timer = None
        self.tell(on.TimerFired(), bounded=False)
        for state in self.machine.workers.values():
            limit = self.machine.idle_timeout
            if limit is not None and state.phase is Phase.READY and not state.assigned:
                assert state.idle_since + limit > self.now
            assert state.deadline is None or state.deadline > self.now

    @rule(data=st.data())
    def tell_of_the_gone(self, data: st.DataObject) -> None:
        """Late events about tasks and workers that are gone change nothing."""
        task = data.draw(st.sampled_from([*self.gone[-5:], 10**6]))
        worker = data.draw(st.sampled_from([*self.buried[-5:], *self.workers, 10**6]))
        late = [on.Encoded(task), on.Dropped(task), on.Answered(worker, task)]
        if worker not in self.workers:
            late += [on.WorkerReady(worker), on.WorkerDied(worker)]
        assert self.machine.handle((data.draw(st.sampled_from(late)),), self.now) == []

    @precondition(lambda self: self.next_task > 5)
    @rule(cancel=st.booleans(), kill=st.integers(0, 2))
    def shut_down(self, cancel: bool, kill: int) -> None:
        """A user shuts the pool down."""
        self.tell(on.Shutdown(cancel=cancel, kill=not kill), bounded=False)
        assert self.machine.status is not Status.OPEN

    @precondition(lambda self: self.next_task > 8)
    @rule(chance=st.integers(0, 9))
    def fail_ourselves(self, chance: int) -> None:
        """Our own side fails, rarely."""
        if not chance:
            self.tell(on.ParentFailed(), bounded=False)

    def some_worker(self, wanted: object) -> st.SearchStrategy[int]:
        """Return a strategy for the workers of a kind."""
        return st.sampled_from(
            sorted(ident for ident, state in self.workers.items() if wanted(state))  # type: ignore[operator]
        )

    # -- what must hold after every step ---------------------------------------------------------

    @invariant()
    def every_task_is_in_exactly_one_place(self) -> None:
        """The machine has what lives, assigned to at most one worker, that one existing."""
        assert set(self.machine.tasks) == self.alive
        holders = Counter(
            task for state in self.machine.workers.values() for task in state.assigned
        )
        assigned = {t for t, place in self.machine.tasks.items() if place is Place.ASSIGNED}
        assert holders == Counter(assigned)
        sent = Counter(task for worker in self.workers.values() for task in worker.inbox)
        assert sent == holders

    @invariant()
    def places_are_what_the_world_saw(self) -> None:
        """Encoding tasks are being encoded, pending ones never were, and the count is right."""
        places = self.machine.tasks
        encoding = {task for task, place in places.items() if place is Place.ENCODING}
        assert encoding == self.encoding & self.alive
        pending = {task for task, place in places.items() if place is Place.PENDING}
        assert all(not self.encode_told[task] for task in pending)
        encoded = sum(place is Place.ENCODED for place in places.values())
        assert self.machine._ahead == len(encoding) + encoded

    @invariant()
    def workers_are_those_of_the_world(self) -> None:
        """The machine knows each worker that exists, and no other; those it ends have no task."""
        assert set(self.machine.workers) == set(self.workers)
        for ident, state in self.machine.workers.items():
            ending = self.workers[ident].leaving or self.workers[ident].killed
            assert ending == (state.phase is Phase.STOPPING)
            assert len(state.assigned) <= (not ending)

    @invariant()
    def the_limit_is_kept(self) -> None:
        """More workers than allowed are there only while each of the surplus is at work."""
        live = [s for s in self.machine.workers.values() if s.phase is not Phase.STOPPING]
        surplus = len(live) > self.machine.max_workers
        assert not (surplus and any(not state.assigned for state in live))

    @invariant()
    def nothing_lies_around(self) -> None:
        """What can go on goes on: no free worker beside a task that could be sent."""
        live = [s for s in self.machine.workers.values() if s.phase is not Phase.STOPPING]
        free = [state for state in live if not state.assigned]
        places = Counter(self.machine.tasks.values())
        if len(live) <= self.machine.max_workers:
            assert not (free and places[Place.ENCODED])
        assert len(live) >= min(self.machine.max_workers, len(self.machine.tasks))
        room = self.machine.max_workers * self.machine.settings.encode_ahead
        if places[Place.PENDING]:
            assert places[Place.ENCODING] + places[Place.ENCODED] >= room

    @invariant()
    def who_may_overstay_is_watched(self) -> None:
        """While somebody idles or leaves, the timer is set for the first who is due."""
        due = [s.deadline for s in self.machine.workers.values() if s.deadline is not None]
        if self.machine.idle_timeout is not None:
            due += [
                state.idle_since + self.machine.idle_timeout
                for state in self.machine.workers.values()
                if state.phase is Phase.READY and not state.assigned
            ]
        assert not due or (self.timer is not None and self.timer <= min(due))

    @invariant()
    def a_closed_pool_without_anything_has_ended(self) -> None:
        """The end is told as soon as nothing is left, once."""
        over = self.machine.status is not Status.OPEN and not self.workers and not self.alive
        assert self.ended == over

    def teardown(self) -> None:
        """Shut down and let the world come to rest: every task ended once, and nothing is left."""
        if not hasattr(self, "machine"):
            return
        self.tell(on.Shutdown(), bounded=False)
        for _ in range(10 + 2 * self.next_task):
            if self.encoding or self.workers:
                self.come_to_rest()
        assert self.ended == 1
        assert (self.machine.tasks, self.machine.workers) == ({}, {})
        assert self.ends == Counter(range(1, self.next_task))

    def come_to_rest(self) -> None:
        """Finish whatever is under way."""
        for task in sorted(self.encoding):
            self.encoding.discard(task)
            self.tell(on.Encoded(task))
        for ident, worker in list(self.workers.items()):
            for task in list(worker.inbox):
                worker.inbox.remove(task)
                self.end(task)
                self.tell(on.Answered(ident, task))
            if worker.leaving or worker.killed:
                del self.workers[ident]
                self.tell(on.WorkerDied(ident), bounded=False)


@pytest.mark.slow
def test_any_order_of_events_keeps_the_books_right() -> None:
    """Whatever happens in whatever order, every task ends once and the pool ends once."""
    run_state_machine_as_test(
        World,
        settings=settings(max_examples=150, stateful_step_count=60, deadline=None, database=None),
    )
