"""The import name existing code uses: a thin facade over `loky_reusable`, without logic.

Every name, submodules included, resolves on first use (PEP 562).
"""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from concurrent.futures import ALL_COMPLETED as ALL_COMPLETED
    from concurrent.futures import FIRST_COMPLETED as FIRST_COMPLETED
    from concurrent.futures import FIRST_EXCEPTION as FIRST_EXCEPTION
    from concurrent.futures import CancelledError as CancelledError
    from concurrent.futures import Executor as Executor
    from concurrent.futures import Future as Future
    from concurrent.futures import TimeoutError as TimeoutError  # noqa: A004 - its name there
    from concurrent.futures import as_completed as as_completed
    from concurrent.futures import wait as wait

    from loky_executor import BrokenProcessPool as BrokenProcessPool
    from loky_reusable import ProcessPoolExecutor as ProcessPoolExecutor
    from loky_reusable import cpu_count as cpu_count
    from loky_reusable import get_reusable_executor as get_reusable_executor
    from loky_reusable import set_loky_pickler as set_loky_pickler
    from loky_reusable import wrap_non_picklable_objects as wrap_non_picklable_objects

__version__ = "0.1.0"

_HOME_OF = {
    "ALL_COMPLETED": "concurrent.futures",
    "FIRST_COMPLETED": "concurrent.futures",
    "FIRST_EXCEPTION": "concurrent.futures",
    "BrokenProcessPool": "loky_executor",
    "CancelledError": "concurrent.futures",
    "Executor": "concurrent.futures",
    "Future": "concurrent.futures",
    "ProcessPoolExecutor": "loky_reusable",
    "TimeoutError": "concurrent.futures",
    "as_completed": "concurrent.futures",
    "cpu_count": "loky_reusable",
    "get_reusable_executor": "loky_reusable",
    "set_loky_pickler": "loky_reusable",
    "wait": "concurrent.futures",
    "wrap_non_picklable_objects": "loky_reusable",
}
_SUBMODULES = (
    "backend",
    "cloudpickle_wrapper",
    "initializers",
    "process_executor",
    "reusable_executor",
)

__all__ = [
    "ALL_COMPLETED",
    "FIRST_COMPLETED",
    "FIRST_EXCEPTION",
    "BrokenProcessPool",
    "CancelledError",
    "Executor",
    "Future",
    "ProcessPoolExecutor",
    "TimeoutError",
    "as_completed",
    "cpu_count",
    "get_reusable_executor",
    "set_loky_pickler",
    "wait",
    "wrap_non_picklable_objects",
]


def _refuse_a_mixture() -> None:
    """Raise if the files of the distribution `loky` lie between ours: the later one overwrote."""
    site = os.path.dirname(os.path.dirname(__file__))
    try:
        found = [name for name in os.listdir(site) if name.startswith("loky-")]
    except OSError:
        return  # in an archive, or not on a disk at all
    for name in found:
        for record in ("RECORD", "SOURCES.txt", "installed-files.txt"):
            try:
                with open(os.path.join(site, name, record), encoding="utf-8") as lines:
                    owns = any("loky/__init__.py" in line for line in lines)
            except OSError:
                continue
            if owns:
                raise ImportError(
                    f"two distributions own the import name 'loky' in {site}: loky-reusable and "
                    f"{name}. Each has overwritten files of the other, so neither can be used. "
                    "Keep one: pip uninstall --yes loky loky-reusable; pip install loky-reusable"
                )


_refuse_a_mixture()


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name in _SUBMODULES:
        return import_module(f".{name}", __name__)
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value
