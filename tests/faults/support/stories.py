"""How each place is reached: who runs what, who waits, and when it strikes.

With "many", the workers but one hold a task at the gate while it strikes, and more tasks wait:
so it is known of each task what must become of it.
"""

from __future__ import annotations

from concurrent.futures import wait
from typing import TYPE_CHECKING, Any

from faults.support import places, starting, trapped_module
from faults.support.stage import SECONDS, TIME_LIMIT, Played
from faults.support.ways import strike
from loky_executor._crew import Pace
from support.executor_waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from faults.support.stage import Stage
    from loky_executor import ProcessPoolExecutor

_DEPTH = 32  # tasks that a worker is trusted with where batches are wanted
_START_LIMIT = 1.0
_NESTED_LIMIT = 3.0  # seconds of a task that starts a pool


def before_ready(stage: Stage) -> Played:
    """All workers but one start well; then one comes to grief while it starts."""
    cell = stage.cell
    options: dict[str, Any] = {}
    if cell.place == "import":
        options["initializer"] = trapped_module.initialize
    elif cell.place == "initializer":
        options["initializer"] = starting.initialize
    if cell.hangs and not stage.many:
        options["start_timeout"] = _START_LIMIT
    executor = stage.start(**options)
    held, _ = stage.hold(executor, cell.workers - 1) if stage.many else ([], [])
    stage.armed.touch()
    victim = executor.submit(places.keep, "kept")
    behind = stage.crowd(executor, cell.workers + 4) if stage.many else []
    return Played(executor, victim, held, behind)


def in_a_task(
    stage: Stage,
    task: Callable[..., Any],
    *arguments: object,
    limit: float | None = TIME_LIMIT,
    at_trap: int = 0,
    meanwhile: Callable[[ProcessPoolExecutor], object] = repr,
) -> Played:
    """The victim's worker comes to grief over it.

    Args:
        stage: the stage.
        task: the victim.
        arguments: its arguments.
        limit: seconds it may take if it hangs; None: something else ends it.
        at_trap: how many come to the trap before it strikes.
        meanwhile: called with the executor while they are there.
    """
    executor = stage.start()
    held, pids = stage.hold(executor, stage.cell.workers) if stage.many else ([], [])
    if not stage.many:
        executor.submit(places.keep, 0).result(SECONDS)  # imports are not what takes time
    where = executor if limit is None else stage.limited(executor, limit)
    victim = where.submit(task, *arguments)
    behind = stage.crowd(executor, 2 * stage.cell.workers + 4) if stage.many else []
    if pids:
        stage.gate.let_through(pids[0])
    stage.trap.arrivals(at_trap)
    meanwhile(executor)
    stage.trap.open()
    return Played(executor, victim, held, behind)


def in_a_batch(stage: Stage, task: Callable[..., Any]) -> Played:
    """The victim is answered; its worker, which has more tasks, comes to grief after that."""
    played = _batch(stage, task)
    stage.trap.open()
    return played


def recalled(stage: Stage) -> Played:
    """The other workers do what waited behind the victim, then the victim's worker goes on."""
    played = _batch(stage, places.strike_when_recalled)
    stage.gate.open()
    assert not wait(played.behind, SECONDS).not_done
    stage.trap.open()
    return played


def _batch(stage: Stage, task: Callable[..., Any]) -> Played:
    """Have a victim wait at the trap, with tasks behind it.

    The victim is queued while all workers are held; the one that is to have it, or the first if
    that is not decided yet, is let through, and then trusted with as much as is its share.
    """
    executor = stage.start()
    machine = executor._pool._machine
    machine.pace = Pace(seconds=1e6, most=_DEPTH)  # as if tasks were quick, on a busy machine too
    machine.pace.depth = _DEPTH
    held, pids = stage.hold(executor, stage.cell.workers)
    victim = executor.submit(task, stage.trap.port, *stage.blow)
    behind = stage.crowd(executor, 8 * stage.cell.workers + 8)
    assert eventually(lambda: len(machine.tasks) == len(held) + 1 + len(behind), within=SECONDS)
    owners = [info.pid for info in executor.workers() if has_task(executor, info.ident, victim)]
    stage.gate.let_through((owners or pids)[0])
    pid = stage.trap.arrivals()[0]
    assert eventually(lambda: tasks_of(executor, pid) >= 3, within=SECONDS)
    return Played(executor, victim, held, behind)


