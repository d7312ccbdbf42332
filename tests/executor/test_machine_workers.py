"""The scheduler's machine: how many workers there are, and when they leave."""

from __future__ import annotations

from loky_executor import _effects as do
from loky_executor import _events as on
from loky_executor._machine import Machine, Phase, Settings
from support.executor_machine import feed, idle, running

OLD_AGE = "it did not end when it was told to"


def test_growing_starts_workers_for_waiting_tasks() -> None:
    """A larger limit takes effect at once, and as far as there is work for it."""
    machine = running(1)
    feed(machine, on.Submit(2), on.Submit(3), on.Encoded(2), on.Encoded(3))
    assert feed(machine, on.Resize(8)) == [
        do.Spawn(2),
        do.Spawn(3),
        do.Send(3, 2),
        do.Send(2, 3),
    ]


def test_growing_encodes_further_ahead() -> None:
    """With more workers more tasks are held encoded."""
    machine = Machine(1, Settings(encode_ahead=1))
    feed(machine, on.Submit(1), on.Submit(2), on.Submit(3))
    assert feed(machine, on.Resize(2)) == [do.Spawn(2), do.Encode(2)]


def test_growing_without_work_starts_nobody() -> None:
    """Workers start when tasks need them, not because they may."""
    assert feed(idle(1), on.Resize(8)) == []


def test_shrinking_sends_idle_workers_home() -> None:
    """Surplus idle workers leave at once, the longest idle first."""
    machine = idle(3)
    assert feed(machine, on.Resize(1), now=5) == [do.Stop(1), do.Stop(2), do.SetTimer(15)]


def test_shrinking_waits_for_running_tasks() -> None:
    """A surplus worker that is busy leaves when its task is done, and gets no other."""
    machine = running(2)
    feed(machine, on.Submit(3), on.Encoded(3))
    assert feed(machine, on.Resize(1)) == []
    assert feed(machine, on.Answered(1, 1), now=5) == [do.Stop(1), do.SetTimer(15)]
    assert feed(machine, on.Answered(2, 2), now=6) == [do.Send(2, 3)]


def test_shrinking_takes_a_worker_that_still_starts() -> None:
    """A surplus worker without a task leaves even before it is ready."""
    machine = Machine(2)
    feed(machine, on.Submit(1), on.Encoded(1), on.Submit(2), on.Dropped(2))
    assert feed(machine, on.Resize(1)) == [do.Stop(2), do.SetTimer(10)]
    assert feed(machine, on.WorkerReady(2), on.WorkerDied(2)) == []
    assert list(machine.workers) == [1]


def test_growing_again_while_surplus_workers_leave() -> None:
    """A worker that was told to leave is not called back: another one starts."""
    machine = idle(2)
    feed(machine, on.Resize(1))
    feed(machine, on.Resize(2), on.Submit(3), on.Encoded(3))
    assert feed(machine, on.Submit(4), on.Encoded(4)) == [do.Spawn(3), do.Encode(4), do.Send(3, 4)]


def test_idle_workers_leave_after_the_timeout() -> None:
    """The timer is set for the longest idle worker, and that one is told to stop."""
    machine = running(1)
    machine.handle((on.IdleTimeout(7),), 0)
    assert feed(machine, on.Answered(1, 1), now=3) == [do.SetTimer(10)]
    assert feed(machine, on.TimerFired(), now=10) == [do.Stop(1), do.SetTimer(20)]
    assert feed(machine, on.WorkerDied(1), now=11) == []
    assert machine.workers == {}


def test_a_worker_that_worked_meanwhile_stays() -> None:
    """A timer that fires for a worker which was busy since is set again."""
    machine = idle(1)
    assert feed(machine, on.IdleTimeout(7)) == [do.SetTimer(7)]
    feed(machine, on.Submit(2), on.Encoded(2), now=4)
    feed(machine, on.Answered(1, 2), now=5)
    assert feed(machine, on.TimerFired(), now=7) == [do.SetTimer(12)]


def test_only_those_idle_for_long_leave() -> None:
    """Each idle worker has its own time."""
    machine = running(2)
    feed(machine, on.IdleTimeout(10))
    feed(machine, on.Answered(2, 2), now=1)
    feed(machine, on.Answered(1, 1), now=8)
    assert feed(machine, on.TimerFired(), now=11) == [do.Stop(2), do.SetTimer(18)]


def test_a_busy_worker_never_times_out() -> None:
    """The idle timeout does not touch a worker with a task."""
    machine = running(1)
    feed(machine, on.IdleTimeout(1))
    assert feed(machine, on.TimerFired(), now=100) == []
    assert machine.workers[1].phase is Phase.READY


def test_a_shorter_timeout_takes_effect_at_once() -> None:
    """The timer is brought forward when the timeout is shortened."""
    machine = idle(1)
    assert feed(machine, on.IdleTimeout(100)) == [do.SetTimer(100)]
    assert feed(machine, on.IdleTimeout(5)) == [do.SetTimer(5)]


def test_a_timeout_taken_back_keeps_workers() -> None:
    """None means that workers stay, also when an older timer still fires."""
    machine = idle(1)
    feed(machine, on.IdleTimeout(5), on.IdleTimeout(None))
    assert feed(machine, on.TimerFired(), now=5) == []


