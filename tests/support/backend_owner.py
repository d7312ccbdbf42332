"""A tiny owner of workers: one reactor, a queue of its events, and waiting with a deadline."""

from __future__ import annotations

import queue
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

from loky_backend import (
    FrameArrived,
    FrameKind,
    Reactor,
    WorkerDied,
    WorkerReady,
    decode,
    encode,
    encode_whole,
    rebuild_failure,
    start_worker,
)
from support.backend_post import PATIENCE
from support.processes import state_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from loky_backend import Event, Obituary, Worker


class Owner:
    """Starts workers and keeps what their reactor tells; at its end it checks what it was told.

    The check: the reactor did not fail, no worker died twice, and nothing came of a dead one.
    """

    def __init__(self) -> None:
        self.workers: list[Worker] = []
        self.failures: list[BaseException] = []
        self.history: list[Event] = []
        self._kept: list[Event] = []
        self._told: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._tasks = 0
        self.reactor = Reactor(self._listen, self._fail, "test-reactor")
        self.reactor.start()

    def _listen(self, events: list[Event]) -> None:
        for event in events:
            self._told.put(event)

    def _fail(self, error: BaseException) -> None:
        self.failures.append(error)
        self._told.put(None)

    def start(self, initialize: tuple[Any, ...] = (), *, watch: bool = True) -> Worker:
        """Start a worker, with an initializer (function, *arguments) if one is given."""
        initializer = encode_whole((initialize[0], initialize[1:])) if initialize else None
        worker = start_worker(len(self.workers) + 1, initializer=initializer)
        self.workers.append(worker)
        if watch:
            self.reactor.add(worker)
        return worker

    def ready(self, initialize: tuple[Any, ...] = ()) -> Worker:
        """Start a worker and wait until it is ready."""
        worker = self.start(initialize)
        self.wait_for(lambda event: isinstance(event, WorkerReady) and event.worker is worker)
        return worker

    def send(
        self, worker: Worker, function: Callable[..., object], *args: object, claim: bool = False
    ) -> int:
        """Send a task; return its id."""
        self._tasks += 1
        worker.queue(FrameKind.TASK, self._tasks, encode((function, args, {})), claim)
        worker.flush()
        return self._tasks

    def stop(self, worker: Worker) -> None:
        """Tell a worker to end after the tasks that it has got."""
        worker.stopping = True
        worker.queue(FrameKind.STOP)
        worker.flush()

    def run(self, worker: Worker, function: Callable[..., object], *args: object) -> Any:
        """Send a task and return its answer."""
        return self.answer(self.send(worker, function, *args))

    def answer(self, task: int) -> Any:
        """Wait for the answer to a task: return its value or raise its exception."""
        frame = self.wait_for(lambda e: isinstance(e, FrameArrived) and e.frame.task == task).frame
        if frame.kind == FrameKind.FAILURE:
            raise rebuild_failure(frame.body)
        assert frame.kind == FrameKind.RESULT
        return decode(frame.body, frame.buffers)

    def error(self, task: int) -> BaseException:
        """Wait for the answer to a task, which must be an exception."""
        try:
            value = self.answer(task)
        except BaseException as error:
            return error
        raise AssertionError(f"task {task} returned {value!r}")

    def death(self, worker: Worker) -> Obituary:
        """Wait until a worker is reported dead; return how it died."""
        event = self.wait_for(lambda e: isinstance(e, WorkerDied) and e.worker is worker)
        obituary: Obituary = event.obituary
        return obituary

    def wait_for(self, wanted: Callable[[Any], bool]) -> Any:
        """Return the oldest event of a kind that nobody waited for yet, once it is there."""
        for event in self._kept:
            if wanted(event):
                self._kept.remove(event)
                return event
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                event = self._told.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                self.check()
                raise TimeoutError(f"not told in {PATIENCE} s; told: {self.history}") from None
            if event is None:
                self.check()
                continue
            self.history.append(event)
            if wanted(event):
                return event
            self._kept.append(event)

    def told(self, worker: Worker) -> list[Event]:
        """Return everything that was told of a worker so far, in order."""
        while True:
            try:
                event = self._told.get_nowait()
            except queue.Empty:
                break
            if event is not None:
                self.history.append(event)
                self._kept.append(event)
        return [event for event in self.history if getattr(event, "worker", None) is worker]

    def forget(self) -> None:
        """Let go of the frames of all events so far, and of the memory they hold."""
        self._kept.clear()
        for event in self.history:
            if isinstance(event, FrameArrived):
                event.frame.buffers = []
                event.frame.body = b""

    def turn(self) -> None:
        """Wait until the reactor has ended a turn that began after this call."""
        passed = queue.SimpleQueue[None]()
        self.reactor.call(lambda: self.reactor.call(lambda: passed.put(None)))
        passed.get(timeout=PATIENCE)

    def check(self) -> None:
        """Raise if the reactor failed, or if it told nonsense."""
        if self.failures:
            raise AssertionError("the reactor failed") from self.failures[0]
        for worker in self.workers:
            told = self.told(worker)
            deaths = [place for place, event in enumerate(told) if isinstance(event, WorkerDied)]
            assert deaths in ([], [len(told) - 1])

    def __enter__(self) -> Owner:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.reactor.stop()
        ended = self.reactor.join(PATIENCE)
        for worker in self.workers:
            worker.close()
        if kind is None:
            assert ended
            self.check()
        self.forget()


def freeze(worker: Worker) -> None:
    """SIGSTOP a worker and wait until the kernel has stopped it."""
    worker.child.send_signal(signal.SIGSTOP)
    until(lambda: state_of(worker.child.pid) == "T")


def end_of(obituary: Obituary) -> str:
    """Return the signal it died of; a killed process has an exit code of its own on Windows."""
    if sys.platform == "win32" and obituary.exitcode == 9:
        return "SIGKILL"
    return obituary.signal


def until(condition: Callable[[], object]) -> None:
    """Look at something that gives no notice until it is true."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.001)