def tasks_of(executor: ProcessPoolExecutor, pid: int) -> int:
    """Return how many tasks are with the worker of a pid."""
    return next((info.tasks for info in executor.workers() if info.pid == pid), 0)


def has_task(executor: ProcessPoolExecutor, ident: int, future: Any) -> bool:
    """Say whether a task was given to a worker."""
    return future._task in executor._pool._machine.workers[ident].assigned


def after_a_task(stage: Stage) -> Played:
    """The only task is answered, then its worker comes to grief."""
    executor = stage.start()
    victim = executor.submit(places.return_farewell, stage.trap.port, *stage.blow)
    stage.trap.arrivals()
    stage.trap.open()
    return Played(executor, victim)


def idle(stage: Stage) -> Played:
    """All workers are idle, then one comes to grief."""
    executor = stage.start()
    held, _ = stage.hold(executor, stage.cell.workers) if stage.many else ([], [])
    stage.gate.open()
    wait(held, SECONDS)
    victim = executor.submit(places.lurk, stage.trap.port, *stage.blow)
    victim.result(SECONDS)
    stage.trap.arrivals()
    stage.trap.open()
    return Played(executor, victim, held)


def draining(stage: Stage) -> Played:
    """The victim's worker has done as many tasks as it may, and comes to grief as it leaves."""
    executor = stage.start(max_tasks_per_child=2 if stage.many else 1)
    held, pids = stage.hold(executor, stage.cell.workers) if stage.many else ([], [])
    victim = executor.submit(places.leave_in_anger, *stage.blow)
    behind = stage.crowd(executor, stage.cell.workers + 4) if stage.many else []
    if pids:
        stage.gate.let_through(pids[0])
    return Played(executor, victim, held, behind)


def exiting(stage: Stage) -> Played:
    """Everything is done, then a worker comes to grief as it leaves at shutdown."""
    executor = stage.start()
    held, _ = stage.hold(executor, stage.cell.workers) if stage.many else ([], [])
    stage.gate.open()
    victim = executor.submit(places.leave_in_anger, *stage.blow)
    behind = stage.crowd(executor, 2 * stage.cell.workers) if stage.many else []
    wait([victim, *held, *behind], SECONDS)
    executor.shutdown()
    return Played(executor, victim, held, behind)


STORIES: dict[str, Callable[[Stage], Played]] = {
    "boot": before_ready,
    "import": before_ready,
    "initializer": before_ready,
    "decode": lambda stage: in_a_task(stage, places.keep, places.Trap(*stage.blow)),
    "run": lambda stage: in_a_task(stage, strike, *stage.blow),
    "encode": lambda stage: in_a_task(stage, places.return_bait, *stage.blow),
    "write-small": lambda stage: in_a_task(stage, places.write_small, *stage.blow),
    "write-10MB": lambda stage: in_a_task(stage, places.write_large, 10**7, *stage.blow),
    "write-200MB": lambda stage: in_a_task(
        stage, places.write_large, 2 * 10**8, *stage.blow, limit=3
    ),
    "beside-10MB": lambda stage: in_a_task(stage, places.write_placed, 10**7, *stage.blow),
    "beside-200MB": lambda stage: in_a_task(
        stage, places.write_placed, 2 * 10**8, *stage.blow, limit=3
    ),
    "finalizer": after_a_task,
    "finalizer-batch": lambda stage: in_a_batch(stage, places.return_farewell),
    "between": lambda stage: in_a_batch(stage, places.strike_at_claim),
    "recalled": recalled,
    "idle": idle,
    "draining": draining,
    "closing": lambda stage: in_a_task(
        stage,
        places.strike_later,
        stage.trap.port,
        *stage.blow,
        at_trap=1,
        meanwhile=lambda executor: executor.shutdown(wait=False),
    ),
    "exiting": exiting,
    "nested": lambda stage: in_a_task(stage, places.strike_in_nested, *stage.blow, limit=None),
    "around-nested": lambda stage: in_a_task(
        stage,
        places.strike_around_nested,
        stage.trap.port,
        *stage.blow,
        limit=_NESTED_LIMIT,
        at_trap=2,
    ),
}
