"""The scheduler's machine with everything on: batches, recalls, crashes, retries, deadlines, kills.

The companion of `test_machine_random`: here workers hold several tasks, and the world's books say
which of them was begun. What was never begun must never be lost or failed, whoever dies.
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

BLAMELESS = (do.Cause.WORKER_DIED, do.Cause.TIMED_OUT, do.Cause.OVER_LIMIT)


@dataclass
class Crewman:
    """A worker as the world has it: what it answered unheard, what it runs, what waits for it."""

    ready: bool = False
    leaving: bool = False
    killed: bool = False
    unheard: list[int] = field(default_factory=list)  # answered, and nobody has read it yet
    running: int | None = None
    waiting: list[tuple[int, bool]] = field(default_factory=list)  # (task, needs a token)

    def begin(self) -> None:
        """Begin the next task, as a worker does at once."""
        if self.ready and self.running is None and self.waiting:
            self.running = self.waiting.pop(0)[0]

    def tasks(self) -> list[int]:
        """All it holds, as far as its parent can know."""
        running = [] if self.running is None else [self.running]
        return self.unheard + running + [task for task, _ in self.waiting]


class World(RuleBasedStateMachine):
    """Plays users, encoders, workers, tokens and timers."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.timer: float | None = None
        self.alive: set[int] = set()
        self.ends: Counter[int] = Counter()
        self.crew: dict[int, Crewman] = {}
        self.begun: Counter[int] = Counter()
        self.killed_tasks: set[int] = set()
        self.next_task = 1
        self.ended = 0
        self.dying: int | None = None

    @initialize(most=st.integers(1, 3), depth=st.integers(1, 5), isolate=st.booleans())
    def make(self, most: int, depth: int, isolate: bool) -> None:
        """Make the machine."""
        self.machine = Machine(most, Settings(depth=depth, isolate=isolate, encode_ahead=2))
        self.machine.pace.depth = depth

    def tell(self, event: on.Event) -> None:
        """Give an event, carry the effects out, and tell what they bring about at once."""
        told: tuple[on.Event, ...] = (event,)
        steps = 0
        while told:
            effects = self.machine.handle(told, self.now)
            told = tuple(later for effect in effects for later in self.carry_out(effect))
            steps += 1
            assert steps < 1000, "it asks for the same again and again"
        for worker in self.crew.values():
            self.begin(worker)

    def begin(self, worker: Crewman) -> None:
        """Let a worker begin its next task, if it can."""
        before = worker.running
        worker.begin()
        if worker.running is not None and worker.running != before:
            self.begun[worker.running] += 1

    def carry_out(self, effect: do.Effect) -> list[on.Event]:  # noqa: C901 - a case for each
        """Do one effect."""
        match effect:
            case do.Encode(task):
                return [on.Encoded(task)]
            case do.Spawn(worker):
                self.crew[worker] = Crewman()
            case do.Send(worker, task, claim):
                crewman = self.crew[worker]
                assert (crewman.leaving, crewman.killed) == (False, False)
                assert all(task not in other.tasks() for other in self.crew.values())
                assert claim == bool(crewman.tasks())
                crewman.waiting.append((task, claim))
            case do.Recall(worker):
                crewman = self.crew[worker]
                back = tuple(task for task, claim in crewman.waiting if claim)
                crewman.waiting = [(t, claim) for t, claim in crewman.waiting if not claim]
                return [on.TakenBack(worker, back)]
            case do.Stop(worker):
                assert self.crew[worker].tasks() == []
                self.crew[worker].leaving = True
            case do.Kill(worker):
                self.crew[worker].killed = True
            case do.Fail():
                self.fail(effect)
            case do.Cancel(task):
                self.end(task)
            case do.SetTimer(when):
                self.timer = when if self.timer is None else min(when, self.timer)
            case do.Ended():
                self.ended += 1
        return []

    def fail(self, effect: do.Fail) -> None:
        """A task that was never begun fails only if the whole pool does, or if it was killed."""
        if effect.cause in BLAMELESS and self.machine.status is not Status.BROKEN:
            assert effect.task == self.dying
            assert effect.started
        if effect.cause is do.Cause.TASK_KILLED:
            assert effect.task in self.killed_tasks
        self.end(effect.task)

    def end(self, task: int) -> None:
        """Note the one end of a task."""
        assert task in self.alive
        self.alive.discard(task)
        self.ends[task] += 1

    # -- what the world does ---------------------------------------------------------------------

    @rule(
        timeout=st.sampled_from([None, None, 3.0]),
        retries=st.integers(0, 3),
        priority=st.integers(0, 2),
        encoded=st.booleans(),
    )
    def submit(self, timeout: float | None, retries: int, priority: int, encoded: bool) -> None:
        """A user submits a task with options."""
        task = self.next_task
        self.next_task += 1
        self.alive.add(task)
        plain = (timeout, retries, priority) == (None, 0, 0)
        options = None if plain else on.TaskOptions(timeout, retries, priority)
        self.tell(on.Submit(task, options, encoded))

    @rule(count=st.integers(4, 12))
    def submit_many(self, count: int) -> None:
        """A user submits plain tasks, more than there are workers."""
        for _ in range(count):
            self.submit(None, 0, 0, encoded=True)

    @precondition(lambda self: self.crew)
    @rule(data=st.data(), count=st.integers(1, 12), heard=st.booleans())
    def work(self, data: st.DataObject, count: int, heard: bool) -> None:
        """A worker gets ready, or answers some tasks; they may be read at once or later."""
        ident = data.draw(st.sampled_from(sorted(self.crew)))
        worker = self.crew[ident]
        if not worker.ready:
            worker.ready = True
            self.tell(on.WorkerReady(ident))
            return
        self.answer(ident, count, heard=heard)

    def answer(self, ident: int, count: int, *, heard: bool) -> None:
        """Have a worker answer up to some tasks."""
        worker = self.crew[ident]
        while count and worker.running is not None:
            worker.unheard.append(worker.running)
            worker.running = None
            self.begin(worker)
            if heard:
                self.hear(ident)
            count -= 1

    @precondition(lambda self: len(self.crew) > 1)
    @rule(data=st.data(), count=st.integers(0, 4))
    def work_off(self, data: st.DataObject, count: int) -> None:
        """All workers do what there is, but one that nobody hears of for a while."""
        silent = data.draw(st.sampled_from(sorted(self.crew)))
        for _ in range(self.next_task):
            for ident, worker in list(self.crew.items()):
                if ident != silent and worker.ready:
                    self.answer(ident, 1, heard=True)
        self.answer(silent, count, heard=False)

    def hear(self, ident: int) -> None:
        """Read what a worker has answered."""
        unheard = self.crew[ident].unheard
        while unheard:
            task = unheard.pop(0)
            if self.machine.tasks.get(task) is not None:
                self.end(task)
            self.tell(on.Answered(ident, task))

    @precondition(lambda self: self.crew)
    @rule(data=st.data(), crash=st.integers(0, 5))
    def die(self, data: st.DataObject, crash: int) -> None:
        """A worker that is to end ends; now and then another crashes."""
        ident = data.draw(st.sampled_from(sorted(self.crew)))
        worker = self.crew[ident]
        if crash and not (worker.leaving or worker.killed):
            return
        self.bury(ident)

    def bury(self, ident: int) -> None:
        """Tell of a death; what the dead had answered comes first."""
        self.hear(ident)
        self.dying = self.crew.pop(ident).running
        self.tell(on.WorkerDied(ident))
        self.dying = None

    @precondition(lambda self: self.alive)
    @rule(data=st.data())
    def kill_task(self, data: st.DataObject) -> None:
        """A user kills a task, wherever it is."""
        task = data.draw(st.sampled_from(sorted(self.alive)))
        self.killed_tasks.add(task)
        self.tell(on.KillTask(task))

    @precondition(lambda self: self.crew)
    @rule(data=st.data(), hard=st.integers(0, 3))
    def complain_of_memory(self, data: st.DataObject, hard: int) -> None:
        """A worker leaks, or has far too much."""
        ident = data.draw(st.sampled_from(sorted(self.crew)))
        self.tell(on.Retire(ident) if hard else on.OverLimit(ident))

    @precondition(lambda self: any(not w.ready for w in self.crew.values()))
    @rule(data=st.data())
    def fail_to_spawn(self, data: st.DataObject) -> None:
        """A worker that was to start cannot, for the moment."""
        starting = sorted(i for i, w in self.crew.items() if not w.ready)
        ident = data.draw(st.sampled_from(starting))
        del self.crew[ident]
        self.tell(on.SpawnFailed(ident, transient=True))

    @rule(most=st.integers(1, 4))
    def resize(self, most: int) -> None:
        """A user resizes."""
        self.tell(on.Resize(most))

    @rule(seconds=st.sampled_from([0.001, 0.1, 4.0, 20.0]))
    def pass_time(self, seconds: float) -> None:
        """Time passes; the timer fires if it is due."""
        self.now += seconds
        if self.timer is not None and self.timer <= self.now:
            self.timer = None
            self.tell(on.TimerFired())

    # -- what must hold ----------------------------------------------------------------------------

    @invariant()
    def the_books_agree(self) -> None:
        """The machine's assignments are what the workers hold, in the same order."""
        assert set(self.machine.tasks) == self.alive
        assert set(self.machine.workers) == set(self.crew)
        for ident, state in self.machine.workers.items():
            assert list(state.assigned) == [t for t in self.crew[ident].tasks() if t in self.alive]

    @invariant()
    def nobody_waits_for_nothing(self) -> None:
        """An encoded task waits only if no worker is free, and a worker is there or coming."""
        machine = self.machine
        live = [s for s in machine.workers.values() if s.phase is not Phase.STOPPING]
        free = [s for s in live if not s.assigned]
        waiting = [t for t, place in machine.tasks.items() if place is Place.ENCODED]
        if len(live) <= machine.max_workers:
            assert not (free and waiting)
        if waiting and not live and not self.crew:
            assert self.timer is not None  # a start is tried again

    @invariant()
    def every_deadline_is_watched(self) -> None:
        """The timer is set for the first thing that is due."""
        due = [s.deadline for s in self.machine.workers.values() if s.deadline is not None]
        assert not due or (self.timer is not None and self.timer <= min(due))

    def teardown(self) -> None:
        """Let everything come to rest: each task ended once, and the pool once."""
        if not hasattr(self, "machine"):
            return
        self.tell(on.Shutdown())
        for _ in range(20 * self.next_task + 50):
            self.pass_time(100.0)
            for ident, worker in list(self.crew.items()):
                if worker.killed or worker.leaving:
                    self.bury(ident)
                elif not worker.ready:
                    worker.ready = True
                    self.tell(on.WorkerReady(ident))
                elif worker.unheard or worker.running is not None:
                    worker.unheard += [] if worker.running is None else [worker.running]
                    worker.running = None
                    self.hear(ident)
        assert self.ends == Counter(range(1, self.next_task))
        assert (self.machine.tasks, self.machine.workers, self.ended) == ({}, {}, 1)


class Bustle(World):
    """The same without accidents: the steps go into batches, recalls and resizes."""

    die = kill_task = complain_of_memory = fail_to_spawn = None


@pytest.mark.slow
def test_batches_and_recalls_lead_to_rest() -> None:
    """However late answers are read, tasks go to and fro a bounded number of times."""
    run_state_machine_as_test(
        Bustle,
        settings=settings(max_examples=300, stateful_step_count=40, deadline=None, database=None),
    )


@pytest.mark.slow
def test_whoever_dies_every_task_ends_once_and_no_bystander_fails() -> None:
    """Batches, recalls, crashes, deadlines and kills in any order keep the books right."""
    run_state_machine_as_test(
        World,
        settings=settings(max_examples=300, stateful_step_count=60, deadline=None, database=None),
    )
