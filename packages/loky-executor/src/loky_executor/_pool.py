"""The pool behind an executor: what the executor, and whoever ends it, may ask of its engine.

Rules:
1. Any thread may call: nothing here touches what belongs to the reactor's thread, but by posting an
   event. What is read of the machine is a snapshot, outdated when it is looked at.
2. Only `join` waits, and `submit` pickles; nothing else runs user code.
"""

from __future__ import annotations

import threading
from typing import Any

from . import _events as on
from ._engine import Engine
from ._machine import Status
from ._patience import wait_patiently

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._staff import WorkerInfo
    from ._stats import Stats


class Pool(Engine):
    """What an executor holds and asks; see `Engine` for arguments and attributes."""

    @property
    def status(self) -> Status:
        """Open, closing or broken; may be outdated when it is read."""
        status = self._machine.status
        return Status.CLOSING if status is Status.OPEN and (self.closed or self.forked) else status

    @property
    def max_workers(self) -> int:
        """The most workers it may have."""
        return self._machine.max_workers

    def submit(self, call: tuple[Any, ...], options: on.TaskOptions | None = None) -> Any:
        """Take a task, (function, args, kwargs), and return its future."""
        future = self._tasks.add(call)
        self._ledger.submitted += 1
        # A task with a priority is pickled at once: it is to overtake those that wait for that.
        urgent = options is not None and options.priority != 0
        apart = self._encodes_apart or self.in_own_thread()
        encoded = (urgent or self._machine.has_room()) and not apart
        error = self._tasks.encode(future.task) if encoded else None
        if error is None:
            self.post(on.Submit(future.task, options, encoded))
        elif isinstance(error, KeyboardInterrupt):
            raise error  # Ctrl-C struck while this thread was pickling: it is meant for it
        # 1. Here the record is made, then `ended` is looked at. 2. The reactor's thread sets
        # `ended`, then fails what is left (`_finish`). A task that is late is found by one.
        if self.ended.is_set():
            self._tasks.fail(future.task, self._too_late())
        if not self._warm:
            self._warm = True
            self._staff.warm_up()  # while the first worker boots
        return future

    def adjust(self, event: on.Resize | on.IdleTimeout) -> None:
        """Change a setting; of several that come before the reactor does, the latest counts."""
        if not self.forked:
            (self._sizes if type(event) is on.Resize else self._timeouts).append(event)
            self._reactor.wake()

    def processes(self) -> dict[int, Any]:
        """Return pid -> child process of the workers there are now."""
        return {worker.child.pid: worker.child for worker in self._seats.workers()}

    def workers(self) -> list[WorkerInfo]:
        """Return a snapshot of the workers."""
        return self._staff.snapshot(self._machine.workers)

    def counts(self) -> tuple[int, int, int]:
        """Return (busy, idle or starting, waiting): workers, workers, tasks; a rough snapshot."""
        states = list(self._machine.workers.values())
        busy = sum(bool(state.assigned) for state in states)
        return busy, len(states) - busy, max(0, len(self._machine.tasks) - busy)

    def stats(self) -> Stats:
        """Return what was done so far."""
        return self._ledger.snapshot()

    def terminate_workers(self) -> None:
        """Shut down and send SIGTERM to every worker; what is left a moment later is killed."""
        self._gentle = True
        self.shut_down(cancel=True, kill=True)

    def shut_down(self, *, cancel: bool = False, kill: bool = False) -> None:
        """Take no more tasks, from this moment on. Does not wait; any thread."""
        self.closed = True
        self.post(on.Shutdown(cancel=cancel, kill=kill))

    def abandon(self) -> None:
        """Close after the last task; what the garbage collector calls, so it takes no lock."""
        if not (self.forked or self.ended.is_set()):
            self.shut_down()

    def join(self) -> None:
        """Wait until everything is given back; not from the pool's own threads."""
        wait_patiently(self.ended.wait, None)
        for part in (self._reactor, self._staff, self._feeder, self._callbacks):
            part.join()

    def disown(self) -> None:
        """Become unusable, in a forked copy of the process: threads and workers are not its."""
        self.forked = True
        self._tasks.disown()
        self._seats.disown()
        self._reactor.disown()
        self.ended.set()

    def in_own_thread(self) -> bool:
        """Whether the caller is a thread of this pool, which must not wait for its end."""
        return threading.current_thread().name.startswith(self._own_threads)
