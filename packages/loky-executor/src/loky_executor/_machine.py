"""The scheduler: a state machine without I/O, threads or clock. Events in, effects out.

It knows tasks and workers by number. It decides; who calls it carries the effects out, in order.
The time comes with each event, so the same events give the same effects.

Rules:
1. A task is in exactly one place: pending, encoding, encoded, assigned to one worker, or gone.
2. When a worker dies, every task assigned to it moves in the same step.
3. Constant work per event, whatever is queued (but for events that end everything).
4. An event about a task or worker that is gone is no error: it crossed its end on the way.
5. Only the task at the head of a worker runs; those behind it were not begun and are never lost.

                Encode          Encoded            Send           Answered
    Submit ──► pending ──► encoding ──► encoded ──► assigned ──► (gone)
                  │            │           │  ▲         │
                  └─ Cancel ───┴───────────┘  └─────────┼─ TakenBack; WorkerDied with retries left
                                                        └─ WorkerDied ──► Fail

    worker:  Spawn ──► starting ── WorkerReady ──► ready ──► stopping ──► (gone)
"""

from __future__ import annotations

from collections import deque
from typing import Final, NoReturn

from . import _effects as do
from . import _events as on
from ._crew import Phase, WorkerState
from ._endings import Budget, Endings
from ._roster import Place, Settings, Status

_HISTORY: Final = 40
_REASONS: Final = {
    do.Cause.TASK_KILLED: "its task was killed",
    do.Cause.TIMED_OUT: "its task ran out of time",
    do.Cause.OVER_LIMIT: "it had more memory than it may have",
}

__all__ = ["Machine", "Phase", "Place", "Settings", "Status"]


def _assert_never(value: object) -> NoReturn:
    raise AssertionError(f"no rule for {value!r}")


