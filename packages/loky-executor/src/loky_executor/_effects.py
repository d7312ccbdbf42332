"""What the scheduler decides: to be carried out in order, outside of it, as values."""

from __future__ import annotations

from enum import Enum
from typing import TypeAlias

from ._values import Value


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


class Encode(Value):
    """Turn this task into bytes, then tell `Encoded` or `Dropped`."""

    __slots__ = __match_args__ = ("task",)

    def __init__(self, task: int) -> None:
        self.task = task


class Spawn(Value):
    """Start a worker under this number."""

    __slots__ = __match_args__ = ("worker",)

    def __init__(self, worker: int) -> None:
        self.worker = worker


class Send(Value):
    """Send this task to this worker; with `claim` it can be recalled until it is begun."""

    __slots__ = __match_args__ = ("worker", "task", "claim")

    def __init__(self, worker: int, task: int, claim: bool = False) -> None:
        self.worker = worker
        self.task = task
        self.claim = claim


class Stop(Value):
    """Tell a worker to end when it has finished what it was sent."""

    __slots__ = __match_args__ = ("worker",)

    def __init__(self, worker: int) -> None:
        self.worker = worker


class Kill(Value):
    """End a worker at once."""

    __slots__ = __match_args__ = ("worker", "reason")

    def __init__(self, worker: int, reason: str) -> None:
        self.worker = worker
        self.reason = reason


class Flush(Value):
    """Send a worker what has waited for its process to be there."""

    __slots__ = __match_args__ = ("worker",)

    def __init__(self, worker: int) -> None:
        self.worker = worker


class Recall(Value):
    """Take back what a worker has not begun, then tell `TakenBack`."""

    __slots__ = __match_args__ = ("worker",)

    def __init__(self, worker: int) -> None:
        self.worker = worker


class DumpStacks(Value):
    """Have a worker write down where it is."""

    __slots__ = __match_args__ = ("worker",)

    def __init__(self, worker: int) -> None:
        self.worker = worker


class Fail(Value):
    """Answer this task with an error; `started` if it may have run, `worker` if one is to blame."""

    __slots__ = __match_args__ = ("task", "cause", "started", "worker")

    def __init__(self, task: int, cause: Cause, started: bool, worker: int | None = None) -> None:
        self.task = task
        self.cause = cause
        self.started = started
        self.worker = worker


class Cancel(Value):
    """Answer this task with a cancellation; it never ran."""

    __slots__ = __match_args__ = ("task",)

    def __init__(self, task: int) -> None:
        self.task = task


class SetTimer(Value):
    """Tell `TimerFired` at this time, if not before."""

    __slots__ = __match_args__ = ("when",)

    def __init__(self, when: float) -> None:
        self.when = when


class Ended(Value):
    """The last worker is gone and none will come: give everything back."""

    __slots__ = ()


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
