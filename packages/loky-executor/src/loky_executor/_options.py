"""`executor.options(...)`: the same executor, with options for the tasks submitted through it."""

from __future__ import annotations

from typing import Any, ParamSpec, Protocol, TypeVar

from ._arguments import checked_seconds
from ._events import TaskOptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ._future import TaskFuture

P = ParamSpec("P")
T = TypeVar("T")


class Taker(Protocol):
    """What a view needs of its executor."""

    @property
    def usable(self) -> bool:
        """Whether it still takes tasks."""

    def submit_call(
        self, fn: object, call: tuple[Any, ...], options: TaskOptions | None
    ) -> TaskFuture[Any]:
        """Submit a call that was put together already."""

    @property
    def map_with(self) -> Callable[..., Iterator[Any]]:
        """Does what `map` does, through some `submit`."""


class TaskView:
    """What `ProcessPoolExecutor.options` returns: `submit` and `map` with options. Any thread."""

    def __init__(
        self,
        executor: Taker,
        options: TaskOptions,
        retry_on: tuple[type[BaseException], ...],
    ) -> None:
        self._executor = executor
        self._options = options
        self._retry_on = retry_on

    @property
    def usable(self) -> bool:
        """Whether the executor still takes tasks."""
        return self._executor.usable

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> TaskFuture[T]:
        """Do what `ProcessPoolExecutor.submit` does, with these options."""
        if self._retry_on and self._options.retries:
            call = (retry, (fn, self._retry_on, self._options.retries, *args), kwargs)
            return self._executor.submit_call(fn, call, self._options)
        return self._executor.submit_call(fn, (fn, args, kwargs), self._options)

    def map(self, fn: Callable[..., T], *iterables: Iterable[Any], **contract: Any) -> Iterator[T]:
        """Do what `ProcessPoolExecutor.map` does; with a time limit each item is a task."""
        if self._options.timeout is not None:
            contract.setdefault("chunksize", 1)
        return self._executor.map_with(self.submit, fn, iterables, **contract)


def retry(
    function: Callable[..., Any],
    errors: tuple[type[BaseException], ...],
    retries: int,
    *args: Any,
    **kwargs: Any,
) -> Any:
    """Call a function again when it raises one of some errors; in the worker."""
    for _ in range(retries):
        try:
            return function(*args, **kwargs)
        except errors:
            continue
    return function(*args, **kwargs)


def checked_options(timeout: Any, retries: Any, priority: Any) -> TaskOptions:
    """Return options for tasks; raises TypeError or ValueError that names the value."""
    for name, value in (("retries", retries), ("priority", priority)):
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"{name} must be an integer, got {value!r}")
    if retries < 0:
        raise ValueError(f"retries must be at least 0, got {retries}")
    return TaskOptions(checked_seconds("timeout", timeout), retries, priority)
