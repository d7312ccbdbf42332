"""Checks of what users pass: a clear error that names the value, before anything else happens."""

from __future__ import annotations

import os
import sys
from typing import Any

from loky_backend import cpu_count

from ._errors import LokyRecursionError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

DEPTH_VARIABLE = "LOKY_WORKER_DEPTH"
_MAX_DEPTH_VARIABLE = "LOKY_MAX_DEPTH"
_DEFAULT_MAX_DEPTH = 10
# What one `select` of Windows takes (512 sockets, one for each worker) and a few to spare.
_MOST_WORKERS = 500 if sys.platform == "win32" else None
_START_METHODS = (None, "loky", "loky_init_main", "spawn")

# What sizes the thread pools of numerical libraries; read when they are loaded.
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "POLARS_MAX_THREADS",
    "TBB_NUM_THREADS",
    "TORCH_NUM_THREADS",
)


def checked_max_workers(max_workers: int | None) -> int:
    """Return how many workers there may be; None means `cpu_count()`."""
    workers = cpu_count() if max_workers is None else checked_count("max_workers", max_workers)
    return workers if _MOST_WORKERS is None else min(workers, _MOST_WORKERS)


def checked_count(name: str, value: Any) -> int:
    """Return a whole number of at least 1."""
    if isinstance(value, bool) or not hasattr(type(value), "__index__"):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    number = int(value.__index__())
    if number < 1:
        raise ValueError(f"{name} must be at least 1, got {value!r}")
    return number


def checked_optional_count(name: str, value: Any) -> int | None:
    """Return a whole number of at least 1, or None."""
    return None if value is None else checked_count(name, value)


def checked_seconds(name: str, value: Any) -> float | None:
    """Return seconds of at least 0, or None for no limit."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number of seconds or None, got {value!r}") from None
    if not seconds >= 0:  # NaN too
        raise ValueError(f"{name} must be None or at least 0 seconds, got {value!r}")
    return None if seconds == float("inf") else seconds


def checked_choice(name: str, value: Any, choices: tuple[Any, ...]) -> Any:
    """Return a value that is one of a few."""
    if not any(value is choice or (type(value) is str and value == choice) for choice in choices):
        raise ValueError(f"{name} must be one of {choices}, got {value!r}")
    return value


def check_context(context: Any) -> None:
    """Refuse a start method that this executor does not have: it always starts fresh processes."""
    method = context
    if context is not None and not isinstance(context, str):
        get_start_method = getattr(context, "get_start_method", None)
        if get_start_method is None:
            raise TypeError(f"context must be a start method or a context, got {context!r}")
        method = get_start_method()
    if method not in _START_METHODS:
        raise ValueError(
            f"start method {method!r} is not possible: workers are fresh processes "
            '("loky"), since a forked copy of a program with threads can hang'
        )


def check_depth() -> int:
    """Return how deep in workers this process is; raises `LokyRecursionError` if too deep."""
    depth = _number_of(DEPTH_VARIABLE, 0)
    limit = _number_of(_MAX_DEPTH_VARIABLE, _DEFAULT_MAX_DEPTH)
    if depth >= limit > 0:
        raise LokyRecursionError(depth, limit)
    return depth


def _number_of(variable: str, default: int) -> int:
    text = os.environ.get(variable)
    if text is None:
        return default
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{variable} must be a whole number, got {text!r}") from None


def worker_environment(
    env: Mapping[str, str | None] | None, threads_per_worker: int | None, depth: int
) -> dict[str, str | None]:
    """Return the changes to the environment of workers."""
    changes: dict[str, str | None] = {DEPTH_VARIABLE: str(depth + 1)}
    if threads_per_worker is not None:
        changes.update(dict.fromkeys(_THREAD_VARIABLES, str(threads_per_worker)))
    for name, value in dict(env or {}).items():
        # Existing code gives numbers: {"OMP_NUM_THREADS": 1}.
        changes[name] = str(value) if isinstance(value, int) else value
    return changes
