"""The workers as the scheduler sees them: phases, who is free, who has room, what is due when."""

from __future__ import annotations

from enum import Enum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._effects import Cause

_PACE_STEP = 4  # answers after which the pace is looked at again
_PACE_MEMORY = 256  # answers after which older ones count half


class Phase(Enum):
    """What a worker is in the middle of."""

    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"


class WorkerState:
    """One worker.

    Attributes:
        phase: see `Phase`.
        was_ready: whether it ever was ready: if not, it has begun no task.
        assigned: its tasks, in the order they were sent; the first one is the one that runs.
        idle_since: when it ran out of tasks.
        head_since: when its first task began, as far as can be told from here.
        deadline: when something is to be done about it; None for never.
        dumped: whether it was asked for its stacks: the next deadline kills it.
        verdict: why it is being killed, if it is.
        target: the task it is killed for.
        done: how many tasks it has answered.
        retiring: whether it gets no more tasks.
        recalled: whether its tasks were asked back, and no answer was told yet.
        spent: whether it had nothing to give back, and got no task since then.
    """

    __slots__ = (
        "assigned",
        "deadline",
        "done",
        "dumped",
        "head_since",
        "idle_since",
        "phase",
        "recalled",
        "retiring",
        "spent",
        "target",
        "verdict",
        "was_ready",
    )

    def __init__(self) -> None:
        self.phase = Phase.STARTING
        self.was_ready = False
        self.assigned: dict[int, None] = {}
        self.idle_since = 0.0
        self.head_since = 0.0
        self.deadline: float | None = None
        self.dumped = False
        self.verdict: Cause | None = None
        self.target: int | None = None
        self.done = 0
        self.retiring = False
        self.recalled = False
        self.spent = False

    def head(self) -> int | None:
        """The task that runs, None if there is none."""
        return next(iter(self.assigned), None)


class Pace:
    """How long tasks take, measured where it costs nothing: between two answers of a worker.

    Args:
        seconds: of work a worker should hold.
        most: how many tasks it may hold at all.

    Attributes:
        depth: how many tasks a worker does in that time, from 1 to `most`.
    """

    def __init__(self, seconds: float, most: int) -> None:
        self.depth = 1
        self._ahead = seconds
        self._most = most
        self._seconds = 0.0
        self._answers = 0

    def note(self, seconds: float) -> None:
        """Take note of one answer and the time since the one before."""
        self._seconds += seconds
        self._answers += 1
        if self._answers % _PACE_STEP == 0 and self._most > 1:
            each = max(self._seconds / self._answers, 1e-9)
            self.depth = max(1, min(self._most, int(self._ahead / each)))
            if self._answers >= _PACE_MEMORY:
                self._seconds /= 2
                self._answers //= 2
