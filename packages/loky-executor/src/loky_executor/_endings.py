"""How tasks end that no worker answered: put back, judged, cancelled, or failed all at once.

The middle of the scheduler, between `_roster` (who has what) and `_machine` (what an event means).
No I/O, no clock, like both.
"""

from __future__ import annotations

from typing import Protocol

from . import _effects as do
from . import _events as on
from ._crew import Phase, WorkerState
from ._roster import Place, Roster, Settings, Status


class Budget(Protocol):
    """How many crashes are suffered while nothing is completed (`loky_backend.RestartBudget`)."""

    def spend(self, now: float) -> bool:
        """Take note of a crash; False if it was one too many."""

    def refill(self) -> None:
        """Take note that a task was completed."""


class Endings(Roster):
    """What is decided about tasks whose worker, or whose pool, is gone.

    Attributes:
        budget: how many crashes are suffered while nothing is completed; None for any number.
        broken_by: what broke the pool, and which worker did.
    """

    def __init__(
        self, max_workers: int, settings: Settings | None = None, budget: Budget | None = None
    ) -> None:
        super().__init__(max_workers, settings)
        self.budget = budget
        self.broken_by: tuple[do.Cause, int | None] = (do.Cause.SHUTDOWN, None)

    def put_back(self, task: int, effects: list[do.Effect]) -> None:
        """A task was assigned and not begun: it is run elsewhere, unless it is to be killed."""
        if task in self._condemned:
            self.forget(task)
            effects.append(do.Fail(task, do.Cause.TASK_KILLED, started=False))
        else:
            self.requeue(task)

    def afford(self, now: float) -> bool:
        """Whether one more crash is within the budget."""
        return self.budget is None or self.budget.spend(now)

    def may_retry(self, task: int) -> bool:
        """Whether a task that crashed is to be run again."""
        return self._crashes.get(task, 0) < self.options_of(task).retries

    def judge(self, task: int, cause: do.Cause, worker: int, effects: list[do.Effect]) -> None:
        """A worker died while it ran this task: run it again if it may be, else fail it."""
        if cause is not do.Cause.TASK_KILLED and self.may_retry(task):
            self._crashes[task] = self._crashes.get(task, 0) + 1
            self.requeue(task)
        else:
            self.forget(task)
            effects.append(do.Fail(task, cause, started=True, worker=worker))

    def shut_down(self, event: on.Shutdown, effects: list[do.Effect]) -> None:
        """Take no more tasks; cancel those that wait, or end everything, if that is asked for."""
        if self.status is Status.OPEN:
            self.status = Status.CLOSING
        if event.cancel or event.kill:
            waiting = [task for task, place in self.tasks.items() if place is not Place.ASSIGNED]
            for task in waiting:
                self.forget(task)
                effects.append(
                    do.Cancel(task)
                    if event.cancel
                    else do.Fail(task, do.Cause.KILLED, started=False)
                )
            self.forget_waiting()
        if event.kill:
            for worker, state in self.workers.items():
                for task in state.assigned:
                    self.forget(task)
                    effects.append(do.Fail(task, do.Cause.KILLED, started=True, worker=worker))
                state.assigned.clear()
                self.kill(worker, "the executor was told to kill its workers", effects)

    def break_down(
        self,
        effects: list[do.Effect],
        cause: do.Cause,
        culprit: int | None = None,
        dead: WorkerState | None = None,
    ) -> None:
        """Fail every task and kill every worker: the pool is broken from now on."""
        if self.status is not Status.BROKEN:
            self.broken_by = (cause, culprit)
        self.status = Status.BROKEN
        started = {state.head() for state in self.workers.values() if state.phase is Phase.READY}
        if dead is not None and dead.phase is Phase.READY:
            started.add(dead.head())
        effects += [
            do.Fail(task, cause, started=task in started, worker=culprit) for task in self.tasks
        ]
        self.tasks.clear()
        self._options.clear()
        self._crashes.clear()
        self._condemned.clear()
        self.late.clear()
        self.forget_waiting()
        for worker, state in self.workers.items():
            state.assigned.clear()
            self.kill(worker, "its executor broke", effects)
