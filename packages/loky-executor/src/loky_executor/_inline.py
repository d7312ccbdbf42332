"""A pool without processes and threads: tasks run in `submit`, through bytes both ways.

It has the face that `ProcessPoolExecutor` and futures need of `Pool`, and uses the same tables,
counters and errors, so that what a user's test sees is what a pool would show.
"""

from __future__ import annotations

import threading
from time import perf_counter
from typing import Any

from loky_backend import (
    Frame,
    FrameKind,
    SegmentPool,
    apply_settings,
    decode,
    describe_failure,
    encode,
    rebuild_failure,
)

from . import _events as on
from ._errors import TaskTimeoutError
from ._machine import Status
from ._stats import Ledger, Stats
from ._tasks import TaskTable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from loky_backend import Encoded

    from ._broken import WorkerStartError
    from ._callbacks import Callback
    from ._future import TaskFuture
    from ._settings import PoolSettings
    from ._staff import WorkerInfo

_PLAIN = on.TaskOptions()


class InlinePool:
    """What `Pool` is to an executor. Any thread may submit; each runs its own tasks.

    Attributes:
        max_workers: what was asked for; nothing depends on it but the size of chunks.
        forked: always False: there is nothing here that a fork could tear.
        broken_by: the error of the first task that met the failed initializer.
    """

    def __init__(self, max_workers: int, settings: PoolSettings) -> None:
        self.max_workers = max_workers
        self.forked = False
        self.broken_by: BaseException | None = None
        self._status = Status.OPEN
        self._initializer = settings.initializer
        self._inheritance = settings.inheritance
        self._initializing = threading.RLock()  # held while the initializer runs: once, not twice
        self._failed_start: bytes | None = None
        self._reducers = apply_settings(settings.pickling) if settings.pickling else None
        self._ledger = Ledger()
        segments = SegmentPool(lambda _ident, _number: None)
        self._tasks = TaskTable(self, self._ledger, segments, settings, lambda _number: None)

    # -- what the executor asks for ------------------------------------------------------------

    @property
    def status(self) -> Status:
        """Open, closing or broken."""
        return self._status

    def submit(self, call: tuple[Any, ...], options: on.TaskOptions | None = None) -> Any:
        """Take a task, (function, args, kwargs), run it, and return its future, which is done."""
        future = self._tasks.add(call)
        self._ledger.submitted += 1
        error = self._tasks.encode(future.task, in_segments=False)
        if error is None:
            self._run(future, options or _PLAIN)
        elif isinstance(error, KeyboardInterrupt):
            raise error
        return future

    def adjust(self, event: on.Event) -> None:
        """Take note of a new size; nothing else is of interest here."""
        if isinstance(event, on.Resize):
            self.max_workers = event.max_workers

    def shut_down(self, *, cancel: bool = False, kill: bool = False) -> None:  # noqa: ARG002 - as of a pool
        """Take no more tasks. There are none to cancel and no workers to kill."""
        if self._status is Status.OPEN:
            self._status = Status.CLOSING
        if self._inheritance is not None:
            self._inheritance.close()

    def join(self) -> None:
        """Return: there is nothing to wait for."""

    def terminate_workers(self) -> None:
        """Shut down: there are no workers."""
        self.shut_down()

    def in_own_thread(self) -> bool:
        """Return False: there are no threads."""
        return False

    def processes(self) -> dict[int, Any]:
        """Return the workers: none."""
        return {}

    def workers(self) -> list[WorkerInfo]:
        """Return the workers: none."""
        return []

    def counts(self) -> tuple[int, int, int]:
        """Return (busy, idle, waiting): nothing of each."""
        return 0, 0, 0

    def stats(self) -> Stats:
        """Return what was done so far."""
        return self._ledger.snapshot()

    # -- what futures ask for ------------------------------------------------------------------

    def dropped(self, task: int) -> None:
        """Forget a task whose future was cancelled; a task can do that to another only."""
        self._tasks.take(task)

    def run_callback(self, callback: Callback) -> None:
        """Call a done-callback; what it raises is logged, as in a pool."""
        from ._callbacks import call

        call(callback)

    def kill_task(self, task: int) -> None:
        """Do nothing: a task that runs here runs in the thread that would have to end it."""

    # -- what a worker does --------------------------------------------------------------------

    def _run(self, future: TaskFuture[Any], options: on.TaskOptions) -> None:
        record = self._tasks.get(future.task)
        if record is None or not record.begin():
            return
        if not self._initialized():
            self._tasks.fail(future.task, self._start_error(future.task))
            return
        assert record.encoded is not None
        elapsed = 0.0
        for _ in range(options.retries + 1):
            begun = perf_counter()
            frame = self._frame(future.task, record.encoded)
            elapsed = perf_counter() - begun
            if options.timeout is None or elapsed <= options.timeout:
                self._tasks.answer(frame)
                return
        self._tasks.fail(
            future.task,
            TaskTimeoutError(
                f"task {future.task} took {elapsed:.3g} s and has a timeout of {options.timeout:g} "
                "s: in a pool its worker would have been killed"
            ),
        )

    def _frame(self, task: int, encoded: Encoded) -> Frame:
        """Do what a worker does with a task, and return what it would answer."""
        stage = "decode"
        begun = decoded = ran = perf_counter()
        try:
            function, args, kwargs = decode(encoded.body, _copies(encoded))
            stage = "run"
            decoded = ran = perf_counter()
            value = function(*args, **kwargs)
            stage = "encode"
            ran = perf_counter()
            answer = encode(value, self._reducers)
        except BaseException as error:  # noqa: BLE001 - it is the answer to this task
            if stage == "decode":
                decoded = ran = perf_counter()
            elif stage == "run":
                ran = perf_counter()
            frame = Frame(FrameKind.FAILURE, 0, task)
            frame.body = describe_failure(error, stage)
        else:
            frame = Frame(FrameKind.RESULT, 0, task)
            frame.body = answer.body
            frame.buffers = _copies(answer)
        frame.times = (decoded - begun, ran - decoded, perf_counter() - ran)
        return frame

    def _initialized(self) -> bool:
        """Run the initializer if it did not run; False if it failed."""
        with self._initializing:
            initializer, self._initializer = self._initializer, None
            if initializer is not None:
                stage = "decode"
                try:
                    function, arguments = decode(initializer)
                    stage = "run"
                    function(*arguments)
                except BaseException as error:  # noqa: BLE001 - told by the futures
                    self._failed_start = describe_failure(error, stage)
                    self._status = Status.BROKEN
        return self._failed_start is None

    def _start_error(self, task: int) -> WorkerStartError:
        from ._broken import WorkerStartError

        assert self._failed_start is not None
        error = WorkerStartError(
            f"the initializer failed. Task {task} did not start. The executor is broken and takes "
            "no more tasks."
        )
        error.__cause__ = rebuild_failure(self._failed_start).__cause__  # the remote traceback
        self.broken_by = self.broken_by or error
        return error


def _copies(encoded: Encoded) -> list[Any]:
    """Return copies of the buffers beside a pickle: the other side of a pool has its own too."""
    return [bytearray(buffer) for buffer in encoded.buffers]
