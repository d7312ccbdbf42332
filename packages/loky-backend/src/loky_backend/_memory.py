"""Watching the memory of workers from the parent: who leaks, who is over the limit.

Rules:
1. The worker is never asked: its memory is read from outside, so this works while it computes.
2. Shared pages are not counted: segments mapped by a worker are not its own memory.

Facts:
- Linux: resident less shared pages, from ``/proc/PID/statm``; psutil reads it in about 20 us.
- macOS and Windows: psutil has no figure for shared pages; the resident set is taken.
"""

from __future__ import annotations

import os
from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_DEFAULT_LEAK = 300_000_000
_LEAK_VARIABLE = "LOKY_MAX_MEMORY_LEAK_SIZE"


class Excess(NamedTuple):
    """A worker whose memory is more than it should be.

    Attributes:
        ident: the worker's number.
        used: bytes it has of its own now.
        limit: bytes it should have at most.
        hard: True if it must be killed; False if it should be replaced when its task is done.
    """

    ident: int
    used: int
    limit: int
    hard: bool


def leak_limit() -> int:
    """Return the bytes a worker may grow by after its first task (`LOKY_MAX_MEMORY_LEAK_SIZE`).

    Raises:
        ValueError: the variable is not a whole number of bytes.
    """
    text = os.environ.get(_LEAK_VARIABLE)
    if text is None:
        return _DEFAULT_LEAK
    try:
        return int(float(text))
    except ValueError as error:
        raise ValueError(f"{_LEAK_VARIABLE} must be a number of bytes, got {text!r}") from error


def own_memory(pid: int) -> int | None:
    """Return the bytes of memory a process has of its own; None if it is gone. Does not block."""
    import psutil

    try:
        info = psutil.Process(pid).memory_info()
    except psutil.Error:
        return None
    return int(info.rss) - int(getattr(info, "shared", 0))


class MemoryWatch:
    """Compares what workers use with what they may use. Not thread-safe.

    Making one imports psutil (15 ms). Do that where no other thread can fork the program meanwhile:
    in the copy the import would stay locked, and `look` would wait for ever.

    Args:
        leak_limit: bytes a worker may grow by after its first task; None for any.
        hard_limit: bytes a worker may have of its own at all; None for any.
    """

    def __init__(self, leak_limit: int | None, hard_limit: int | None = None) -> None:
        import psutil  # noqa: F401 - see above

        self.leak_limit = leak_limit
        self.hard_limit = hard_limit
        self._base: dict[int, int] = {}
        self._peak: dict[int, int] = {}

    def look(self, workers: Iterable[tuple[int, int, bool]]) -> list[Excess]:
        """Look at all workers once.

        Args:
            workers: (number, pid, whether it has finished a task) of each; those not named are
                forgotten.

        Returns:
            Those over a limit. Takes about 30 us per worker.
        """
        found = []
        present = set()
        for ident, pid, seasoned in workers:
            used = own_memory(pid)
            if used is None:
                continue
            present.add(ident)
            self._peak[ident] = max(used, self._peak.get(ident, 0))
            if self.hard_limit is not None and used > self.hard_limit:
                found.append(Excess(ident, used, self.hard_limit, hard=True))
            elif seasoned and self.leak_limit is not None:
                limit = self._base.setdefault(ident, used) + self.leak_limit
                if used > limit:
                    found.append(Excess(ident, used, limit, hard=False))
        for kept in (self._base, self._peak):
            for ident in kept.keys() - present:
                del kept[ident]
        return found

    def peak(self, ident: int) -> int | None:
        """Return the most bytes a worker was seen with; None if it was not there last time."""
        return self._peak.get(ident)
