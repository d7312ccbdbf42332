"""For your own unit tests: an executor that starts no process.

It is part of the public interface: ``from loky_executor.testing import InlineExecutor``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ._executor import ProcessPoolExecutor
from ._inline import InlinePool

if TYPE_CHECKING:
    from ._pool import Pool
    from ._settings import PoolSettings

__all__ = ["InlineExecutor"]


class InlineExecutor(ProcessPoolExecutor):
    """A `ProcessPoolExecutor` that runs each task in `submit`, in the calling thread.

    No process and no thread is started, so tests of your code that uses an executor are fast, can
    be stepped through in a debugger, and count for coverage. What would not work in a pool does
    not work here either: tasks, arguments, results and exceptions are pickled and unpickled both
    ways, so the task works on copies, and what cannot be pickled raises the same `PicklingError`.
    Exceptions have the traceback of the task as their cause.

    The differences to a pool:

    - `submit` returns when the task is done: nothing is ever pending, running or cancelled, and
      the priority of tasks and the number of workers change nothing.
    - A task that takes longer than its ``timeout`` is not ended, but raises `TaskTimeoutError`.
    - A task that ends its process (`os._exit`, a crash) ends yours.
    - The initializer runs once, before the first task. ``env`` and ``threads_per_worker`` are
      checked and not applied: the environment is that of your process. Limits of memory and of
      tasks per worker are checked and not applied. Done-callbacks run in the calling thread.
    - `workers` returns none.

    Args and errors are those of `ProcessPoolExecutor`. Any thread; tasks of several threads run at
    the same time.

    Example:
        >>> from loky_executor.testing import InlineExecutor
        >>> with InlineExecutor() as executor:
        ...     executor.submit(pow, 2, 5).result()
        32
    """

    def _start_pool(self, max_workers: int, settings: PoolSettings) -> Pool:
        return cast("Pool", InlinePool(max_workers, settings))
