"""What a reactor tells its owner."""

from __future__ import annotations

from dataclasses import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    from ._frames import Frame
    from ._obituary import Obituary
    from ._worker import Worker


@dataclass(frozen=True, slots=True)
class WorkerReady:
    """A worker has initialized and waits for tasks."""

    worker: Worker


@dataclass(frozen=True, slots=True)
class FrameArrived:
    """A worker answered."""

    worker: Worker
    frame: Frame


@dataclass(frozen=True, slots=True)
class WorkerDied:
    """A worker is dead, everything it had sent was delivered, and all it held was given back."""

    worker: Worker
    obituary: Obituary


@dataclass(frozen=True, slots=True)
class TimerFired:
    """A timer that was set is due."""

    key: str


Event: TypeAlias = WorkerReady | FrameArrived | WorkerDied | TimerFired
