"""The workers of a pool as processes: starting them, watching their memory, giving them up."""

from __future__ import annotations

import errno
import logging
import time
from typing import NamedTuple

from loky_backend import MemoryWatch, start_worker

from . import _events as on
from ._journal import note
from ._seats import Seats
from ._workshop import Workshop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from loky_backend import Reactor, SegmentPool, Worker

    from ._crew import WorkerState
    from ._settings import PoolSettings

_TRANSIENT = (errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EINTR)
_LOOK_EVERY = 1.0  # seconds between two looks at the memory of workers, while any is busy


class WorkerInfo(NamedTuple):
    """A snapshot of one worker.

    Attributes:
        ident: its number in this pool.
        pid: its process id.
        name: for messages.
        state: "starting", "ready" or "stopping".
        tasks: how many tasks are with it; the first of them runs.
    """

    ident: int
    pid: int
    name: str
    state: str
    tasks: int


class Staff:
    """Starts workers on a thread of its own, and looks after them.

    Args:
        name: of the pool.
        settings: of the pool.
        reactor: serves the workers.
        post: tells the scheduler.
        on_failure: called with what went wrong on our own side.
    """

    def __init__(
        self,
        name: str,
        settings: PoolSettings,
        reactor: Reactor,
        post: Callable[[on.Event], None],
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self._name = name
        self._settings = settings
        self._reactor = reactor
        self._post = post
        self.seats = Seats(reactor)
        self.launcher: Workshop[int] = Workshop(f"{name}-launcher", self._launch, on_failure)
        self._inspector: Workshop[None] = Workshop(f"{name}-inspector", self._inspect, on_failure)
        self._segments: SegmentPool | None = None
        self._memory: MemoryWatch | None = None
        self._replaced: set[int] = set()  # workers that were told to be too big
        self._looking = settings.memory_limit is None and settings.leak_limit is None
        self._seasoned: set[int] = set()  # workers that have finished a task

    def use(self, segments: SegmentPool) -> None:
        """Give large buffers to workers through these segments."""
        self._segments = segments

    def stop(self) -> None:
        """Have the threads leave."""
        self.launcher.stop()
        self._inspector.stop()

    def join(self) -> None:
        """Wait for the threads to leave."""
        self.launcher.join()
        self._inspector.join()

    def _launch(self, ident: int) -> None:
        if not self.seats.wanted(ident):
            self.seats.failed(ident, None)
            self._post(on.WorkerDied(ident))
            return
        settings = self._settings
        try:
            worker = start_worker(
                ident,
                initializer=settings.initializer,
                reducers=settings.pickling,
                env=settings.env,
                name=f"{self._name}-{ident}",
                segments=self._segments,
                start_timeout=settings.start_timeout,
                pass_fds=() if settings.inheritance is None else settings.inheritance.descriptors,
            )
        except BaseException as error:  # noqa: BLE001 - every task that waited for it is told
            self.seats.failed(ident, error)
            code = getattr(error, "errno", None)
            self._post(on.SpawnFailed(ident, transient=code in _TRANSIENT))
            return
        self.seats.occupy(ident, worker)
        self._post(on.WorkerSeated(ident))

    def snapshot(self, states: Mapping[int, WorkerState]) -> list[WorkerInfo]:
        """Return what there is to know of the workers that are there. Any thread."""
        return [
            WorkerInfo(
                ident=worker.ident,
                pid=worker.child.pid,
                name=worker.name,
                state=states[worker.ident].phase.value,
                tasks=len(states[worker.ident].assigned),
            )
            for worker in self.seats.workers()
            if worker.ident in states
        ]

    def warm_up(self) -> None:
        """Do the slow imports that the first result does not need; in the thread that submits.

        Not in a thread of ours: 1. That thread imports a module. 2. The program forks. 3. The copy
        has the lock of the module, held by a thread that is not there: who imports it there waits
        for ever.
        """
        from . import _verdict  # noqa: F401

        if self._memory is None:
            self._memory = MemoryWatch(self._settings.leak_limit, self._settings.memory_limit)

    # -- memory ------------------------------------------------------------------------------

    def busy(self) -> None:
        """Take note that a worker has work: from now on its memory is looked at."""
        if not self._looking:
            self._looking = True
            self._reactor.set_timer("memory", time.monotonic() + _LOOK_EVERY)

    def answered(self, worker: Worker) -> None:
        """Take note that a worker has finished a task."""
        if worker.ident not in self._seasoned:
            self._seasoned.add(worker.ident)

    def look(self) -> None:
        """Look at the memory of all workers, on a thread where that may take a while."""
        self._looking = False
        try:
            self._inspector.put(None)
        except RuntimeError:  # no thread is left: not this time
            pass

    def _inspect(self, _: None) -> None:
        memory = self._memory
        if memory is None:
            return  # nobody has submitted anything yet
        workers = self.seats.workers()
        self._replaced &= self._seasoned
        self._seasoned &= {worker.ident for worker in workers}
        try:
            found = memory.look(
                (worker.ident, worker.child.pid, worker.ident in self._seasoned)
                for worker in workers
            )
        except OSError:  # /proc is not mounted, or no descriptor is left: not this time
            return
        for worker in workers:
            worker.peak_memory = memory.peak(worker.ident)
        for excess in found:
            self._post((on.OverLimit if excess.hard else on.Retire)(excess.ident))
            if not excess.hard and excess.ident not in self._replaced:
                self._replaced.add(excess.ident)
                note(
                    logging.INFO,
                    "worker %s-%d has %d MB and is replaced when its task is done",
                    self._name,
                    excess.ident,
                    excess.used // 1_000_000,
                )
