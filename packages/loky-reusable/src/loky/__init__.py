"""The import name existing code uses: a thin facade over `loky_reusable`, without logic."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from loky_executor import BrokenProcessPool as BrokenProcessPool
    from loky_executor import ProcessPoolExecutor as ProcessPoolExecutor
    from loky_reusable import cpu_count as cpu_count
    from loky_reusable import get_reusable_executor as get_reusable_executor

__version__ = "0.1.0"

_HOME_OF = {
    "BrokenProcessPool": "loky_executor",
    "CancelledError": "concurrent.futures",
    "Executor": "concurrent.futures",
    "Future": "concurrent.futures",
    "ProcessPoolExecutor": "loky_executor",
    "TimeoutError": "concurrent.futures",
    "as_completed": "concurrent.futures",
    "cpu_count": "loky_reusable",
    "get_reusable_executor": "loky_reusable",
    "wait": "concurrent.futures",
}

__all__ = [
    "BrokenProcessPool",
    "CancelledError",
    "Executor",
    "Future",
    "ProcessPoolExecutor",
    "TimeoutError",
    "as_completed",
    "cpu_count",
    "get_reusable_executor",
    "wait",
]


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value
