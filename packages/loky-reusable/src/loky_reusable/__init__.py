"""One process pool for the whole program: started when needed, reused, resized, gone when idle.

The public door of the package; every name resolves on first use (PEP 562).
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from loky_executor import BrokenProcessPool as BrokenProcessPool
    from loky_executor import ProcessPoolExecutor as ProcessPoolExecutor
    from loky_executor import ShutdownExecutorError as ShutdownExecutorError
    from loky_executor import TerminatedWorkerError as TerminatedWorkerError
    from loky_executor import cpu_count as cpu_count

    from ._reusable import ReusableExecutor as ReusableExecutor
    from ._reusable import get_reusable_executor as get_reusable_executor

__version__ = "0.1.0"

_HOME_OF = {
    "BrokenProcessPool": "loky_executor",
    "ProcessPoolExecutor": "loky_executor",
    "ReusableExecutor": "._reusable",
    "ShutdownExecutorError": "loky_executor",
    "TerminatedWorkerError": "loky_executor",
    "cpu_count": "loky_executor",
    "get_reusable_executor": "._reusable",
}

__all__ = [
    "BrokenProcessPool",
    "ProcessPoolExecutor",
    "ReusableExecutor",
    "ShutdownExecutorError",
    "TerminatedWorkerError",
    "cpu_count",
    "get_reusable_executor",
]


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOME_OF[name], __name__), name)
    globals()[name] = value
    return value