class Machine(Endings):
    """The scheduler of one pool; not thread-safe: whoever calls it serializes the calls.

    Args:
        max_workers: the most workers at a time.
        settings: what does not change.
        budget: how many crashes are suffered while nothing is completed; None for any number.
    """

    def __init__(
        self, max_workers: int, settings: Settings | None = None, budget: Budget | None = None
    ) -> None:
        super().__init__(max_workers, settings, budget)
        self.history: deque[tuple[float, on.Event]] = deque(maxlen=_HISTORY)
        self._failed_spawns = 0

    def handle(self, events: tuple[on.Event, ...], now: float) -> list[do.Effect]:
        """Take what happened and return what is to be done, in order.

        Args:
            events: those of one moment, in order; tasks and workers are brought together once.
            now: seconds on a clock that never goes back.
        """
        effects: list[do.Effect] = []
        for event in events:
            self.history.append((now, event))
            self._note(event, now, effects)
        self.settle(now, effects)
        return effects

    def _note(  # noqa: C901, PLR0912 - a line for each event
        self, event: on.Event, now: float, effects: list[do.Effect]
    ) -> None:
        match event:
            case on.Submit():
                self._submit(event, effects)
            case on.Encoded(task):
                self._on_encoded(task)
            case on.Dropped(task):
                self._drop(task, now)
            case on.Answered(worker, task):
                self._answered(worker, task, now)
            case on.TakenBack(worker, tasks):
                self._taken_back(worker, tasks, now, effects)
            case on.KillTask(task):
                self._kill_task(task, effects)
            case on.WorkerSeated(worker):
                effects.append(do.Flush(worker))
            case on.WorkerReady(worker):
                self._ready(worker, now)
            case on.WorkerDied(worker):
                self._died(worker, now, effects)
            case on.SpawnFailed(worker, transient):
                self._spawn_failed(worker, transient, now, effects)
            case on.Retire(worker):
                self._retire(worker, effects)
            case on.OverLimit(worker):
                self._end_running(worker, do.Cause.OVER_LIMIT, None, effects)
            case on.Resize(max_workers):
                self.max_workers = max_workers
            case on.IdleTimeout(seconds):
                self.idle_timeout = seconds
            case on.TimerFired():
                self._timer = None
                self._expire(now, effects)
            case on.Shutdown():
                self.shut_down(event, effects)
            case on.ParentFailed():
                self.break_down(effects, do.Cause.PARENT_FAILED)
            case _:
                _assert_never(event)

    # -- tasks -------------------------------------------------------------------------------

    def _submit(self, event: on.Submit, effects: list[do.Effect]) -> None:
        task = event.task
        if self.status is not Status.OPEN:
            cause, culprit = self.broken_by
            effects.append(do.Fail(task, cause, started=False, worker=culprit))
            return
        if event.options is not None:
            self._options[task] = event.options
        priority = self.options_of(task).priority
        if event.encoded:
            self.tasks[task] = Place.ENCODED
            self._ahead += 1
            self._encoded.push(task, priority)
        else:
            self.tasks[task] = Place.PENDING
            self._pending.push(task, priority)

    def _on_encoded(self, task: int) -> None:
        if self.tasks.get(task) is Place.ENCODING:
            self.tasks[task] = Place.ENCODED
            self._encoded.push(task, self.options_of(task).priority)

    def _drop(self, task: int, now: float) -> None:
        if self.tasks.get(task) is Place.ASSIGNED:
            self.unassign(self._owner(task), task, now)
        if task in self.tasks:
            self.forget(task)

    def _owner(self, task: int) -> int:
        return next(ident for ident, state in self.workers.items() if task in state.assigned)

    def _answered(self, worker: int, task: int, now: float) -> None:
        state = self.workers.get(worker)
        if state is None or task not in state.assigned:
            return
        if self.budget is not None:
            self.budget.refill()
        self.pace.note(now - state.head_since)
        state.done += 1
        if state.done == self.settings.max_tasks:
            state.retiring = True
        self.forget(task)
        self.unassign(worker, task, now)

    def _taken_back(
        self, worker: int, tasks: tuple[int, ...], now: float, effects: list[do.Effect]
    ) -> None:
        state = self.workers.get(worker)
        if state is None:
            return
        state.recalled = False
        state.spent = not tasks
        for task in reversed(tasks):
            if task not in state.assigned:
                continue
            if task == state.target:
                state.target = None
                if task != state.head():  # else it hangs before it: end it
                    state.verdict = None
            del state.assigned[task]
            self.put_back(task, effects)
        if not state.assigned:
            self._show_room(worker, state, now)
        if state.verdict is not None and state.phase is not Phase.STOPPING:
            self._strike(worker, state, effects)

    def _kill_task(self, task: int, effects: list[do.Effect]) -> None:
        place = self.tasks.get(task)
        if place is Place.ASSIGNED:
            self._condemned.add(task)
            self._end_running(self._owner(task), do.Cause.TASK_KILLED, task, effects)
        elif place is not None:
            self.forget(task)
            effects.append(do.Cancel(task))

    def _end_running(
        self, worker: int, verdict: do.Cause, target: int | None, effects: list[do.Effect]
    ) -> None:
        """Kill a worker for what it runs. First take back what it has not begun: none is harmed."""
        state = self.workers.get(worker)
        if state is None or state.phase is Phase.STOPPING or state.verdict is not None:
            return
        state.verdict = verdict
        state.target = target
        if state.recalled:
            return  # the answer to that is on its way
        if len(state.assigned) > 1:
            state.recalled = True
            effects.append(do.Recall(worker))
        else:
            self._strike(worker, state, effects)

    def _strike(self, worker: int, state: WorkerState, effects: list[do.Effect]) -> None:
        """Kill a worker with a verdict, unless its target is done and another task runs."""
        running = next(reversed(state.assigned), None)
        if state.target is not None and running != state.target:
            state.target = state.verdict = None
            if running not in self._condemned:
                return
            state.target, state.verdict = running, do.Cause.TASK_KILLED
        assert state.verdict is not None
        self.kill(worker, _REASONS[state.verdict], effects)

    # -- workers -----------------------------------------------------------------------------

    def _ready(self, worker: int, now: float) -> None:
        state = self.workers.get(worker)
        if state is None or state.phase is not Phase.STARTING:
            return
        self._failed_spawns = 0
        state.phase = Phase.READY
        state.was_ready = True
        self._fresh.pop(worker, None)
        self._show_room(worker, state, now)
        self._begin_head(state, now)

    def _retire(self, worker: int, effects: list[do.Effect]) -> None:
        state = self.workers.get(worker)
        if state is None or state.phase is Phase.STOPPING:
            return
        state.retiring = True
        self._roomy.pop(worker, None)
        if self._idle.pop(worker, self) is None:
            self._leaving[worker] = None
        if len(state.assigned) > 1 and not state.recalled:
            state.recalled = True
            effects.append(do.Recall(worker))

    def _died(  # noqa: C901 - one line for each way to die
        self, worker: int, now: float, effects: list[do.Effect]
    ) -> None:
        state = self.remove_worker(worker)
        if state is None:
            return
        head, *others = state.assigned or (None,)
        if head is not None and not state.was_ready:
            others.insert(0, head)  # a worker that never was ready has begun nothing
            head = None
        for task in reversed(others):
            self.put_back(task, effects)
        if state.phase is Phase.STARTING:
            self.break_down(effects, do.Cause.START_FAILED, worker, state)
        elif head is None:
            # Told to leave, or killed while idle or starting: nothing is lost. But workers that
            # are too big before they are ready come to nothing for ever.
            if state.verdict is do.Cause.OVER_LIMIT and not self.afford(now):
                self.break_down(effects, do.Cause.CRASH_LOOP, worker, state)
        elif head in self._condemned:
            self.judge(head, do.Cause.TASK_KILLED, worker, effects)
        elif head in self.late:
            self.judge(head, do.Cause.TIMED_OUT, worker, effects)
        elif state.verdict is not None:
            self.judge(head, state.verdict, worker, effects)
        elif not self.afford(now):
            self.break_down(effects, do.Cause.CRASH_LOOP, worker, state)
        elif self.settings.isolate or self.may_retry(head):
            self.judge(head, do.Cause.WORKER_DIED, worker, effects)
        else:
            self.break_down(effects, do.Cause.WORKER_DIED, worker, state)

    def _spawn_failed(
        self, worker: int, transient: bool, now: float, effects: list[do.Effect]
    ) -> None:
        state = self.remove_worker(worker)
        if state is None:
            return
        for task in reversed(state.assigned):
            self.requeue(task)
        self._failed_spawns += 1
        tired = self._failed_spawns > self.settings.spawn_retries and not self._live
        if not transient or tired:
            self.break_down(effects, do.Cause.START_FAILED, worker)
            return
        doublings = min(self._failed_spawns, self.settings.spawn_retries)
        self._spawn_again = now + self.settings.spawn_pause * 2.0**doublings

    def _expire(self, now: float, effects: list[do.Effect]) -> None:
        """Do what is due: workers that sat idle, ran out of time, or did not leave."""
        if self._spawn_again is not None and self._spawn_again <= now:
            self._spawn_again = None
        if self.idle_timeout is not None:
            for worker in list(self._idle):
                if self.workers[worker].idle_since + self.idle_timeout > now:
                    break
                self.stop(worker, now, effects)
        self._soonest = None
        for worker, state in list(self.workers.items()):
            if state.deadline is None:
                continue
            if state.deadline > now:
                self.set_deadline(state, state.deadline)
            elif state.phase is Phase.STOPPING:
                self.kill(worker, "it did not end when it was told to", effects)
            elif not state.dumped:
                state.dumped = True
                self.late.update(list(state.assigned)[:1])
                effects.append(do.DumpStacks(worker))
                self.set_deadline(state, now + self.settings.dump_time)
            else:
                state.deadline = None
                self._end_running(worker, do.Cause.TIMED_OUT, state.head(), effects)
