"""`loky.backend.synchronize`: locks and the like between processes."""

from loky_reusable import BoundedSemaphore, Condition, Event, Lock, RLock, Semaphore

__all__ = ["BoundedSemaphore", "Condition", "Event", "Lock", "RLock", "Semaphore"]
