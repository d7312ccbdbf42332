"""One process pool for the whole program: started when needed, reused, resized, gone when idle.

The public door of the package; every name resolves on first use (PEP 562). New code needs
`get_reusable_executor` and the errors; the rest is what the facade `loky` shows to existing code.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from loky_executor import BrokenProcessPool as BrokenProcessPool
    from loky_executor import LokyRecursionError as LokyRecursionError
    from loky_executor import ShutdownExecutorError as ShutdownExecutorError
    from loky_executor import TerminatedWorkerError as TerminatedWorkerError
    from loky_executor import cpu_count as cpu_count
    from loky_executor import get_loky_pickler as get_loky_pickler
    from loky_executor import get_loky_pickler_name as get_loky_pickler_name
    from loky_executor import wrap_non_picklable_objects as wrap_non_picklable_objects

    from ._legacy import CURRENT_DEPTH as CURRENT_DEPTH
    from ._legacy import EXTRA_QUEUED_CALLS as EXTRA_QUEUED_CALLS
    from ._legacy import MAX_DEPTH as MAX_DEPTH
    from ._legacy import CarriedException as CarriedException
    from ._legacy import dump as dump
    from ._legacy import dumps as dumps
    from ._legacy import get_exitcodes_terminated_worker as get_exitcodes_terminated_worker
    from ._legacy import kill_process_tree as kill_process_tree
    from ._legacy import register as register
    from ._legacy import set_loky_pickler as set_loky_pickler
    from ._pool_executor import ProcessPoolExecutor as ProcessPoolExecutor
    from ._queues import Queue as Queue
    from ._queues import SimpleQueue as SimpleQueue
    from ._resources import CLEANUP_FUNCTIONS as CLEANUP_FUNCTIONS
    from ._resources import ResourceTracker as ResourceTracker
    from ._resources import resource_tracker as resource_tracker
    from ._reusable import ReusableExecutor as ReusableExecutor
    from ._reusable import get_reusable_executor as get_reusable_executor
    from ._start_methods import START_METHODS as START_METHODS
    from ._start_methods import get_context as get_context
    from ._start_methods import get_start_method as get_start_method
    from ._start_methods import set_start_method as set_start_method
    from ._synchronize import BoundedSemaphore as BoundedSemaphore
    from ._synchronize import Condition as Condition
    from ._synchronize import Event as Event
    from ._synchronize import Lock as Lock
    from ._synchronize import RLock as RLock
    from ._synchronize import Semaphore as Semaphore

__version__ = "0.1.0"

_HOME_OF = {
    "CLEANUP_FUNCTIONS": "._resources",
    "CURRENT_DEPTH": "._legacy",
    "EXTRA_QUEUED_CALLS": "._legacy",
    "MAX_DEPTH": "._legacy",
    "START_METHODS": "._start_methods",
    "BoundedSemaphore": "._synchronize",
    "BrokenProcessPool": "loky_executor",
    "CarriedException": "._legacy",
    "Condition": "._synchronize",
    "Event": "._synchronize",
    "Lock": "._synchronize",
    "LokyRecursionError": "loky_executor",
    "ProcessPoolExecutor": "._pool_executor",
    "Queue": "._queues",
    "RLock": "._synchronize",
    "ResourceTracker": "._resources",
    "ReusableExecutor": "._reusable",
    "Semaphore": "._synchronize",
    "ShutdownExecutorError": "loky_executor",
    "SimpleQueue": "._queues",
    "TerminatedWorkerError": "loky_executor",
    "cpu_count": "loky_executor",
    "dump": "._legacy",
    "dumps": "._legacy",
    "get_context": "._start_methods",
    "get_exitcodes_terminated_worker": "._legacy",
    "get_loky_pickler": "loky_executor",
    "get_loky_pickler_name": "loky_executor",
    "get_reusable_executor": "._reusable",
    "get_start_method": "._start_methods",
    "kill_process_tree": "._legacy",
    "register": "._legacy",
    "resource_tracker": "._resources",
    "set_loky_pickler": "._legacy",
    "set_start_method": "._start_methods",
    "wrap_non_picklable_objects": "loky_executor",
}

__all__ = [
    "CLEANUP_FUNCTIONS",
    "CURRENT_DEPTH",
    "EXTRA_QUEUED_CALLS",
    "MAX_DEPTH",
    "START_METHODS",
    "BoundedSemaphore",
    "BrokenProcessPool",
    "CarriedException",
    "Condition",
    "Event",
    "Lock",
    "LokyRecursionError",
    "ProcessPoolExecutor",
    "Queue",
    "RLock",
    "ResourceTracker",
    "ReusableExecutor",
    "Semaphore",
    "ShutdownExecutorError",
    "SimpleQueue",
    "TerminatedWorkerError",
    "cpu_count",
    "dump",
    "dumps",
    "get_context",
    "get_exitcodes_terminated_worker",
    "get_loky_pickler",
    "get_loky_pickler_name",
    "get_reusable_executor",
    "get_start_method",
    "kill_process_tree",
    "register",
    "resource_tracker",
    "set_loky_pickler",
    "set_start_method",
    "wrap_non_picklable_objects",
]


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOME_OF[name], __name__), name)
    globals()[name] = value
    return value
