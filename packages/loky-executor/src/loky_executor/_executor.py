"""`ProcessPoolExecutor`: the face of a pool. It checks arguments and holds the pool; no logic."""

from __future__ import annotations

import sys
import weakref
from concurrent.futures import Executor
from typing import Any, NamedTuple, ParamSpec, TypeVar

from loky_backend import Inheritance, leak_limit, pack_settings

from . import _arguments as check
from . import _events as on
from . import _exit
from ._errors import ShutdownExecutorError
from ._machine import Settings, Status
from ._mapping import start_map
from ._options import TaskView, checked_options
from ._plan import plan_map
from ._pool import Pool
from ._settings import PoolSettings
from ._stats import Stats, explain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from types import TracebackType

    from loky_backend import Shared

    from ._future import TaskFuture
    from ._staff import WorkerInfo

_DEPTH = 64  # tasks a worker may hold; where there is no claim channel none can be taken back

P = ParamSpec("P")
T = TypeVar("T")


class Flags(NamedTuple):
    """What existing code reads as ``executor._flags``.

    Attributes:
        broken: an exception if the executor is broken, else None.
        shutdown: whether it was shut down.
    """

    broken: BaseException | None
    shutdown: bool


class ProcessPoolExecutor(Executor):
    """An executor whose workers are fresh processes, started by fork+exec as tasks need them.

    Functions, arguments and results may be anything `pickle` or cloudpickle can take, lambdas,
    closures and what is defined in ``__main__`` included; no ``if __name__ == "__main__":`` is
    needed. All methods may be called from any thread.

    Args:
        max_workers: the most worker processes at a time; None means `cpu_count()`. More than 500
            count as 500 on Windows.
        job_reducers: exact type -> reducer, used for tasks; with it all tasks are pickled by one
            thread of the executor.
        result_reducers: exact type -> reducer, used for results.
        timeout: seconds after which a worker without work leaves; None means it stays.
        context: accepted for existing code: a start method or context that starts fresh processes.
        initializer: called as ``initializer(*initargs)`` in each worker before its first task. If
            it raises, the executor is broken.
        initargs: arguments of the initializer.
        env: changes to the environment of the workers; None as a value removes a variable.
        mp_context: the same as context, as `concurrent.futures` calls it.
        max_tasks_per_child: tasks after which a worker is replaced by a fresh one; None for never.
        on_crash: "break": a worker that dies breaks the executor, as in `concurrent.futures`;
            "isolate": only the task it ran fails, and the executor goes on.
        worker_memory_limit: bytes a worker may have of its own; one that has more is killed and its
            task raises `WorkerMemoryError`. None for any.
        threads_per_worker: sets the variables that size the thread pools of OpenMP, OpenBLAS, MKL,
            BLIS, Accelerate, TBB, NumExpr, Numba, Polars and PyTorch; None leaves them.
        start_timeout: seconds a worker may take to start and initialize; None for any.

    Raises:
        ValueError: a number is out of its range, or a choice unknown; the message names it.
        TypeError: an argument is of the wrong type.
        PicklingError: the initializer or its arguments cannot be pickled.
        LokyRecursionError: executors are nested deeper than ``LOKY_MAX_DEPTH`` (default 10).

    The constructor starts a thread and no process.
    """

    _refused: Any = None  # of a subclass: turns what pickling a task raised into the future's error

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
        *,
        mp_context: Any = None,
        max_tasks_per_child: int | None = None,
        on_crash: str = "break",
        worker_memory_limit: int | None = None,
        threads_per_worker: int | None = None,
        start_timeout: float | None = None,
    ) -> None:
        check.check_context(context if mp_context is None else mp_context)
        if initializer is not None and not callable(initializer):
            raise TypeError(f"initializer must be callable, got {initializer!r}")
        check.checked_choice("on_crash", on_crash, ("break", "isolate"))
        threads = check.checked_optional_count("threads_per_worker", threads_per_worker)
        workers = check.checked_max_workers(max_workers)
        inheritance = None if initializer is None else Inheritance()
        settings = PoolSettings(
            machine=Settings(
                depth=1 if sys.platform == "win32" else _DEPTH,
                isolate=on_crash == "isolate",
                max_tasks=check.checked_optional_count("max_tasks_per_child", max_tasks_per_child),
            ),
            idle_timeout=check.checked_seconds("timeout", timeout),
            initializer=(
                None if inheritance is None else inheritance.encode((initializer, tuple(initargs)))
            ),
            inheritance=inheritance,
            env=check.worker_environment(env, threads, check.check_depth()),
            job_reducers=job_reducers,
            pickling=pack_settings(result_reducers),
            start_timeout=check.checked_seconds("start_timeout", start_timeout),
            memory_limit=check.checked_optional_count("worker_memory_limit", worker_memory_limit),
            leak_limit=leak_limit(),
            refused=self._refused,
        )
        self._job_reducers = job_reducers
        self._pool = self._start_pool(workers, settings)

    def _start_pool(self, max_workers: int, settings: PoolSettings) -> Pool:
        pool = Pool(max_workers, settings)
        _exit.watch(pool)
        weakref.finalize(self, pool.abandon).atexit = False
        return pool

    # -- tasks -------------------------------------------------------------------------------

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

        May run the pickling of the arguments in the calling thread; else does not block. Do not
        change arguments before the task is done: large arrays are not copied at once.
        """
        return self.submit_call(fn, (fn, args, kwargs), None)

    def submit_call(
        self, fn: object, call: tuple[Any, ...], options: on.TaskOptions | None
    ) -> TaskFuture[Any]:
        """Submit a call that was put together already; for `submit` and the views of `options`."""
        if not callable(fn):
            raise TypeError(f"a task needs something callable, got {fn!r}")
        if self._pool.status is not Status.OPEN:
            self._refuse()
        future: TaskFuture[Any] = self._pool.submit(call, options)
        return future

    def _refuse(self) -> None:
        if self._pool.forked:
            raise ShutdownExecutorError(
                "this executor belongs to the process this one was forked from: make a new one"
            )
        if self._pool.status is Status.BROKEN:
            from ._broken import refusal

            raise refusal(self._pool.broken_by) from self._pool.broken_by
        raise ShutdownExecutorError("cannot schedule new tasks after shutdown")

    def share(self, value: T) -> Shared[T]:
        """Pickle an object once, into memory that every worker maps once.

        Args:
            value: what many tasks need: a large array, a model. It is copied; later changes are not
                seen. Its arrays arrive read-only.

        Returns:
            A handle to pass to any number of tasks of any executor, which call its ``get()``. The
            memory is freed when the last handle is gone, or closed, and the last task with one
            is answered; whoever is killed.

        Raises:
            PicklingError: it cannot be pickled.
            BaseException: whatever the object's own code raised.

        Does not block, but for pickling and writing. Any thread. The idea is that of Ray's `put`.
        Where the system has no memfd every task carries a copy, which a worker decodes once.
        """
        from loky_backend import share

        return share(value, self._job_reducers)

    def options(
        self,
        *,
        timeout: float | None = None,
        retries: int = 0,
        priority: int = 0,
        retry_on: type[BaseException] | tuple[type[BaseException], ...] = (),
    ) -> TaskView:
        """Return a view of this executor whose tasks have options.

        Args:
            timeout: seconds a task may run; then it is ended, wherever it is, and raises
                `TaskTimeoutError` with the stacks it was stuck in. None for any.
            retries: how often a task is run again after it crashed its worker or ran out of time,
                and after it raised one of `retry_on`.
            priority: tasks with a higher priority go first.
            retry_on: exceptions after which the task is called again, in the same worker.

        Raises:
            TypeError: an option is of the wrong type.
            ValueError: an option is out of its range.
        """
        errors = retry_on if isinstance(retry_on, tuple) else (retry_on,)
        for error in errors:
            if not (isinstance(error, type) and issubclass(error, BaseException)):
                raise TypeError(f"retry_on must be exception classes, got {error!r}")
        return TaskView(self, checked_options(timeout, retries, priority), errors)

    def map(self, fn: Callable[..., T], *iterables: Iterable[Any], **contract: Any) -> Iterator[T]:
        """Call a function with the items of one or more iterables, the shortest ends it.

        Args:
            fn: the function; pickled once for all, unpickled once in each worker, where what it
                holds lasts until the map is over.
            iterables: its arguments, one from each.
            **contract: ``timeout``: seconds from now after which waiting for a result raises
                TimeoutError, None for never. ``chunksize``: items sent together, "auto" to choose.
                ``buffersize``: how many items may be read ahead of the consumer, None for all at
                once. ``ordered``: results in the order of the items (default) or as they come.
                ``on_error``: "raise" the first error (default), "return" errors in place of
                results, or "skip" them. ``progress``: say on standard error how far it is.

        Returns:
            An iterator over the results. Tasks are submitted at once, up to the buffersize. An
            item that raises, or crashes its worker while the executor goes on, leaves the others
            of its chunk alone; after a crash they are run again one by one.

        Raises:
            TypeError: an unknown keyword.
            ValueError: a value is out of its range.

        The idea of ``buffersize``, ``ordered`` and ``on_error`` is from Elixir's `async_stream`.
        """
        return self.map_with(self.submit, fn, iterables, **contract)

    def map_with(
        self,
        submit: Callable[..., TaskFuture[Any]],
        fn: Callable[..., T],
        iterables: tuple[Iterable[Any], ...],
        **contract: Any,
    ) -> Iterator[T]:
        """Do what `map` does, through some `submit`; for `map` and the views of `options`."""
        if not callable(fn):
            raise TypeError(f"map needs something callable, got {fn!r}")
        plan = plan_map(self._pool.max_workers, not self._job_reducers, **contract)
        return start_map(submit, fn, iterables, plan)

    # -- its end -----------------------------------------------------------------------------

    def shutdown(
        self, wait: bool = True, *, cancel_futures: bool = False, kill_workers: bool = False
    ) -> None:
        """Take no more tasks, and let the workers go when those that were taken are done.

        Args:
            wait: block until every worker is gone and everything was given back.
            cancel_futures: cancel the tasks that have not started.
            kill_workers: kill the workers at once; what is not done raises `ShutdownExecutorError`.

        Idempotent; any thread. Called by a done-callback of a task it does not wait.
        """
        self._pool.shut_down(cancel=cancel_futures, kill=kill_workers)
        if wait and not self._pool.in_own_thread():
            self._pool.join()

    def kill_workers(self) -> None:
        """Cancel what waits, kill the workers at once, as in Python 3.14; waits for their end."""
        self.shutdown(cancel_futures=True, kill_workers=True)

    def terminate_workers(self) -> None:
        """Send SIGTERM to the workers and shut down, as in Python 3.14; waits until all is over.

        A worker that ignores SIGTERM is killed a second later. Tasks end as by `kill_workers`.
        """
        self._pool.terminate_workers()
        self.shutdown()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Shut down and wait; on Ctrl-C without waiting for what runs."""
        interrupted = kind is not None and not issubclass(kind, Exception)
        self.shutdown(cancel_futures=interrupted, kill_workers=interrupted)

    # -- what it is doing --------------------------------------------------------------------

    def resize(self, max_workers: int, timeout: float | None) -> None:
        """Change how many workers there may be and when idle ones leave.

        Args:
            max_workers: the most workers from now on; surplus ones leave when their task is done.
            timeout: seconds after which a worker without work leaves; None means it stays.

        Does not block; nothing is lost. Any thread.
        """
        seconds = check.checked_seconds("timeout", timeout)
        workers = check.checked_max_workers(max_workers)
        self._pool.adjust(on.IdleTimeout(seconds))
        self._pool.adjust(on.Resize(workers))

    def retire(self) -> None:
        """Let idle workers go at once from now on: another executor took this one's place.

        It still takes tasks from those who hold it, and starts workers for them. Any thread.
        """
        self._pool.adjust(on.IdleTimeout(0.0))

    @property
    def max_workers(self) -> int:
        """The most workers it may have now."""
        return self._pool.max_workers

    @property
    def usable(self) -> bool:
        """Whether it still takes tasks: neither shut down nor broken. May be outdated at once."""
        return self._pool.status is Status.OPEN

    def workers(self) -> list[WorkerInfo]:
        """Return a snapshot of the workers. Does not block; any thread."""
        return self._pool.workers()

    def stats(self) -> Stats:
        """Return what was done so far and where the time went. Does not block; any thread."""
        return self._pool.stats()

    def explain(self) -> str:
        """Say in words where the time went and what could be better. Does not block."""
        return explain(self._pool.stats(), self._pool.max_workers)

    @property
    def _processes(self) -> dict[int, Any]:
        """Pid -> child process, read-only, for code written for `concurrent.futures`."""
        return self._pool.processes()

    @property
    def _flags(self) -> Flags:
        """Whether it is broken or shut down, read-only, for code written for loky."""
        status = self._pool.status
        broken = RuntimeError("the executor is broken") if status is Status.BROKEN else None
        return Flags(broken, status is not Status.OPEN)

    def __repr__(self) -> str:
        busy, idle, waiting = self._pool.counts()
        return (
            f"<{type(self).__name__} {self._pool.status.value}: {busy} busy, {idle} idle of at "
            f"most {self._pool.max_workers} workers, {waiting} waiting>"
        )
