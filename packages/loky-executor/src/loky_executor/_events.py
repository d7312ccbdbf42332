"""What the scheduler is told: everything that happens to tasks and workers, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Submit:
    """A new task."""

    task: int


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
class WorkerReady:
    """A worker has initialized."""

    worker: int


@dataclass(frozen=True, slots=True)
class WorkerDied:
    """A worker is dead, or never came to be."""

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
    | WorkerReady
    | WorkerDied
    | Resize
    | IdleTimeout
    | TimerFired
    | Shutdown
    | ParentFailed
)
