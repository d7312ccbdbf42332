"""The scheduler's machine: how a pool breaks, closes and ends."""

from __future__ import annotations

from loky_executor import _effects as do
from loky_executor import _events as on
from loky_executor._machine import Machine, Status
from support.executor_machine import feed, idle, running

BROKE = "its executor broke"
TOLD = "the executor was told to kill its workers"


def test_a_death_at_work_breaks_the_pool() -> None:
    """Every task fails in the step in which a busy worker died, and the others are killed."""
    machine = running(2)
    feed(machine, on.Submit(3), on.Encoded(3), on.Submit(4), on.Submit(5))
    assert feed(machine, on.WorkerDied(2)) == [
        do.Fail(1, do.Cause.WORKER_DIED, started=True, worker=2),
        do.Fail(2, do.Cause.WORKER_DIED, started=True, worker=2),
        do.Fail(3, do.Cause.WORKER_DIED, started=False, worker=2),
        do.Fail(4, do.Cause.WORKER_DIED, started=False, worker=2),
        do.Fail(5, do.Cause.WORKER_DIED, started=False, worker=2),
        do.Kill(1, BROKE),
    ]
    assert (machine.status, machine.tasks) == (Status.BROKEN, {})
    assert feed(machine, on.WorkerDied(1)) == [do.Ended()]


def test_a_death_at_start_breaks_the_pool() -> None:
    """A worker that never became ready did not start the task it was sent."""
    machine = Machine(1)
    feed(machine, on.Submit(1), on.Encoded(1))
    assert feed(machine, on.WorkerDied(1)) == [
        do.Fail(1, do.Cause.START_FAILED, started=False, worker=1),
        do.Ended(),
    ]


def test_a_worker_that_cannot_start_breaks_the_pool_also_without_a_task() -> None:
    """What cannot start now would not start later: the pool breaks at once, not at each task."""
    machine = Machine(1)
    feed(machine, on.Submit(1), on.Dropped(1))
    assert feed(machine, on.WorkerDied(1)) == [do.Ended()]
    assert machine.status is Status.BROKEN


def test_answers_that_cross_the_break_are_ignored() -> None:
    """A task that failed with the pool is not answered a second time."""
    machine = running(2)
    feed(machine, on.Submit(3))
    feed(machine, on.WorkerDied(1))
    assert feed(machine, on.Answered(2, 2), on.Encoded(3), on.Dropped(3), on.WorkerReady(2)) == []


def test_a_task_that_crosses_the_break_is_not_told_of_a_shutdown() -> None:
    """A task submitted while the pool broke fails with the break as its reason."""
    machine = running(1)
    feed(machine, on.WorkerDied(1))
    (fail,) = feed(machine, on.Submit(2))
    assert isinstance(fail, do.Fail)
    assert (fail.task, fail.started) == (2, False)
    assert fail.cause is not do.Cause.SHUTDOWN


def test_a_failure_of_our_own_side_fails_everything() -> None:
    """If the pool itself fails, no task waits for it."""
    machine = running(1)
    feed(machine, on.Submit(2))
    assert feed(machine, on.ParentFailed()) == [
        do.Fail(1, do.Cause.PARENT_FAILED, started=True),
        do.Fail(2, do.Cause.PARENT_FAILED, started=False),
        do.Kill(1, BROKE),
    ]


def test_shutdown_of_an_unused_pool_ends_it() -> None:
    """Without workers and tasks there is nothing to wait for."""
    assert feed(Machine(4), on.Shutdown()) == [do.Ended()]


def test_shutdown_finishes_what_was_accepted() -> None:
    """Running and queued tasks are done before the workers are told to leave."""
    machine = running(1)
    feed(machine, on.Submit(2), on.Encoded(2))
    assert feed(machine, on.Shutdown()) == []
    assert feed(machine, on.Answered(1, 1)) == [do.Send(1, 2)]
    assert feed(machine, on.Answered(1, 2), now=3) == [do.Stop(1), do.SetTimer(13)]
    assert feed(machine, on.WorkerDied(1)) == [do.Ended()]


def test_shutdown_still_starts_workers_for_queued_tasks() -> None:
    """A pool that closes needs workers for what it has accepted, also after one died idle."""
    machine = idle(1)
    feed(machine, on.Submit(2), on.Shutdown())
    assert feed(machine, on.WorkerDied(1)) == [do.Spawn(2)]
    assert feed(machine, on.Encoded(2)) == [do.Send(2, 2)]


