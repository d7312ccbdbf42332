"""The scheduler's machine: what becomes of a task, event by event."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from loky_executor import _effects as do
from loky_executor import _events as on
from loky_executor._machine import Machine, Place, Settings
from support.executor_machine import feed, idle, running

if TYPE_CHECKING:
    from types import FrameType


def test_the_first_task_starts_a_worker_and_is_encoded() -> None:
    """A worker is started before the task is encoded, so that both happen at once."""
    assert feed(Machine(2), on.Submit(1)) == [do.Spawn(1), do.Encode(1)]


def test_an_encoded_task_is_sent_to_a_worker_that_still_starts() -> None:
    """A task need not wait until its worker is ready: the channel holds it."""
    machine = Machine(2)
    feed(machine, on.Submit(1))
    assert feed(machine, on.Encoded(1)) == [do.Send(1, 1)]
    assert feed(machine, on.WorkerReady(1)) == []


def test_an_answer_ends_the_task_and_frees_the_worker() -> None:
    """After its answer a task is gone, and its worker gets the next one."""
    machine = running(1)
    assert feed(machine, on.Answered(1, 1)) == []
    assert machine.tasks == {}
    assert feed(machine, on.Submit(2)) == [do.Encode(2)]
    assert feed(machine, on.Encoded(2)) == [do.Send(1, 2)]


def test_an_answer_may_come_before_the_worker_is_known_to_be_ready() -> None:
    """An answer from a starting worker ends the task; the worker is free again."""
    machine = Machine(1)
    feed(machine, on.Submit(1), on.Encoded(1))
    assert feed(machine, on.Answered(1, 1)) == []
    assert feed(machine, on.Submit(2), on.Encoded(2)) == [do.Encode(2), do.Send(1, 2)]


def test_workers_are_started_one_per_task_up_to_the_limit() -> None:
    """Each task that finds no free worker starts one, never more than max_workers."""
    machine = Machine(2)
    effects = feed(machine, on.Submit(1), on.Submit(2), on.Submit(3))
    spawned = [effect for effect in effects if isinstance(effect, do.Spawn)]
    assert spawned == [do.Spawn(1), do.Spawn(2)]


def test_no_worker_is_started_while_one_is_idle() -> None:
    """A task that an idle worker can take starts none."""
    machine = idle(1, max_workers=4)
    assert feed(machine, on.Submit(9), on.Encoded(9)) == [do.Encode(9), do.Send(1, 9)]


def test_only_so_many_tasks_are_encoded_ahead() -> None:
    """A long queue holds objects, not bytes: encoding stays two tasks per worker ahead."""
    machine = Machine(1, Settings(encode_ahead=2))
    assert feed(machine, *(on.Submit(task) for task in range(1, 6))) == [
        do.Spawn(1),
        do.Encode(1),
        do.Encode(2),
    ]
    assert feed(machine, on.Encoded(1)) == [do.Send(1, 1), do.Encode(3)]


def test_tasks_are_sent_in_the_order_in_which_they_were_encoded() -> None:
    """First encoded, first sent."""
    machine = running(1)
    feed(machine, on.Submit(2), on.Submit(3), on.Encoded(3), on.Encoded(2))
    assert feed(machine, on.Answered(1, 1)) == [do.Send(1, 3)]
    assert feed(machine, on.Answered(1, 3)) == [do.Send(1, 2)]


def test_the_worker_that_was_busy_last_gets_the_next_task() -> None:
    """Work goes to the warmest worker, so that those idle for long can leave."""
    machine = running(2)
    feed(machine, on.Answered(1, 1), now=1)
    feed(machine, on.Answered(2, 2), now=2)
    assert feed(machine, on.Submit(3), on.Encoded(3), now=3) == [do.Encode(3), do.Send(2, 3)]


def test_a_ready_worker_is_preferred_to_one_that_starts() -> None:
    """A task waits for no interpreter to start if another worker is ready."""
    machine = running(1, max_workers=2)
    feed(machine, on.Submit(2), on.Answered(1, 1))
    assert feed(machine, on.Encoded(2)) == [do.Send(1, 2)]


def test_cancel_while_pending() -> None:
    """A task cancelled in the queue is never encoded, and the next one takes its turn."""
    machine = Machine(1, Settings(encode_ahead=1))
    feed(machine, on.Submit(1), on.Submit(2), on.Submit(3))
    assert feed(machine, on.Dropped(2)) == []
    assert feed(machine, on.Encoded(1)) == [do.Send(1, 1), do.Encode(3)]


def test_cancel_while_encoding() -> None:
    """The room of a task cancelled while it is encoded is given on; its bytes are ignored."""
    machine = Machine(1, Settings(encode_ahead=1))
    feed(machine, on.Submit(1), on.Submit(2))
    assert feed(machine, on.Dropped(1)) == [do.Encode(2)]
    assert feed(machine, on.Encoded(1)) == []
    assert feed(machine, on.Encoded(2)) == [do.Send(1, 2)]


def test_cancel_while_encoded() -> None:
    """A task cancelled with its bytes ready is never sent."""
    machine = running(1)
    feed(machine, on.Submit(2), on.Submit(3), on.Encoded(2), on.Encoded(3))
    assert feed(machine, on.Dropped(2)) == []
    assert feed(machine, on.Answered(1, 1)) == [do.Send(1, 3)]


def test_cancel_of_an_assigned_task() -> None:
    """A task found cancelled when it was to be sent leaves its worker to the next one."""
    machine = running(1)
    feed(machine, on.Submit(2), on.Encoded(2))
    assert feed(machine, on.Dropped(1)) == [do.Send(1, 2)]
    assert machine.tasks == {2: Place.ASSIGNED}


def test_a_task_that_cannot_be_encoded_is_dropped() -> None:
    """What fails to encode costs nothing but itself; the worker started for it stays."""
    machine = Machine(1)
    feed(machine, on.Submit(1))
    assert feed(machine, on.Dropped(1), on.WorkerReady(1)) == []
    assert feed(machine, on.Submit(2), on.Encoded(2)) == [do.Encode(2), do.Send(1, 2)]


def test_events_about_gone_tasks_are_ignored() -> None:
    """What crossed the end of its task on the way does nothing."""
    machine = idle(1)
    assert feed(machine, on.Encoded(1), on.Dropped(1), on.Answered(1, 1)) == []
    assert feed(machine, on.Encoded(77), on.Dropped(77), on.Answered(1, 77)) == []


def test_a_second_answer_is_ignored() -> None:
    """Only the worker that has a task can answer it, once."""
    machine = running(2)
    assert feed(machine, on.Answered(2, 1)) == []
    assert machine.tasks == {1: Place.ASSIGNED, 2: Place.ASSIGNED}


def test_encoded_twice_is_once() -> None:
    """Being told again that a task is encoded does not send it again."""
    machine = running(1)
    feed(machine, on.Submit(2), on.Encoded(2), on.Encoded(2))
    assert feed(machine, on.Answered(1, 1)) == [do.Send(1, 2)]
    assert feed(machine, on.Answered(1, 2)) == []


def test_the_same_events_give_the_same_effects() -> None:
    """The machine reads no clock and rolls no dice."""
    events = [on.Submit(1), on.Submit(2), on.Encoded(2), on.WorkerReady(1), on.Answered(1, 2)]
    first, second = Machine(2), Machine(2)
    assert feed(first, *events) == feed(second, *events)


def test_the_history_keeps_the_last_events_only() -> None:
    """For bug reports the machine remembers what it was told last, and no more."""
    machine = Machine(1)
    for task in range(1000):
        machine.handle((on.Submit(task),), float(task))
    assert len(machine.history) == 40
    assert machine.history[-1] == (999.0, on.Submit(999))


def test_an_unknown_event_is_an_error() -> None:
    """A machine told what it has no rule for says so."""
    machine = Machine(1)
    with pytest.raises(AssertionError, match="no rule for 'what"):
        machine.handle(("what?",), 0.0)  # type: ignore[arg-type]


def _lines_run(machine: Machine, event: on.Event) -> int:
    """Return how many lines the machine executes for an event."""
    count = 0

    def trace(frame: FrameType, kind: str, argument: object) -> object:
        nonlocal count
        count += kind == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        machine.handle((event,), 0.0)
    finally:
        sys.settrace(before)
    return count


def _costs(queued: int) -> list[int]:
    machine = running(4)
    feed(machine, *(on.Submit(task) for task in range(100, 100 + queued)))
    events = [
        on.Submit(50),
        on.Encoded(100),
        on.Dropped(50),
        on.Dropped(101),
        on.Answered(2, 2),
        on.Encoded(102),
        on.TimerFired(),
    ]
    return [_lines_run(machine, event) for event in events]


def test_an_event_costs_the_same_however_much_is_queued() -> None:
    """Lines executed per event do not depend on the number of queued tasks."""
    assert _costs(queued=5000) == _costs(queued=50)
