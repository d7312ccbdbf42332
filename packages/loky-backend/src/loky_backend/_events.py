"""What a reactor tells its owner."""

from __future__ import annotations

from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    from ._frames import Frame
    from ._obituary import Obituary
    from ._worker import Worker


class WorkerReady(NamedTuple):
    """A worker has initialized and waits for tasks."""

    worker: Worker


class FrameArrived(NamedTuple):
    """A worker answered."""

    worker: Worker
    frame: Frame


class WorkerDied(NamedTuple):
    """A worker is dead, everything it had sent was delivered, and all it held was given back."""

    worker: Worker
    obituary: Obituary


class TimerFired(NamedTuple):
    """A timer that was set is due."""

    key: str


Event: TypeAlias = WorkerReady | FrameArrived | WorkerDied | TimerFired
