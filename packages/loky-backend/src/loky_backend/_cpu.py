"""How many processors this process may use."""

from __future__ import annotations

import os


def cpu_count() -> int:
    """Return how many processors this process may use, at least 1.

    The least of the machine's processors and what the scheduler's affinity mask allows, or what
    ``LOKY_MAX_CPU_COUNT`` says if that is less.

    Raises:
        ValueError: ``LOKY_MAX_CPU_COUNT`` is not a whole number of at least 1.
    """
    count = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        count = min(count, len(os.sched_getaffinity(0)))
    limit = os.environ.get("LOKY_MAX_CPU_COUNT")
    if limit is not None:
        if not limit.isdecimal() or int(limit) < 1:
            raise ValueError(f"LOKY_MAX_CPU_COUNT must be a whole number above 0, got {limit!r}")
        count = min(count, int(limit))
    return count
