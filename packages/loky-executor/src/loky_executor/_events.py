"""What the scheduler is told: everything that happens to tasks and workers, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class TaskOptions:
    """What the scheduler must know of a task that is not plain.

    Attributes:
        timeout: seconds it may run; None for any.
        retries: how often it is run again after it crashed its worker or ran out of time.
        priority: tasks with a higher one go first.
    """

    timeout: float | None = None
    retries: int = 0
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Submit:
    """A new task, turned into bytes already or not; `options` None means the plain ones."""

    task: int
    options: TaskOptions | None = None
    encoded: bool = False


@dataclass(frozen=True, slots=True)
class Encoded:
    """A task was turned into bytes."""

    task: int


@dataclass(frozen=True, slots=True)
class Dropped:
    """A task was cancelled, or could not be encoded: it is answered already."""

    task: int


@dataclass(frozen=True, slots=True)
class Answered:
    """A worker answered a task."""

    worker: int
    task: int


@dataclass(frozen=True, slots=True)
class WorkerSeated:
    """A worker's process runs; it is not ready yet, but frames can be sent to it."""

    worker: int


@dataclass(frozen=True, slots=True)
class WorkerReady:
    """A worker has initialized."""

    worker: int


@dataclass(frozen=True, slots=True)
class WorkerDied:
    """A worker is dead, or never came to be."""

    worker: int


@dataclass(frozen=True, slots=True)
class SpawnFailed:
    """A worker could not be started; `transient` if it may go better in a moment."""

    worker: int
    transient: bool


@dataclass(frozen=True, slots=True)
class TakenBack:
    """These tasks were taken back from a worker, which had not begun them."""

    worker: int
    tasks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class KillTask:
    """A task is to be ended, also if it runs."""

    task: int


@dataclass(frozen=True, slots=True)
class Retire:
    """A worker should be replaced as soon as its task is done."""

    worker: int


@dataclass(frozen=True, slots=True)
class OverLimit:
    """A worker has more memory than it may have at all."""

    worker: int


@dataclass(frozen=True, slots=True)
class Resize:
    """From now on there are at most this many workers."""

    max_workers: int


@dataclass(frozen=True, slots=True)
class IdleTimeout:
    """From now on workers without work leave after so many seconds; None for never."""

    seconds: float | None


@dataclass(frozen=True, slots=True)
class TimerFired:
    """The timer that was set last is due."""


@dataclass(frozen=True, slots=True)
class Shutdown:
    """No new tasks; `cancel` those not started; `kill` the workers at once."""

    cancel: bool = False
    kill: bool = False


@dataclass(frozen=True, slots=True)
class ParentFailed:
    """Our own side failed: nothing can be trusted any more."""


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
