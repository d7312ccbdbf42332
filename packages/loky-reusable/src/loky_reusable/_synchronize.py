"""Locks, semaphores, conditions and events that need no context, as in `loky.backend.synchronize`.

They are those of `multiprocessing`, for processes of the context "loky".
"""

from __future__ import annotations

from multiprocessing import synchronize

from loky_executor import get_context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Lock(synchronize.Lock):
    """A lock that processes share."""

    def __init__(self) -> None:
        super().__init__(ctx=get_context("loky"))


class RLock(synchronize.RLock):
    """A lock that its owner may take again."""

    def __init__(self) -> None:
        super().__init__(ctx=get_context("loky"))


class Semaphore(synchronize.Semaphore):
    """A counter that blocks at 0."""

    def __init__(self, value: int = 1) -> None:
        super().__init__(value, ctx=get_context("loky"))


class BoundedSemaphore(synchronize.BoundedSemaphore):
    """A semaphore that never counts above where it began."""

    def __init__(self, value: int = 1) -> None:
        super().__init__(value, ctx=get_context("loky"))


class Condition(synchronize.Condition):
    """A condition; `lock` is one of this module's, None for a new `RLock`."""

    def __init__(self, lock: Any = None) -> None:
        super().__init__(lock, ctx=get_context("loky"))


class Event(synchronize.Event):
    """A flag to wait for."""

    def __init__(self) -> None:
        super().__init__(ctx=get_context("loky"))
