"""`ProcessPoolExecutor`: the face of a pool. It checks arguments and holds the pool; no logic."""

from __future__ import annotations

import weakref
from concurrent.futures import Executor
from typing import Any, ParamSpec, TypeVar

from loky_backend import cpu_count, encode_whole

from . import _events as on
from . import _exit
from ._errors import ShutdownExecutorError
from ._machine import Status
from ._pool import Pool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ._future import TaskFuture

P = ParamSpec("P")
T = TypeVar("T")


class ProcessPoolExecutor(Executor):
    """An executor whose workers are fresh processes, started by fork+exec as tasks need them.

    Args:
        max_workers: the most worker processes at a time; None means `cpu_count()`.
        timeout: seconds after which a worker without work leaves; None means it stays.
        initializer: called as ``initializer(*initargs)`` in each worker before its first task. If
            it raises, the executor is broken.
        initargs: arguments of the initializer.
        env: changes to the environment of the workers; None as a value removes a variable.

    Raises:
        ValueError: max_workers is below 1, or timeout is negative.
        TypeError: initializer is not callable.

    Functions, arguments and results may be anything `pickle` or cloudpickle can take, lambdas,
    closures and what is defined in ``__main__`` included; no ``if __name__ == "__main__":`` is
    needed. All methods may be called from any thread.
    """

    def __init__(
        self,
        max_workers: int | None = None,
        *,
        timeout: float | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        env: Mapping[str, str | None] | None = None,
    ) -> None:
        if initializer is not None and not callable(initializer):
            raise TypeError(f"initializer must be callable, got {initializer!r}")
        start = None if initializer is None else encode_whole((initializer, tuple(initargs)))
        self._pool = Pool(
            checked_max_workers(max_workers),
            idle_timeout=checked_timeout(timeout),
            initializer=start,
            env=env,
        )
        _exit.watch(self._pool)
        self._finalizer = weakref.finalize(self, self._pool.abandon)
        self._finalizer.atexit = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> TaskFuture[T]:
        """Have ``fn(*args, **kwargs)`` run in a worker.

        Args:
            fn: the function.
            args: its positional arguments.
            kwargs: its keyword arguments.

        Returns:
            The future of the task. What cannot be pickled is told by the future.

        Raises:
            TypeError: fn is not callable.
            BrokenProcessPool: the executor is broken.
            ShutdownExecutorError: the executor was shut down.

        May run the pickling of the arguments in the calling thread; else does not block.
        """
        if not callable(fn):
            raise TypeError(f"a task needs something callable, got {fn!r}")
        if self._pool.status is not Status.OPEN:
            self._refuse()
        future: TaskFuture[T] = self._pool.submit(fn, args, kwargs)
        return future

    def _refuse(self) -> None:
        if self._pool.forked:
            raise ShutdownExecutorError(
                "this executor belongs to the process this one was forked from: make a new one"
            )
        if self._pool.status is Status.BROKEN:
            from ._broken import BrokenProcessPool

            raise BrokenProcessPool("the executor is broken and takes no more tasks")
        raise ShutdownExecutorError("cannot schedule new tasks after shutdown")

    def shutdown(
        self, wait: bool = True, *, cancel_futures: bool = False, kill_workers: bool = False
    ) -> None:
        """Take no more tasks, and let the workers go when those that were taken are done.

        Args:
            wait: block until every worker is gone and everything was given back.
            cancel_futures: cancel the tasks that have not started.
            kill_workers: kill the workers at once; tasks they run raise `ShutdownExecutorError`.

        Idempotent; any thread. Called by a done-callback of a task it does not wait.
        """
        self._pool.post(on.Shutdown(cancel=cancel_futures, kill=kill_workers))
        if wait and not self._pool.in_own_thread():
            self._pool.join()

    def resize(self, max_workers: int, timeout: float | None) -> None:
        """Change how many workers there may be and when idle ones leave.

        Args:
            max_workers: the most workers from now on; surplus ones leave when their task is done.
            timeout: seconds after which a worker without work leaves; None means it stays.

        Does not block; nothing is lost. Any thread.
        """
        self._pool.post(on.IdleTimeout(checked_timeout(timeout)))
        self._pool.post(on.Resize(checked_max_workers(max_workers)))

    @property
    def usable(self) -> bool:
        """Whether it still takes tasks: neither shut down nor broken. May be outdated at once."""
        return self._pool.status is Status.OPEN

    def __repr__(self) -> str:
        busy, idle, waiting = self._pool.counts()
        status = self._pool.status.value
        return (
            f"<{type(self).__name__} {status}: {busy} busy, {idle} idle of at most "
            f"{self._pool.max_workers} workers, {waiting} waiting>"
        )


def checked_max_workers(max_workers: int | None) -> int:
    """Return how many workers there may be; raises ValueError or TypeError naming the value."""
    if max_workers is None:
        return cpu_count()
    if isinstance(max_workers, bool) or not isinstance(max_workers, int):
        raise TypeError(f"max_workers must be an integer, got {max_workers!r}")
    if max_workers < 1:
        raise ValueError(f"max_workers must be at least 1, got {max_workers}")
    return max_workers


def checked_timeout(timeout: float | None) -> float | None:
    """Return an idle timeout in seconds; raises ValueError naming a negative one or NaN."""
    if timeout is None:
        return None
    if not timeout >= 0:
        raise ValueError(f"timeout must be None or at least 0 seconds, got {timeout!r}")
    return float(timeout)
