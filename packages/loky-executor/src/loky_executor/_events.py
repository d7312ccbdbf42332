"""What the scheduler is told: everything that happens to tasks and workers, as values."""

from __future__ import annotations

from typing import TypeAlias

from ._values import Value


class TaskOptions(Value):
    """What the scheduler must know of a task that is not plain.

    Attributes:
        timeout: seconds it may run; None for any.
        retries: how often it is run again after it crashed its worker or ran out of time.
        priority: tasks with a higher one go first.
    """

    __slots__ = __match_args__ = ("timeout", "retries", "priority")

    def __init__(self, timeout: float | None = None, retries: int = 0, priority: int = 0) -> None:
        self.timeout = timeout
        self.retries = retries
        self.priority = priority


class Submit(Value):
    """A new task, turned into bytes already or not; `options` None means the plain ones."""

    __slots__ = __match_args__ = ("task", "options", "encoded")

    def __init__(
        self, task: int, options: TaskOptions | None = None, encoded: bool = False
    ) -> None:
        self.task = task
        self.options = options
        self.encoded = encoded


class Encoded(Value):
    """A task was turned into bytes."""

    __slots__ = __match_args__ = ("task",)

    def __init__(self, task: int) -> None:
        self.task = task


class Dropped(Value):
    """A task was cancelled, or could not be encoded: it is answered already."""

    __slots__ = __match_args__ = ("task",)

    def __init__(self, task: int) -> None:
        self.task = task


class Answered(Value):
    """A worker answered a task."""

    __slots__ = __match_args__ = ("worker", "task")

    def __init__(self, worker: int, task: int) -> None:
        self.worker = worker
        self.task = task


class WorkerSeated(Value):
    """A worker's process runs; it is not ready yet, but frames can be sent to it."""

    __slots__ = __match_args__ = ("worker",)

    def __init__(self, worker: int) -> None:
        self.worker = worker


class WorkerReady(Value):
    """A worker has initialized."""

    __slots__ = __match_args__ = ("worker",)

    def __init__(self, worker: int) -> None:
        self.worker = worker


class WorkerDied(Value):
    """A worker is dead, or never came to be."""

    __slots__ = __match_args__ = ("worker",)

    def __init__(self, worker: int) -> None:
        self.worker = worker


class SpawnFailed(Value):
    """A worker could not be started; `transient` if it may go better in a moment."""

    __slots__ = __match_args__ = ("worker", "transient")

    def __init__(self, worker: int, transient: bool) -> None:
        self.worker = worker
        self.transient = transient


class TakenBack(Value):
    """These tasks were taken back from a worker, which had not begun them."""

    __slots__ = __match_args__ = ("worker", "tasks")

    def __init__(self, worker: int, tasks: tuple[int, ...]) -> None:
        self.worker = worker
        self.tasks = tasks


class KillTask(Value):
    """A task is to be ended, also if it runs."""

    __slots__ = __match_args__ = ("task",)

    def __init__(self, task: int) -> None:
        self.task = task


class Retire(Value):
    """A worker should be replaced as soon as its task is done."""

    __slots__ = __match_args__ = ("worker",)

    def __init__(self, worker: int) -> None:
        self.worker = worker


class OverLimit(Value):
    """A worker has more memory than it may have at all."""

    __slots__ = __match_args__ = ("worker",)

    def __init__(self, worker: int) -> None:
        self.worker = worker


class Resize(Value):
    """From now on there are at most this many workers."""

    __slots__ = __match_args__ = ("max_workers",)

    def __init__(self, max_workers: int) -> None:
        self.max_workers = max_workers


class IdleTimeout(Value):
    """From now on workers without work leave after so many seconds; None for never."""

    __slots__ = __match_args__ = ("seconds",)

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds


class TimerFired(Value):
    """The timer that was set last is due."""

    __slots__ = ()


class Shutdown(Value):
    """No new tasks; `cancel` those not started; `kill` the workers at once."""

    __slots__ = __match_args__ = ("cancel", "kill")

    def __init__(self, cancel: bool = False, kill: bool = False) -> None:
        self.cancel = cancel
        self.kill = kill


class ParentFailed(Value):
    """Our own side failed: nothing can be trusted any more."""

    __slots__ = ()


Event: TypeAlias = (
    Submit
    | Encoded
    | Dropped
    | Answered
    | WorkerSeated
    | WorkerReady
    | WorkerDied
    | SpawnFailed
    | TakenBack
    | KillTask
    | Retire
    | OverLimit
    | Resize
    | IdleTimeout
    | TimerFired
    | Shutdown
    | ParentFailed
)
