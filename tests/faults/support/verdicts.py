"""What must have happened: one function for each word of `table.GRID`."""

from __future__ import annotations

import builtins
from concurrent.futures import CancelledError, Future, wait
from typing import TYPE_CHECKING, Any

import pytest

from faults.support.places import collect_at_gate, keep, keep_at_gate
from faults.support.stage import SECONDS
from faults.support.table import WORDS
from faults.support.ways import struck
from loky_executor import (
    BrokenProcessPool,
    ProcessPoolExecutor,
    ShutdownExecutorError,
    TaskTimeoutError,
    TerminatedWorkerError,
    WorkersKilledError,
    WorkerStartError,
)
from support.executor_gate import Gate
from support.executor_waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from faults.support.stage import Played, Stage

_RAISED = {"raise": ("ValueError", "struck on purpose"), "exit": ("SystemExit", "6")}
_NOTHING_RAISED = ("MemoryError", "")
_AT_START = {"exit": "SystemExit: 6", "loop": "not ready in time", "SIGSTOP": "not ready in time"}
_LATE_LIMIT = 1.0


def fine(stage: Stage, played: Played) -> None:
    """Nobody notices."""
    pids = stage.wait_for_strike()
    _kept(played.victim, pids)
    _unharmed(stage, played)
    assert set(pids) <= _pids(played.executor)


def raised(stage: Stage, played: Played) -> None:
    """The task raises what was raised; its worker goes on."""
    error = _error(played.victim)
    kind, text = _RAISED.get(stage.cell.way, _NOTHING_RAISED)
    assert type(error) is getattr(builtins, kind)
    assert str(error) == text
    _unharmed(stage, played)
    if stage.cell.place not in ("nested", "closing"):
        assert set(struck(stage.mark)) <= _pids(played.executor)


def inner(stage: Stage, played: Played) -> None:
    """The task raises the error of the nested pool; its worker goes on."""
    kind = TaskTimeoutError if stage.cell.hangs else TerminatedWorkerError
    _has_died(stage, _error(played.victim), kind)
    _unharmed(stage, played)


def late(stage: Stage, played: Played) -> None:
    """The task ran out of time; its worker is replaced."""
    _has_died(stage, _error(played.victim), TaskTimeoutError)
    _unharmed(stage, played)
    assert not set(struck(stage.mark)) & _pids(played.executor)


def died(stage: Stage, played: Played) -> None:
    """The task fails; what else does is the policy's decision."""
    _has_died(stage, _error(played.victim), TerminatedWorkerError)
    if stage.cell.policy == "isolate":
        _unharmed(stage, played)
        return
    _held_ones_died(played)
    assert _told(played.behind) <= {"not started"}
    _broken(played)


def unborn(stage: Stage, played: Played) -> None:
    """No worker can be started: all tasks fail, under either policy."""
    stage.wait_for_strike()
    tasks = [played.victim, *played.held, *played.behind]
    if stage.cell.hangs and stage.many:  # there is no time limit: it is ended by hand
        played.executor.shutdown(kill_workers=True)
        assert {type(_error(future)) for future in played.held} <= {WorkersKilledError}
        assert {type(_error(future)) for future in tasks} <= {WorkersKilledError, CancelledError}
        return
    for future in tasks:
        error = _error(future)
        assert type(error) is WorkerStartError
        words = _AT_START.get(stage.cell.way, WORDS[stage.cell.way])
        if (stage.cell.place, stage.cell.way) == ("boot", "exit"):
            words = "exited with code 1"  # Python itself cannot start then
        assert words in str(error)
        assert error.obituary is not None
        assert [error.obituary.pid] == struck(stage.mark)
    assert len({id(future.exception()) for future in tasks}) == len(tasks)
    assert _told(played.held) <= {"may have run"}
    assert _told([played.victim, *played.behind]) == {"not started"}
    _broken(played)


def next(stage: Stage, played: Played) -> None:  # noqa: A001 - a word of the table
    """The task has its result; the next one of the batch is to blame, as far as can be told."""
    pids = stage.wait_for_strike()
    _kept(played.victim, pids)
    if stage.cell.policy == "isolate":
        stage.gate.open()
        errors = [error for error in map(_error, played.behind) if error is not None]
        assert len(errors) == 1
        _has_died(stage, errors[0], TerminatedWorkerError)
        played.behind = [future for future in played.behind if future.exception() is None]
        _in_order(played.held, played.behind, ordered=False)
        _goes_on(stage, played)
        return
    errors = [_error(future) for future in played.behind]
    blamed = [error for error in errors if error.execution == "may have run"]
    assert len(blamed) == 1
    _has_died(stage, blamed[0], TerminatedWorkerError)
    assert {type(error) for error in errors} == {TerminatedWorkerError}
    _held_ones_died(played)
    _broken(played)


