"""The errors users of an executor meet; each is also the standard class they already catch."""

from __future__ import annotations

import sys

from loky_backend import EncodingError as PicklingError

__all__ = [
    "ExecutorError",
    "LokyRecursionError",
    "PicklingError",
    "ShutdownExecutorError",
    "TaskTimeoutError",
    "WorkerMemoryError",
    "WorkersKilledError",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    from loky_backend import Obituary

    Execution: TypeAlias = Literal["not started", "may have run"]


class ExecutorError(Exception):
    """Root of everything this package raises on purpose."""

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(
    kind: type[ExecutorError], args: tuple[object, ...], facts: dict[str, object]
) -> ExecutorError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(facts)
    return error


class ShutdownExecutorError(ExecutorError, RuntimeError):
    """A task was submitted to an executor that was shut down."""


class WorkersKilledError(ShutdownExecutorError):
    """The executor was told to kill its workers before this task was done.

    Attributes:
        execution: "may have run" if the task was with a worker, else "not started".
    """

    execution: Execution = "may have run"


class LokyRecursionError(ExecutorError, RuntimeError):
    """Executors are nested deeper than ``LOKY_MAX_DEPTH`` allows.

    Attributes:
        depth: how deep this process is nested already.
        max_depth: the limit.
    """

    def __init__(self, depth: int, max_depth: int) -> None:
        super().__init__(
            f"this process is a worker {depth} levels deep, and LOKY_MAX_DEPTH={max_depth} allows "
            "no further executor in it: do the work here, or raise the limit"
        )
        self.depth = depth
        self.max_depth = max_depth


class WorkerMemoryError(ExecutorError, MemoryError):
    """A task's worker had more memory than `worker_memory_limit` allows, and was killed.

    Attributes:
        execution: the task "may have run".
        obituary: how the worker died.
    """

    execution: Execution = "may have run"
    obituary: Obituary | None = None


if sys.version_info >= (3, 11):

    class _TimedOutError(TimeoutError):
        """What the standard library raises when time runs out."""
else:
    from concurrent.futures import TimeoutError as FuturesTimeoutError

    class _TimedOutError(FuturesTimeoutError, TimeoutError):
        """What the standard library raises when time runs out: two classes before 3.11."""


class TaskTimeoutError(ExecutorError, _TimedOutError):
    """A task took longer than its ``timeout``; its worker was killed and is replaced.

    Attributes:
        execution: the task "may have run".
        obituary: how the worker died; its `stacks` show where the task was stuck.
    """

    execution: Execution = "may have run"
    obituary: Obituary | None = None
