"""A thread that carries out jobs which may block or run user code, so that the reactor need not.

Three serve a pool: the feeder encodes tasks under backlog, the launcher starts workers, and the
callback runner calls done-callbacks. Each is started by its first job and leaves when it has had
none for a while.

Facts:
- `SimpleQueue.get(timeout=0)` can wait for ever (3.10): 1. It takes the queue's own lock, which is
  free, and finds nothing. 2. The time that is left is computed, and is below zero if the thread was
  preempted. 3. A negative time means no limit. With ``block=False`` it is not computed.
"""

from __future__ import annotations

import threading
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from ._patience import wait_patiently

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
_LINGER = 5.0  # seconds without a job after which the thread leaves


class Workshop(Generic[T]):
    """Carries out `job(item)` for every item put, in order, on one daemon thread.

    Args:
        name: of the thread.
        job: what to do.
        on_failure: called, on the thread, with what a job raised; the next job comes all the same.

    `put` never blocks, takes no lock anyone could wait for, and may be called from any thread, also
    by a finalizer that strikes within another `put` (`queue.SimpleQueue` is made for that).
    """

    def __init__(
        self,
        name: str,
        job: Callable[[T], None],
        on_failure: Callable[[BaseException], None] | None = None,
    ) -> None:
        self._name = name
        self._job = job
        self._on_failure = on_failure
        self._queue: SimpleQueue[tuple[T] | None] = SimpleQueue()
        self._claim = threading.Lock()  # held by the thread for as long as there is one
        self._thread: threading.Thread | None = None
        self._stopping = False

    def put(self, item: T) -> None:
        """Have `job(item)` called soon.

        Raises:
            RuntimeError: the system has no thread left to give; the item waits for `resume`.
        """
        self._queue.put((item,))
        self._ensure_thread()

    def resume(self) -> None:
        """Start the thread that a `put` could not start, if anything waits for it.

        Raises:
            RuntimeError: the system still has no thread left to give.
        """
        if not self._queue.empty():
            self._ensure_thread()

    def work_off(self) -> None:
        """Do in this thread what no other does: the last resort where no thread can be had."""
        while not self._queue.empty() and self._claim.acquire(blocking=False):
            try:
                self._carry_out(self._queue.get_nowait())
            except Empty:
                pass
            finally:
                self._claim.release()

    def stop(self) -> None:
        """Have the thread leave as soon as it has no job. Later items still get their turn."""
        self._stopping = True
        self._queue.put(None)

    def join(self) -> None:
        """Wait for the thread to leave (after `stop`); at once when called by a job."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():

            def wait(seconds: float | None) -> bool:
                thread.join(seconds)
                return not thread.is_alive()

            wait_patiently(wait, None)

    def _ensure_thread(self) -> None:
        if self._claim.acquire(blocking=False):
            thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread = thread
            try:
                thread.start()
            except BaseException:
                self._thread = None
                self._claim.release()
                raise

    def _run(self) -> None:
        while True:
            try:
                entry = self._queue.get(block=not self._stopping, timeout=_LINGER)
            except Empty:
                # 1. A put finds the claim taken and relies on this thread. 2. The claim is given
                # up. 3. Hence look again: whoever takes the claim now serves what came between.
                self._claim.release()
                if self._queue.empty() or not self._claim.acquire(blocking=False):
                    return
                continue
            self._carry_out(entry)
            del entry

    def _carry_out(self, entry: tuple[T] | None) -> None:
        if entry is not None:
            try:
                self._job(entry[0])
            except BaseException as error:  # noqa: BLE001 - the thread must serve the others
                if self._on_failure is not None:
                    self._on_failure(error)