def test_a_worker_told_to_leave_is_killed_when_its_grace_is_over() -> None:
    """Ask, wait, kill: the parent never waits for ever."""
    machine = Machine(1, Settings(stop_grace=10))
    feed(machine, on.Submit(1), on.Encoded(1), on.WorkerReady(1), on.Answered(1, 1))
    assert feed(machine, on.Shutdown(), now=1) == [do.Stop(1), do.SetTimer(11)]
    assert feed(machine, on.TimerFired(), now=11) == [do.Kill(1, OLD_AGE)]
    assert feed(machine, on.WorkerDied(1), now=12) == [do.Ended()]


def test_a_timer_that_fires_early_is_set_again() -> None:
    """A timer that fires before the grace is over kills nobody."""
    machine = idle(1)
    feed(machine, on.Shutdown(), now=1)
    assert feed(machine, on.TimerFired(), now=4) == [do.SetTimer(11)]


def test_a_killed_worker_is_killed_once() -> None:
    """After the kill the timer has nothing more to do."""
    machine = idle(1)
    feed(machine, on.Shutdown(), now=1)
    feed(machine, on.TimerFired(), now=11)
    assert feed(machine, on.TimerFired(), now=50) == []


def test_an_idle_worker_may_die_without_harm() -> None:
    """With an idle worker nothing is lost; the next task starts another."""
    machine = idle(1)
    assert feed(machine, on.WorkerDied(1)) == []
    assert feed(machine, on.Submit(2), on.Encoded(2)) == [do.Spawn(2), do.Encode(2), do.Send(2, 2)]


def test_events_about_gone_workers_are_ignored() -> None:
    """What a worker sent before it died does nothing afterwards."""
    machine = idle(1)
    feed(machine, on.WorkerDied(1))
    late = [on.WorkerReady(1), on.Answered(1, 1), on.WorkerDied(1), on.WorkerDied(99)]
    assert feed(machine, *late) == []


def test_numbers_of_workers_are_never_used_again() -> None:
    """A late event about a dead worker cannot be taken for its successor's."""
    machine = idle(1)
    feed(machine, on.WorkerDied(1))
    assert feed(machine, on.Submit(2), on.Encoded(2))[0] == do.Spawn(2)
    feed(machine, on.WorkerReady(2), on.Answered(2, 2), on.WorkerDied(2))
    assert feed(machine, on.Submit(3), on.Encoded(3))[0] == do.Spawn(3)


def test_a_recall_that_brings_nothing_is_not_repeated() -> None:
    """What a worker has begun cannot be had back: it is asked again only after it got new tasks."""
    machine = Machine(2, Settings(depth=4, patience=1))
    machine.pace.depth = 4
    feed(machine, *(on.Submit(task, encoded=True) for task in range(1, 7)))
    feed(machine, on.WorkerReady(1), on.WorkerReady(2))
    first, second = machine.workers[1].assigned, machine.workers[2].assigned
    assert (len(first), len(second)) == (3, 3)
    feed(machine, *(on.Answered(2, task) for task in list(second)))
    assert feed(machine, on.TimerFired(), now=1) == [do.Recall(1)]
    assert do.Recall(1) not in feed(machine, on.TakenBack(1, ()), now=2)
    assert do.Recall(1) not in feed(machine, on.TimerFired(), now=3)


def test_a_worker_that_hangs_between_two_tasks_is_ended_for_the_next() -> None:
    """A killed task that is first in its worker and was not begun: the worker is stuck before it.

    1. It answers a task and is stopped (SIGSTOP) before it claims the next. 2. The next one is
    killed by its user; since it was not begun it is taken back, and cancelled. 3. The worker, which
    now has nothing, would be given the tasks that wait, and keep them.
    """
    machine = _with_batch()
    assert feed(machine, on.KillTask(2)) == [do.Recall(1)]
    effects = feed(machine, on.TakenBack(1, (2, 3, 4)))
    assert do.Fail(2, do.Cause.TASK_KILLED, started=False) in effects
    assert do.Kill(1, "its task was killed") in effects
    assert not any(isinstance(effect, do.Send) and effect.worker == 1 for effect in effects)


def test_a_worker_is_not_ended_for_a_killed_task_that_waits_in_it() -> None:
    """It goes on with the one that it runs."""
    machine = _with_batch()
    assert feed(machine, on.KillTask(3)) == [do.Recall(1)]
    effects = feed(machine, on.TakenBack(1, (3, 4)))
    assert do.Fail(3, do.Cause.TASK_KILLED, started=False) in effects
    assert not any(isinstance(effect, do.Kill) for effect in effects)


def _with_batch() -> Machine:
    """Return a machine whose one worker has answered task 1 and has 2, 3 and 4."""
    machine = Machine(1, Settings(depth=4))
    machine.pace.depth = 4
    feed(machine, *map(on.Submit, range(1, 5)), *map(on.Encoded, range(1, 5)))
    feed(machine, on.WorkerReady(1), on.Answered(1, 1))
    assert list(machine.workers[1].assigned) == [2, 3, 4]
    return machine
