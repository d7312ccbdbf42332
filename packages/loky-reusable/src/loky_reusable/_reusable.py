"""`get_reusable_executor`: the one executor of the process, and when another takes its place.

Rule: `_choosing` guards `_current` and nothing else; what may block or run user code (pickling an
initializer, shutting an executor down) happens outside of it.
"""

from __future__ import annotations

import operator
import threading
from typing import Any, NamedTuple

from loky_executor import ProcessPoolExecutor, cpu_count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class ReusableExecutor(ProcessPoolExecutor):
    """The executor that `get_reusable_executor` returns."""


class _Arguments(NamedTuple):
    """What makes two executors different; sizes and timeouts do not, they can be changed."""

    initializer: Callable[..., object] | None
    initargs: tuple[Any, ...]
    env: tuple[tuple[str, str | None], ...]

    def same(self, other: _Arguments) -> bool:
        """Compare by identity, which never calls a foreign ``__eq__``."""
        return (
            self.initializer is other.initializer
            and len(self.initargs) == len(other.initargs)
            and all(map(operator.is_, self.initargs, other.initargs))
            and self.env == other.env
        )


_choosing = threading.Lock()
_current: tuple[ReusableExecutor, _Arguments] | None = None


def get_reusable_executor(
    max_workers: int | None = None,
    *,
    timeout: float | None = 10,
    kill_workers: bool = False,
    initializer: Callable[..., object] | None = None,
    initargs: tuple[Any, ...] = (),
    env: Mapping[str, str | None] | None = None,
) -> ReusableExecutor:
    """Return the executor of this process, made or resized as asked.

    Args:
        max_workers: the most worker processes at a time; None means `cpu_count()`.
        timeout: seconds after which a worker without work leaves; None means it stays.
        kill_workers: if another executor has to take the place of the one there is, kill that one's
            workers instead of letting it finish.
        initializer: called as ``initializer(*initargs)`` in each worker before its first task.
        initargs: arguments of the initializer.
        env: changes to the environment of the workers.

    Returns:
        The executor there is, resized at once, if only max_workers or timeout differ; a new one
        if other arguments differ, or if it is broken or shut down. One that was replaced finishes
        its tasks and keeps serving those who hold it.

    Does not wait for tasks or workers; may be called from any thread.
    """
    global _current  # noqa: PLW0603 - the one executor of the process
    arguments = _Arguments(initializer, tuple(initargs), tuple(sorted((env or {}).items())))
    size = cpu_count() if max_workers is None else max_workers
    found = _current
    if found is not None and found[0].usable and found[1].same(arguments):
        found[0].resize(size, timeout)
        return found[0]
    fresh = ReusableExecutor(
        size, timeout=timeout, initializer=initializer, initargs=initargs, env=env
    )
    with _choosing:
        lost_race = _current is not found
        if not lost_race:
            _current = (fresh, arguments)
    if lost_race:
        fresh.shutdown(wait=False)
        return get_reusable_executor(
            max_workers,
            timeout=timeout,
            kill_workers=kill_workers,
            initializer=initializer,
            initargs=initargs,
            env=env,
        )
    if found is not None and kill_workers:
        found[0].shutdown(wait=True, kill_workers=True)
    return fresh
