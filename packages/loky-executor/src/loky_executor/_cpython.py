"""The only file of this package that touches private names of CPython, each with its reason.

``Future._get_snapshot``
    From 3.15 on `asyncio` takes the outcome of a `concurrent.futures.Future` by this, and no
    longer by `result` and `exception`: what a subclass makes of its result would be passed by.
    Nothing calls it before 3.15. Checked on 3.10 to 3.15.
"""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class SnapshotFuture(Future[T]):
    """A `Future` whose subclasses say in `result` and `exception` what its outcome is."""

    def _get_snapshot(self) -> tuple[bool, bool, Any, BaseException | None]:
        """Return (done, cancelled, result, exception), without waiting."""
        if not self.done():
            return False, False, None, None
        if self.cancelled():
            return True, True, None, None
        error = self.exception(0)
        return True, False, None if error is not None else self.result(0), error
