"""The errors of a broken pool. Apart from the others, since their base class is a slow import.

`concurrent.futures.process` brings most of `multiprocessing` with it (15 ms); a program whose pool
does not break need not pay that before its first result.
"""

from __future__ import annotations

try:
    from concurrent.futures.process import BrokenProcessPool as StandardBrokenProcessPool
except RuntimeError:  # imported for the first time after the main thread ended: it refuses
    from concurrent.futures import BrokenExecutor as StandardBrokenProcessPool  # type: ignore[assignment]

from ._errors import ExecutorError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from loky_backend import Obituary

    from ._errors import Execution


class BrokenProcessPool(ExecutorError, StandardBrokenProcessPool):  # noqa: N818 - its known name
    """The pool broke: no task of it will be answered any more, and it takes no new ones.

    Attributes:
        execution: whether the task of this error "may have run" or was "not started".
        history: what the scheduler was told last, oldest first, for bug reports.
    """

    execution: Execution = "not started"
    history: tuple[str, ...] = ()


def refusal(reason: BaseException | None) -> BrokenProcessPool:
    """Return what a broken executor says to further tasks.

    Args:
        reason: the first error that the break gave to a task, which says what happened.
    """
    what = "" if reason is None else f": {str(reason).splitlines()[0]}"
    error = BrokenProcessPool(f"the executor is broken and takes no more tasks{what}")
    error.history = getattr(reason, "history", ())
    return error


class TerminatedWorkerError(BrokenProcessPool):
    """A worker died while the pool needed it.

    Attributes:
        obituary: how it died; None if it is not known.
    """

    obituary: Obituary | None = None


class WorkerStartError(BrokenProcessPool):
    """A worker could not be started, or its initializer failed. The cause says how.

    Attributes:
        obituary: how it died; None if there never was a process.
    """

    obituary: Obituary | None = None
