"""From the scheduler's verdict on a task to the exception its user reads."""

from __future__ import annotations

from loky_backend import RemoteTraceback

from . import _effects as do
from ._broken import BrokenProcessPool, TerminatedWorkerError, WorkerStartError
from ._errors import ShutdownExecutorError, WorkersKilledError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from . import _events as on
    from ._seats import Seats


def verdict(
    fail: do.Fail,
    seats: Seats,
    failure: BaseException | None,
    history: Iterable[tuple[float, on.Event]],
) -> Exception:
    """Return a new exception for one task, with the facts of the death on it.

    Args:
        fail: what the scheduler decided.
        seats: who knows how workers died.
        failure: what went wrong on our own side, if anything did.
        history: what the scheduler was told last.
    """
    if fail.cause is do.Cause.SHUTDOWN:
        return ShutdownExecutorError("cannot schedule new tasks after shutdown")
    if fail.cause is do.Cause.KILLED:
        return WorkersKilledError("the executor was told to kill its workers")
    obituary, cause = seats.death(fail.worker)
    if obituary is not None and obituary.failure:
        cause = RemoteTraceback(obituary.failure)
    execution = "may have run" if fail.started else "not started"
    error: BrokenProcessPool
    if fail.cause is do.Cause.WORKER_DIED:
        dead = TerminatedWorkerError(
            f"{obituary}\n\nThis task {_fate(fail.started)}. The executor is broken and takes no "
            "more tasks: make a new one (get_reusable_executor does that by itself)."
        )
        dead.obituary = obituary
        error = dead
    elif fail.cause is do.Cause.START_FAILED:
        reason = obituary if obituary is not None else cause
        unborn = WorkerStartError(f"a worker could not be started: {reason}")
        unborn.obituary = obituary
        error = unborn
    else:
        cause = failure
        error = BrokenProcessPool(f"the executor itself failed: {failure!r}")
    error.execution = execution  # type: ignore[assignment]
    error.history = tuple(f"{when:.6f} {event}" for when, event in history)
    error.__cause__ = cause
    return error


def _fate(started: bool) -> str:
    return "may have run on it or on another worker" if started else "did not start"
