"""From the scheduler's verdict on a task to the exception its user reads."""

from __future__ import annotations

from concurrent.futures import CancelledError

from loky_backend import RemoteTraceback

from . import _effects as do
from ._broken import BrokenProcessPool, TerminatedWorkerError, WorkerStartError
from ._errors import (
    ShutdownExecutorError,
    TaskTimeoutError,
    WorkerMemoryError,
    WorkersKilledError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from loky_backend import Obituary

    from ._errors import Execution
    from ._seats import Seats

_BROKEN = (
    "The executor is broken and takes no more tasks: make a new one (get_reusable_executor does "
    'that by itself), or use on_crash="isolate" to lose only the task that crashed.'
)


def verdict(
    fail: do.Fail,
    seats: Seats,
    failure: BaseException | None,
    history: tuple[str, ...],
    *,
    broken: bool,
) -> BaseException:
    """Return a new exception for one task, with the facts of the death on it.

    Args:
        fail: what the scheduler decided.
        seats: who knows how workers died.
        failure: what went wrong on our own side, if anything did.
        history: what the scheduler was told last.
        broken: whether the pool is broken by it.
    """
    simple = _simple(fail)
    if simple is not None:
        return simple
    obituary, cause = seats.death(fail.worker)
    if obituary is not None and obituary.failure:
        cause = RemoteTraceback(obituary.failure)
    own_doing = _of_a_worker(fail, obituary)
    if own_doing is not None:
        return own_doing
    error = _of_a_pool(fail, obituary, cause, broken=broken)
    error.execution = _execution(fail)
    error.history = history
    error.__cause__ = failure if fail.cause is do.Cause.PARENT_FAILED else cause
    return error


def _simple(fail: do.Fail) -> BaseException | None:
    if fail.cause is do.Cause.SHUTDOWN:
        return ShutdownExecutorError("cannot schedule new tasks after shutdown")
    if fail.cause is do.Cause.TASK_KILLED:
        return CancelledError(f"task {fail.task} was killed")
    if fail.cause is do.Cause.KILLED:
        state = "was with one" if fail.started else "waited"
        error = WorkersKilledError(f"the workers were killed while task {fail.task} {state}")
        error.execution = _execution(fail)
        return error
    return None


def _of_a_worker(
    fail: do.Fail, obituary: Obituary | None
) -> TaskTimeoutError | WorkerMemoryError | None:
    """Return the error of a task whose own doing it was that its worker was killed."""
    if fail.cause is do.Cause.TIMED_OUT:
        late = TaskTimeoutError(f"task {fail.task} ran out of time.\n{obituary}")
        late.obituary = obituary
        return late
    if fail.cause is do.Cause.OVER_LIMIT:
        fat = WorkerMemoryError(
            f"the worker of task {fail.task} had more memory than worker_memory_limit allows.\n"
            f"{obituary}"
        )
        fat.obituary = obituary
        return fat
    return None


def _of_a_pool(
    fail: do.Fail, obituary: Obituary | None, cause: BaseException | None, *, broken: bool
) -> BrokenProcessPool:
    if fail.cause is do.Cause.PARENT_FAILED:
        return BrokenProcessPool(f"the executor itself failed. Task {fail.task} {_fate(fail)}.")
    reason = obituary if obituary is not None else cause
    if fail.cause is do.Cause.START_FAILED:
        unborn = WorkerStartError(
            f"a worker could not be started: {reason}\n\nTask {fail.task} did not start. {_BROKEN}"
        )
        unborn.obituary = obituary
        return unborn
    advice = _BROKEN if broken else "Its worker was replaced; other tasks are not affected."
    if fail.cause is do.Cause.CRASH_LOOP:
        advice = "Workers die again and again while no task is completed. " + _BROKEN
    dead = TerminatedWorkerError(f"{reason}\n\nTask {fail.task} {_fate(fail)}. {advice}")
    dead.obituary = obituary
    return dead


def _fate(fail: do.Fail) -> str:
    return "may have run" if fail.started else "did not start"


def _execution(fail: do.Fail) -> Execution:
    return "may have run" if fail.started else "not started"
