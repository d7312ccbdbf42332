"""Start a fresh Python by fork+exec or CreateProcess, hand it sockets and bytes, and watch it.

The public door of the package: every name below resolves on first use (PEP 562), so that a child
which needs one of them imports nothing else.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._capabilities import has_capability as has_capability
    from ._errors import ChildFailedError as ChildFailedError
    from ._errors import EntryError as EntryError
    from ._errors import HandoverError as HandoverError
    from ._errors import InterpreterError as InterpreterError
    from ._errors import SpawnError as SpawnError
    from ._errors import WorkingDirectoryError as WorkingDirectoryError
    from ._executable import get_executable as get_executable
    from ._executable import set_executable as set_executable
    from ._frozen import freeze_support as freeze_support
    from ._handover import Handover as Handover
    from ._process import ChildProcess as ChildProcess
    from ._spawn import spawn as spawn
    from ._tree import kill_process_tree as kill_process_tree

__version__ = "0.1.0"

_HOME_OF = {
    "ChildFailedError": "_errors",
    "ChildProcess": "_process",
    "EntryError": "_errors",
    "Handover": "_handover",
    "HandoverError": "_errors",
    "InterpreterError": "_errors",
    "SpawnError": "_errors",
    "WorkingDirectoryError": "_errors",
    "freeze_support": "_frozen",
    "get_executable": "_executable",
    "has_capability": "_capabilities",
    "kill_process_tree": "_tree",
    "set_executable": "_executable",
    "spawn": "_spawn",
}

__all__ = [
    "ChildFailedError",
    "ChildProcess",
    "EntryError",
    "Handover",
    "HandoverError",
    "InterpreterError",
    "SpawnError",
    "WorkingDirectoryError",
    "freeze_support",
    "get_executable",
    "has_capability",
    "kill_process_tree",
    "set_executable",
    "spawn",
]


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value
