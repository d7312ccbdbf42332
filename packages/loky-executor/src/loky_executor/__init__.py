"""A process pool executor that cannot hang: futures and scheduling over crash-aware workers.

The public door of the package; every name resolves on first use (PEP 562).
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from loky_backend import Obituary as Obituary
    from loky_backend import RemoteTraceback as RemoteTraceback
    from loky_backend import Shared as Shared
    from loky_backend import SharedMemoryError as SharedMemoryError
    from loky_backend import cpu_count as cpu_count
    from loky_backend import dump as dump
    from loky_backend import dumps as dumps
    from loky_backend import encode_whole as encode_whole
    from loky_backend import get_context as get_context
    from loky_backend import get_loky_pickler as get_loky_pickler
    from loky_backend import get_loky_pickler_name as get_loky_pickler_name
    from loky_backend import kill_process_tree as kill_process_tree
    from loky_backend import loads as loads
    from loky_backend import register as register
    from loky_backend import set_loky_pickler as set_loky_pickler
    from loky_backend import wrap_non_picklable_objects as wrap_non_picklable_objects

    from ._broken import BrokenProcessPool as BrokenProcessPool
    from ._broken import TerminatedWorkerError as TerminatedWorkerError
    from ._broken import WorkerStartError as WorkerStartError
    from ._errors import ExecutorError as ExecutorError
    from ._errors import LokyRecursionError as LokyRecursionError
    from ._errors import PicklingError as PicklingError
    from ._errors import ShutdownExecutorError as ShutdownExecutorError
    from ._errors import TaskTimeoutError as TaskTimeoutError
    from ._errors import WorkerMemoryError as WorkerMemoryError
    from ._errors import WorkersKilledError as WorkersKilledError
    from ._executor import ProcessPoolExecutor as ProcessPoolExecutor
    from ._future import TaskFuture as TaskFuture
    from ._staff import WorkerInfo as WorkerInfo
    from ._stats import Stats as Stats

__version__ = "0.1.0"

_HOME_OF = {
    "BrokenProcessPool": "._broken",
    "ExecutorError": "._errors",
    "LokyRecursionError": "._errors",
    "Obituary": "loky_backend",
    "PicklingError": "._errors",
    "ProcessPoolExecutor": "._executor",
    "RemoteTraceback": "loky_backend",
    "Shared": "loky_backend",
    "SharedMemoryError": "loky_backend",
    "ShutdownExecutorError": "._errors",
    "Stats": "._stats",
    "TaskFuture": "._future",
    "TaskTimeoutError": "._errors",
    "TerminatedWorkerError": "._broken",
    "WorkerInfo": "._staff",
    "WorkerMemoryError": "._errors",
    "WorkerStartError": "._broken",
    "WorkersKilledError": "._errors",
    "cpu_count": "loky_backend",
    "dump": "loky_backend",
    "dumps": "loky_backend",
    "encode_whole": "loky_backend",
    "get_context": "loky_backend",
    "get_loky_pickler": "loky_backend",
    "get_loky_pickler_name": "loky_backend",
    "kill_process_tree": "loky_backend",
    "loads": "loky_backend",
    "register": "loky_backend",
    "set_loky_pickler": "loky_backend",
    "wrap_non_picklable_objects": "loky_backend",
}

__all__ = [
    "BrokenProcessPool",
    "ExecutorError",
    "LokyRecursionError",
    "Obituary",
    "PicklingError",
    "ProcessPoolExecutor",
    "RemoteTraceback",
    "Shared",
    "SharedMemoryError",
    "ShutdownExecutorError",
    "Stats",
    "TaskFuture",
    "TaskTimeoutError",
    "TerminatedWorkerError",
    "WorkerInfo",
    "WorkerMemoryError",
    "WorkerStartError",
    "WorkersKilledError",
    "cpu_count",
    "dump",
    "dumps",
    "encode_whole",
    "get_context",
    "get_loky_pickler",
    "get_loky_pickler_name",
    "kill_process_tree",
    "loads",
    "register",
    "set_loky_pickler",
    "wrap_non_picklable_objects",
]


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOME_OF[name], __name__), name)
    globals()[name] = value
    return value
