"""`ProcessPoolExecutor` with the calls of loky 3.7, and workers that are traced if this process is.

The work is done one row below; here are the spellings that only existing code needs.
"""

from __future__ import annotations

from typing import Any

from loky_executor import PicklingError
from loky_executor import ProcessPoolExecutor as PlainExecutor

from ._tracing import is_tracing, traced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["ProcessPoolExecutor"]


class ProcessPoolExecutor(PlainExecutor):
    """The executor of `loky_executor`, called as in loky 3.7.

    Args:
        max_workers: the most worker processes at a time; None means `cpu_count()`.
        job_reducers: exact type -> reducer, for tasks.
        result_reducers: exact type -> reducer, for results.
        timeout: seconds after which a worker without work leaves; None means it stays.
        context: a start method or context that starts fresh processes.
        initializer: called as ``initializer(*initargs)`` in each worker before its first task.
        initargs: its arguments.
        env: changes to the environment of the workers; None as a value removes a variable.
        **further: other arguments of `loky_executor.ProcessPoolExecutor`.

    Attributes:
        traced: whether viztracer was tracing this process, so that the workers are traced too.

    Raises:
        ValueError, TypeError, PicklingError, LokyRecursionError: as one row below.
    """

    def __init__(  # noqa: PLR0917 - the order of loky 3.7, which existing code relies on
        self,
        max_workers: int | None = None,
        job_reducers: Mapping[type, Callable[[Any], Any]] | None = None,
        result_reducers: Mapping[type, Callable[[Any], Any]] | None = None,
        timeout: float | None = None,
        context: Any = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        env: Mapping[str, str | None] | None = None,
        **further: Any,
    ) -> None:
        self.traced = is_tracing()
        if self.traced and (initializer is None or callable(initializer)):
            initializer, initargs = traced(initializer, tuple(initargs))
        super().__init__(
            max_workers,
            job_reducers,
            result_reducers,
            timeout,
            context,
            initializer,
            initargs,
            env,
            **further,
        )

    @staticmethod
    def _refused(error: BaseException) -> BaseException:
        """Return a PicklingError whatever a `__reduce__` raised, as in loky 3.7; not for Ctrl-C."""
        if isinstance(error, PicklingError) or not isinstance(error, Exception):
            return error
        what = type(error).__qualname__
        refused = PicklingError(f"cannot pickle the task to send it to the workers: {what} raised")
        refused.__cause__ = error
        return refused

    def shutdown(
        self, wait: bool = True, kill_workers: bool = False, *, cancel_futures: bool = False
    ) -> None:
        """Take no more tasks, and let the workers go when those that were taken are done.

        Args:
            wait: block until every worker is gone and everything was given back.
            kill_workers: kill the workers at once; what is not done, and not cancelled by
                `cancel_futures`, raises `ShutdownExecutorError`.
            cancel_futures: cancel the tasks that have not started.

        Idempotent; any thread. Called by a done-callback of a task it does not wait.
        """
        super().shutdown(wait, cancel_futures=cancel_futures, kill_workers=kill_workers)
