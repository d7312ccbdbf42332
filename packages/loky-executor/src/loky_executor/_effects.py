"""What the scheduler decides: to be carried out in order, outside of it, as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias


class Cause(Enum):
    """Why a task fails without having been answered."""

    WORKER_DIED = "a worker died"
    START_FAILED = "a worker could not start"
    PARENT_FAILED = "the pool itself failed"
    KILLED = "the workers were killed"
    TASK_KILLED = "the task was killed"
    TIMED_OUT = "the task ran out of time"
    OVER_LIMIT = "the worker had too much memory"
    CRASH_LOOP = "workers died again and again"
    SHUTDOWN = "the executor was shut down"


@dataclass(frozen=True, slots=True)
class Encode:
    """Turn this task into bytes, then tell `Encoded` or `Dropped`."""

    task: int


@dataclass(frozen=True, slots=True)
class Spawn:
    """Start a worker under this number."""

    worker: int


@dataclass(frozen=True, slots=True)
class Send:
    """Send this task to this worker; with `claim` it can be recalled until it is begun."""

    worker: int
    task: int
    claim: bool = False


@dataclass(frozen=True, slots=True)
class Stop:
    """Tell a worker to end when it has finished what it was sent."""

    worker: int


@dataclass(frozen=True, slots=True)
class Kill:
    """End a worker at once."""

    worker: int
    reason: str


@dataclass(frozen=True, slots=True)
class Flush:
    """Send a worker what has waited for its process to be there."""

    worker: int


@dataclass(frozen=True, slots=True)
class Recall:
    """Take back what a worker has not begun, then tell `TakenBack`."""

    worker: int


@dataclass(frozen=True, slots=True)
class DumpStacks:
    """Have a worker write down where it is."""

    worker: int


@dataclass(frozen=True, slots=True)
class Fail:
    """Answer this task with an error; `started` if it may have run, `worker` if one is to blame."""

    task: int
    cause: Cause
    started: bool
    worker: int | None = None


@dataclass(frozen=True, slots=True)
class Cancel:
    """Answer this task with a cancellation; it never ran."""

    task: int


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Tell `TimerFired` at this time, if not before."""

    when: float


@dataclass(frozen=True, slots=True)
class Ended:
    """The last worker is gone and none will come: give everything back."""


Effect: TypeAlias = (
    Encode
    | Flush
    | Spawn
    | Send
    | Stop
    | Kill
    | Recall
    | DumpStacks
    | Fail
    | Cancel
    | SetTimer
    | Ended
)
