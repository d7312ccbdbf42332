"""`loky.process_executor`: the executor and its errors, under the names existing code uses."""

from loky_executor import (
    BrokenProcessPool,
    LokyRecursionError,
    ShutdownExecutorError,
    TerminatedWorkerError,
)
from loky_reusable import CURRENT_DEPTH as _CURRENT_DEPTH
from loky_reusable import EXTRA_QUEUED_CALLS, MAX_DEPTH, ProcessPoolExecutor, cpu_count
from loky_reusable import CarriedException as _ExceptionWithTraceback

BrokenExecutor = BrokenProcessPool

__all__ = [
    "EXTRA_QUEUED_CALLS",
    "MAX_DEPTH",
    "_CURRENT_DEPTH",
    "BrokenExecutor",
    "BrokenProcessPool",
    "LokyRecursionError",
    "ProcessPoolExecutor",
    "ShutdownExecutorError",
    "TerminatedWorkerError",
    "_ExceptionWithTraceback",
    "cpu_count",
]
