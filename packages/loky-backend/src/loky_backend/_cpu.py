"""How many processors this process may use: the least of what each authority allows."""

from __future__ import annotations

import math
import os
import sys
import warnings

from ._cgroups import cpu_quota
from ._cores import CoresUnknownError, physical_cores

__all__ = ["cpu_count"]

_VARIABLE = "LOKY_MAX_CPU_COUNT"
_warned: list[str] = []  # the one warning about unknown cores, once it was given


def cpu_count(only_physical_cores: bool = False) -> int:
    """Return how many processors this process may use.

    The least of: the processors of the machine; the scheduler's affinity mask (``taskset``,
    Slurm); the CPU quota of the control groups this process is in, rounded up (Docker,
    Kubernetes); the variable ``LOKY_MAX_CPU_COUNT``.

    Args:
        only_physical_cores: count the hardware threads of one core once. If the system does not
            tell which belong together, a warning says so, once, and all are counted.

    Returns:
        A number of at least 1.

    Raises:
        ValueError: ``LOKY_MAX_CPU_COUNT`` is not a whole number above 0.

    Reads a few files each time (about 0.2 ms), so a changed quota is seen; starts a program
    (``sysctl``) for physical cores on macOS and FreeBSD. Any thread.
    """
    limit = _limit_of_environment(os.environ.get(_VARIABLE))
    allowed = allowed_processors()
    total = os.cpu_count() or 1
    counts = [total if allowed is None else len(allowed)]
    quota = cpu_quota()
    if quota is not None:
        counts.append(math.ceil(quota))
    if limit is not None:
        counts.append(limit)
    if only_physical_cores:
        try:
            counts.append(physical_cores(allowed))
        except CoresUnknownError as error:
            _warn_once(str(error))
    return max(1, min(counts))


def allowed_processors() -> frozenset[int] | None:
    """Return the numbers of the processors this process may run on; None if unknown."""
    if sys.platform == "linux":
        return frozenset(os.sched_getaffinity(0))
    if sys.platform == "win32" or sys.platform.startswith("freebsd"):
        import psutil

        try:
            return frozenset(psutil.Process().cpu_affinity() or ()) or None
        except (AttributeError, OSError, psutil.Error):  # not on every build of psutil
            return None
    return None


def _limit_of_environment(text: str | None) -> int | None:
    """Return what ``LOKY_MAX_CPU_COUNT`` says; None if it is unset or empty."""
    if text is None or not text.strip():
        return None
    try:
        limit = int(text)
    except ValueError:
        limit = 0
    if limit < 1:
        raise ValueError(f"{_VARIABLE} must be a whole number above 0, got {text!r}")
    return limit


def _warn_once(reason: str) -> None:
    if not _warned:
        _warned.append(reason)
        warnings.warn(
            f"Cannot find the number of physical cores: {reason}. Logical processors are counted "
            f"instead; {_VARIABLE} sets another number.",
            stacklevel=3,
        )