def stuck(stage: Stage, played: Played) -> None:
    """The task has its result; the next one hangs, and can be killed."""
    pids = stage.wait_for_strike()
    _kept(played.victim, pids)
    [blamed] = [future for future in played.behind if future._task == _head(played.executor, pids)]
    assert blamed.kill()
    assert type(_error(blamed)) is CancelledError
    stage.gate.open()
    played.behind.remove(blamed)
    wait(played.behind, SECONDS)
    _in_order(played.held, played.behind, ordered=False)
    _goes_on(stage, played)
    assert not set(pids) & _pids(played.executor)


def gone(stage: Stage, played: Played) -> None:
    """The worker had no task: nobody notices."""
    pids = stage.wait_for_strike()
    _kept(played.victim, pids)
    assert eventually(lambda: not set(pids) & _pids(played.executor), within=SECONDS)
    _unharmed(stage, played)


def hangs(stage: Stage, played: Played) -> None:
    """The worker has no task: the next one that it gets runs out of time."""
    _kept(played.victim, stage.wait_for_strike())
    _one_of_all_is_late(stage, played, keep_at_gate, missing=1)
    _unharmed(stage, played)


def apart(stage: Stage, played: Played) -> None:
    """The worker does its tasks beside the thread that loops, until one must stop that thread."""
    pids = stage.wait_for_strike()
    _kept(played.victim, pids)
    _unharmed(stage, played)
    assert set(pids) <= _pids(played.executor)
    _one_of_all_is_late(stage, played, collect_at_gate, missing=0)
    _goes_on(stage, played)


def left(stage: Stage, played: Played) -> None:
    """The worker was leaving: nobody notices."""
    pids = stage.wait_for_strike()
    _kept(played.victim, pids)
    _unharmed(stage, played)
    assert eventually(lambda: not set(pids) & _pids(played.executor), within=SECONDS)


# -- what the words have in common ---------------------------------------------------------------


def _error(future: Future[Any]) -> Any:
    """Return the exception of a task, None if it has a result."""
    try:
        return future.exception(SECONDS)
    except CancelledError as error:
        return error


def _kept(victim: Future[Any], pids: list[int]) -> None:
    """The victim has its result: a text, or the pid of its worker."""
    assert victim.result(SECONDS) in ("kept", *pids)


def _one_of_all_is_late(
    stage: Stage, played: Played, task: Callable[[object, int], object], missing: int
) -> None:
    """Give every worker a task that waits at a gate: one runs out of time.

    So many of them never come to the gate.
    """
    living = len(_pids(played.executor))
    gate = Gate()
    view = played.executor.options(timeout=_LATE_LIMIT)
    tasks = [view.submit(task, number, gate.port) for number in range(living)]
    gate.arrivals(living - missing)
    gate.open()
    errors = [error for error in map(_error, tasks) if error is not None]
    assert len(errors) == 1
    _has_died(stage, errors[0], TaskTimeoutError)


def _has_died(stage: Stage, error: Any, kind: type[Any]) -> None:
    """The error is of this kind, says how it died, and of which process."""
    assert type(error) is kind
    assert WORDS[stage.cell.way] in str(error)
    assert error.execution == "may have run"
    assert error.obituary is not None
    assert [error.obituary.pid] == struck(stage.mark)


def _unharmed(stage: Stage, played: Played) -> None:
    """All siblings have their results, and the executor goes on."""
    stage.gate.open()
    _in_order(played.held, played.behind, ordered=True)
    _goes_on(stage, played)


def _in_order(*groups: Iterable[Future[Any]], ordered: bool) -> None:
    for group in groups:
        results = [future.result(SECONDS) for future in group]
        assert results == (list(range(len(results))) if ordered else sorted(set(results)))


def _goes_on(stage: Stage, played: Played) -> None:
    if stage.cell.place in ("closing", "exiting"):
        with pytest.raises(ShutdownExecutorError):
            played.executor.submit(keep, 0)
    else:
        assert played.executor.submit(keep, "on").result(SECONDS) == "on"
        assert played.executor.usable


def _broken(played: Played) -> None:
    assert not played.executor.usable
    with pytest.raises(BrokenProcessPool):
        played.executor.submit(keep, 0)


def _held_ones_died(played: Played) -> None:
    """Of the tasks that were held the one that the victim came after is done, no other."""
    errors = [error for error in map(_error, played.held) if error is not None]
    assert len(errors) == max(0, len(played.held) - 1)
    assert {type(error) for error in errors} <= {TerminatedWorkerError}
    assert {error.execution for error in errors} <= {"may have run"}


def _told(tasks: Iterable[Future[Any]]) -> set[str]:
    """Return what the errors of some tasks say about whether they ran."""
    return {_error(future).execution for future in tasks}


def _pids(executor: ProcessPoolExecutor) -> set[int]:
    return {worker.pid for worker in executor.workers()}


def _head(executor: ProcessPoolExecutor, pids: list[int]) -> int | None:
    """Return the number of the task that the worker with this pid has before all others."""
    [ident] = [worker.ident for worker in executor.workers() if worker.pid in pids]
    return executor._pool._machine.workers[ident].head()
