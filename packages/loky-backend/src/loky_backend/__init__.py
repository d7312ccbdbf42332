"""Crash-aware worker processes: framed channels, a reactor, and an obituary for each dead worker.

The public door of the package; every name resolves on first use (PEP 562), so that a worker imports
nothing that only its parent needs.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from loky_spawn import SpawnError as SpawnError

    from ._budget import RestartBudget as RestartBudget
    from ._context import LokyContext as LokyContext
    from ._context import LokyInitMainContext as LokyInitMainContext
    from ._context import get_context as get_context
    from ._cpu import cpu_count as cpu_count
    from ._encoded import Encoded as Encoded
    from ._encoding import decode as decode
    from ._encoding import dump as dump
    from ._encoding import dumps as dumps
    from ._encoding import encode as encode
    from ._encoding import encode_whole as encode_whole
    from ._encoding import loads as loads
    from ._errors import BackendError as BackendError
    from ._errors import DecodingError as DecodingError
    from ._errors import EncodingError as EncodingError
    from ._errors import PicklerChoiceError as PicklerChoiceError
    from ._errors import ProtocolError as ProtocolError
    from ._errors import RemoteTraceback as RemoteTraceback
    from ._errors import SharedMemoryError as SharedMemoryError
    from ._errors import WorkerDiedError as WorkerDiedError
    from ._errors import WorkerStartError as WorkerStartError
    from ._events import Event as Event
    from ._events import FrameArrived as FrameArrived
    from ._events import TimerFired as TimerFired
    from ._events import WorkerDied as WorkerDied
    from ._events import WorkerReady as WorkerReady
    from ._failures import describe_failure as describe_failure
    from ._failures import rebuild_failure as rebuild_failure
    from ._frames import Frame as Frame
    from ._frames import FrameKind as FrameKind
    from ._frames import encode_frame as encode_frame
    from ._inheriting import Inheritance as Inheritance
    from ._memory import Excess as Excess
    from ._memory import MemoryWatch as MemoryWatch
    from ._memory import leak_limit as leak_limit
    from ._mp_process import LokyInitMainProcess as LokyInitMainProcess
    from ._mp_process import LokyProcess as LokyProcess
    from ._obituary import Obituary as Obituary
    from ._picklers import get_loky_pickler as get_loky_pickler
    from ._picklers import get_loky_pickler_name as get_loky_pickler_name
    from ._picklers import register as register
    from ._picklers import set_loky_pickler as set_loky_pickler
    from ._pieces import Buffer as Buffer
    from ._reactor import Reactor as Reactor
    from ._segments import SegmentPool as SegmentPool
    from ._settings import apply_settings as apply_settings
    from ._settings import pack_settings as pack_settings
    from ._sharing import Memory as Memory
    from ._sharing import Shared as Shared
    from ._sharing import encode_lending as encode_lending
    from ._sharing import share as share
    from ._sharing import share_encoded as share_encoded
    from ._starting import start_worker as start_worker
    from ._tree import kill_process_tree as kill_process_tree
    from ._worker import Worker as Worker
    from ._wrapping import ByValue as ByValue
    from ._wrapping import CallableByValue as CallableByValue
    from ._wrapping import wrap_non_picklable_objects as wrap_non_picklable_objects

__version__ = "0.1.0"

_HOME_OF = {
    "BackendError": "._errors",
    "ByValue": "._wrapping",
    "CallableByValue": "._wrapping",
    "DecodingError": "._errors",
    "Encoded": "._encoded",
    "EncodingError": "._errors",
    "Event": "._events",
    "Excess": "._memory",
    "Frame": "._frames",
    "FrameArrived": "._events",
    "FrameKind": "._frames",
    "Inheritance": "._inheriting",
    "LokyContext": "._context",
    "LokyInitMainContext": "._context",
    "LokyInitMainProcess": "._mp_process",
    "LokyProcess": "._mp_process",
    "Memory": "._sharing",
    "MemoryWatch": "._memory",
    "Obituary": "._obituary",
    "PicklerChoiceError": "._errors",
    "ProtocolError": "._errors",
    "Reactor": "._reactor",
    "RemoteTraceback": "._errors",
    "RestartBudget": "._budget",
    "SegmentPool": "._segments",
    "Shared": "._sharing",
    "SharedMemoryError": "._errors",
    "SpawnError": "loky_spawn",
    "TimerFired": "._events",
    "Worker": "._worker",
    "WorkerDied": "._events",
    "WorkerDiedError": "._errors",
    "WorkerReady": "._events",
    "WorkerStartError": "._errors",
    "apply_settings": "._settings",
    "cpu_count": "._cpu",
    "decode": "._encoding",
    "describe_failure": "._failures",
    "dump": "._encoding",
    "dumps": "._encoding",
    "encode": "._encoding",
    "encode_frame": "._frames",
    "encode_lending": "._sharing",
    "encode_whole": "._encoding",
    "get_context": "._context",
    "get_loky_pickler": "._picklers",
    "get_loky_pickler_name": "._picklers",
    "kill_process_tree": "._tree",
    "leak_limit": "._memory",
    "loads": "._encoding",
    "pack_settings": "._settings",
    "rebuild_failure": "._failures",
    "register": "._picklers",
    "set_loky_pickler": "._picklers",
    "share": "._sharing",
    "share_encoded": "._sharing",
    "start_worker": "._starting",
    "wrap_non_picklable_objects": "._wrapping",
}

__all__ = [
    "BackendError",
    "ByValue",
    "CallableByValue",
    "DecodingError",
    "Encoded",
    "EncodingError",
    "Event",
    "Excess",
    "Frame",
    "FrameArrived",
    "FrameKind",
    "Inheritance",
    "LokyContext",
    "LokyInitMainContext",
    "LokyInitMainProcess",
    "LokyProcess",
    "Memory",
    "MemoryWatch",
    "Obituary",
    "PicklerChoiceError",
    "ProtocolError",
    "Reactor",
    "RemoteTraceback",
    "RestartBudget",
    "SegmentPool",
    "Shared",
    "SharedMemoryError",
    "SpawnError",
    "TimerFired",
    "Worker",
    "WorkerDied",
    "WorkerDiedError",
    "WorkerReady",
    "WorkerStartError",
    "apply_settings",
    "cpu_count",
    "decode",
    "describe_failure",
    "dump",
    "dumps",
    "encode",
    "encode_frame",
    "encode_lending",
    "encode_whole",
    "get_context",
    "get_loky_pickler",
    "get_loky_pickler_name",
    "kill_process_tree",
    "leak_limit",
    "loads",
    "pack_settings",
    "rebuild_failure",
    "register",
    "set_loky_pickler",
    "share",
    "share_encoded",
    "start_worker",
    "wrap_non_picklable_objects",
]


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOME_OF[name], __name__), name)
    globals()[name] = value
    return value
