"""The future of a task: results travel in it as bytes, and whoever asks first decodes them.

Rules:
1. The reactor's thread only puts bytes in. Decoding is user code and runs in the asking thread.
2. Decoding happens once, whoever asks and however many ask.
3. Callbacks run on the pool's callback thread, or at once in the thread that adds them to a future
   that is done, as in the standard library.
"""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FuturesTimeoutError
from typing import Any, Protocol, TypeVar

from loky_backend import decode, rebuild_failure

from ._callbacks import Callback
from ._cpython import SnapshotFuture
from ._errors import ShutdownExecutorError
from ._patience import wait_patiently

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from loky_backend import Frame

T = TypeVar("T")


class Owner(Protocol):
    """What a future needs of the pool it belongs to."""

    forked: bool

    def dropped(self, task: int) -> None:
        """Take note that the future of a task was cancelled."""

    def run_callback(self, callback: Callback) -> None:
        """Have a callback called soon, on a thread where it may block."""

    def kill_task(self, task: int) -> None:
        """Have a task ended, also if it runs."""


class EncodedResult:
    """A result as it came from the worker; opened on first use."""

    __slots__ = ("_error", "_frame", "_lock", "_value")

    def __init__(self, frame: Frame) -> None:
        self._frame: Frame | None = frame
        self._lock = threading.Lock()
        self._value: Any = None
        self._error: BaseException | None = None

    def error(self) -> BaseException | None:
        """Return what decoding the value raises, None if it works."""
        try:
            self.open()
        except BaseException:  # noqa: BLE001 - it is the answer
            pass
        return self._error

    def open(self) -> Any:
        """Return the value, or raise what decoding it raised, the same for every caller."""
        with self._lock:
            if self._frame is not None:
                try:
                    self._value = decode(self._frame.body, self._frame.buffers)
                except BaseException as error:  # noqa: BLE001 - raised below, for every caller
                    self._error = error
                self._frame = None
        if self._error is not None:
            raise self._error
        return self._value


class EncodedFailure(Exception):  # noqa: N818 - no error but the bytes of one
    """An exception as it came from the worker; opened on first use. Never seen by users."""

    def __init__(self, frame: Frame) -> None:
        super().__init__()
        self._frame: Frame | None = frame
        self._lock = threading.Lock()
        self._error: BaseException | None = None

    def open(self) -> BaseException:
        """Return the exception the task raised."""
        with self._lock:
            if self._frame is not None:
                self._error = rebuild_failure(self._frame.body)
                self._frame = None
        assert self._error is not None
        return self._error


class TaskFuture(SnapshotFuture[T]):
    """A `concurrent.futures.Future` whose result is decoded by whoever asks for it."""

    # What a `Future` sets up when it is made (a condition, lists) is most of the memory of a task
    # that waits. Here it is made when it is first looked for, by whichever thread that is, and is
    # found by `__getattr__` from then on; what a method assigns lies in this object as always.

    def __init__(self, pool: Owner | None = None, task: int = 0) -> None:
        self._pool = pool
        self._task = task
        self._is_new = True  # whoever takes it out says that the future started, or was cancelled

    def __getattr__(self, name: str) -> Any:
        own = self.__dict__
        parts = own.get("_parts")
        if parts is None:
            parts = own.setdefault("_parts", self._new_parts())  # every thread gets the same
        return own.setdefault(name, getattr(parts, name))  # never over what was assigned meanwhile

    def _new_parts(self) -> Future[T]:
        parts: Future[T] = Future()
        pool = self.__dict__.get("_pool")
        if pool is not None and pool.forked:
            parts.set_exception(self._orphaned())
        return parts

    def start(self) -> bool:
        """Mark the task as running; False if it was cancelled. Later calls only tell which."""
        if self.__dict__.pop("_is_new", False):
            return self.set_running_or_notify_cancel()
        return not self.cancelled()

    @property
    def task(self) -> int:
        """The number of the task in its pool."""
        return self._task

    def result(self, timeout: float | None = None) -> T:
        """Return the task's result, waiting for it.

        Args:
            timeout: seconds to wait at most; None means for ever.

        Raises:
            concurrent.futures.TimeoutError: it was not there in time.
            concurrent.futures.CancelledError: the task was cancelled.
            BaseException: what the task raised, its cause the traceback in the worker; or what
                decoding the result raised, in the thread that asks.

        Blocks the calling thread only; any thread.
        """
        self._await(timeout)
        try:
            value: Any = super().result(0)
        except EncodedFailure as failure:
            error = failure.open()
        else:
            return value.open() if type(value) is EncodedResult else value  # type: ignore[no-any-return]
        try:
            raise error
        finally:
            del error, self  # break the cycle of traceback, frame and exception

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return what the task raised, or None; waits like `result`."""
        self._await(timeout)
        error = super().exception(0)
        if isinstance(error, EncodedFailure):
            return error.open()
        value: Any = super().result(0) if error is None else None
        return value.error() if type(value) is EncodedResult else error

    def _await(self, timeout: float | None) -> None:
        """Wait until the task is done; raises TimeoutError if the time is up before."""
        if self.done():
            return
        if self._pool is not None and self._pool.forked:
            raise self._orphaned()  # another thread was just answering it when this one forked
        if not wait_patiently(self._wait_once, timeout):
            raise FuturesTimeoutError

    def _wait_once(self, seconds: float | None) -> bool:
        try:
            super().exception(seconds)
        except CancelledError:
            return True
        except FuturesTimeoutError:  # of this wait: what the task raised is returned, not raised
            return self.done()
        return True

    def disown(self) -> None:
        """Fail, in a forked copy of the process, where nobody answers what is pending.

        Begins afresh, without callbacks and waiters: a thread that is not there any more may hold
        the lock, or theirs. One that nobody has looked at fails when somebody does.
        """
        if "_parts" in self.__dict__:
            super().__init__()
            self.set_exception(self._orphaned())

    def _orphaned(self) -> ShutdownExecutorError:
        return ShutdownExecutorError(
            f"task {self._task} belongs to the process this one was forked from"
        )

    def cancel(self) -> bool:
        """Cancel the task if it did not start; say whether it is cancelled. Never blocks."""
        if not super().cancel():
            return False
        if self.__dict__.pop("_is_new", False):
            self.set_running_or_notify_cancel()  # `wait` and `as_completed` see it only then
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.dropped(self._task)
        return True

    def kill(self) -> bool:
        """End the task, also if it runs: its worker is killed, no other task is harmed.

        Returns:
            False if the task is done already; else True, and the future will raise
            `concurrent.futures.CancelledError`, unless the task comes in first.

        Does not wait. Any thread.
        """
        pool = self._pool
        if self.done() or pool is None:
            return False
        if not self.cancel():
            pool.kill_task(self._task)
        return True

    def add_done_callback(self, fn: Callable[[Future[T]], object]) -> None:
        """Have `fn(future)` called when the task is done.

        It runs on the pool's callback thread, one callback after the other, or at once if the
        task is done. It may block, submit, or wait for other futures: no result waits for it. What
        it raises is logged and dropped. Any thread.
        """
        pool = self._pool
        if pool is None or self.done():
            super().add_done_callback(fn)
        else:
            super().add_done_callback(lambda future: pool.run_callback(Callback(fn, future)))

    def __repr__(self) -> str:
        if self.cancelled():
            state = "cancelled"
        elif self.done():
            failed = Future.exception(self, 0) is not None
            state = "finished, raised" if failed else "finished"
        else:
            state = "running" if self.running() else "pending"
        return f"<TaskFuture task={self._task} {state}>"