def test_shutdown_tells_every_unoccupied_worker_to_leave() -> None:
    """With nothing left to do the idle and the starting ones leave at once."""
    machine = idle(2, max_workers=3)
    feed(machine, on.Submit(3), on.Submit(4), on.Submit(5))
    feed(machine, on.Dropped(3), on.Dropped(4), on.Dropped(5))
    assert feed(machine, on.Shutdown()) == [do.Stop(1), do.Stop(2), do.Stop(3), do.SetTimer(10)]


def test_after_shutdown_tasks_are_refused() -> None:
    """A task that crosses the shutdown fails; it is not queued."""
    machine = running(1)
    feed(machine, on.Shutdown())
    assert feed(machine, on.Submit(2)) == [do.Fail(2, do.Cause.SHUTDOWN, started=False)]


def test_shutdown_with_cancel_drops_what_did_not_start() -> None:
    """Waiting tasks are cancelled wherever they wait; the running one goes on."""
    machine = running(1)
    feed(machine, on.Submit(2), on.Encoded(2), on.Submit(3), on.Submit(4))
    assert feed(machine, on.Shutdown(cancel=True)) == [do.Cancel(2), do.Cancel(3), do.Cancel(4)]
    assert feed(machine, on.Encoded(3)) == []
    assert feed(machine, on.Answered(1, 1)) == [do.Stop(1), do.SetTimer(10)]


def test_shutdown_with_kill_ends_everything_at_once() -> None:
    """Running and waiting tasks fail, workers are killed."""
    machine = running(2)
    feed(machine, on.Submit(3), on.Answered(2, 2))
    assert feed(machine, on.Shutdown(kill=True)) == [
        do.Fail(3, do.Cause.KILLED, started=False),
        do.Fail(1, do.Cause.KILLED, started=True, worker=1),
        do.Kill(1, TOLD),
        do.Kill(2, TOLD),
    ]
    assert feed(machine, on.WorkerDied(1)) == []
    assert feed(machine, on.WorkerDied(2)) == [do.Ended()]


def test_a_kill_may_follow_a_gentle_shutdown() -> None:
    """Who waited long enough can still end it: also workers that were told to leave."""
    machine = running(2)
    feed(machine, on.Shutdown(), on.Answered(1, 1), on.Answered(2, 2))
    assert feed(machine, on.Shutdown(kill=True)) == [do.Kill(1, TOLD), do.Kill(2, TOLD)]


def test_shutdown_again_changes_nothing() -> None:
    """Shutting down is idempotent."""
    machine = running(1)
    assert feed(machine, on.Shutdown(), on.Shutdown()) == []


def test_a_break_while_closing_fails_the_rest() -> None:
    """A pool that closes can still break; then its tasks fail like any others."""
    machine = running(1)
    feed(machine, on.Submit(2), on.Shutdown())
    assert feed(machine, on.WorkerDied(1)) == [
        do.Fail(1, do.Cause.WORKER_DIED, started=True, worker=1),
        do.Fail(2, do.Cause.WORKER_DIED, started=False, worker=1),
        do.Ended(),
    ]


def test_the_death_of_a_worker_that_leaves_breaks_nothing() -> None:
    """However a worker ends after it was told to: nothing was lost."""
    machine = running(2)
    feed(machine, on.Resize(1), on.Answered(1, 1))
    assert feed(machine, on.WorkerDied(1)) == []
    assert machine.status is Status.OPEN


def test_a_broken_pool_that_is_shut_down_stays_broken() -> None:
    """Shutdown after a break does not hide that it broke, nor ends it twice."""
    machine = running(1)
    assert do.Ended() in feed(machine, on.WorkerDied(1))
    assert feed(machine, on.Shutdown(cancel=True), on.Shutdown(kill=True)) == []
    assert machine.status is Status.BROKEN


def test_the_end_is_told_once() -> None:
    """Nothing that comes after the end tells it again."""
    machine = idle(1)
    feed(machine, on.Shutdown())
    late = [on.WorkerDied(1), on.TimerFired(), on.Shutdown(kill=True), on.Resize(3)]
    assert feed(machine, *late, on.ParentFailed()) == [do.Ended()]


def test_a_pool_without_a_shutdown_never_ends() -> None:
    """An open pool whose last worker left waits for tasks."""
    machine = idle(1)
    assert feed(machine, on.WorkerDied(1)) == []
    assert machine.status is Status.OPEN
