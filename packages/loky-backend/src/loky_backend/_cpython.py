"""The only file of this package that touches private names of CPython, each with its reason.

``_pickle``
    The C half of ``pickle``. A worker that runs plain functions needs `loads`, `dumps` and
    `PickleBuffer` of it and nothing else; ``pickle`` itself imports ``re`` and more, 5 ms of a
    start of 8 ms. Where it is missing, ``pickle`` is used. Checked on 3.10 to 3.15.

``_signal``
    The C half of ``signal``, built into every CPython: a worker sets one handler and its signal
    mask, and ``signal`` imports ``enum`` (4 ms). Checked on 3.10 to 3.15.

``BaseProcess._Popen``, ``BaseProcess._start_method``
    Where a process class of `multiprocessing` says how its processes start. Set on classes of
    ours only; every start method of the standard library does it so, and there is no public
    way. Checked on 3.10 to 3.15.

``multiprocessing.context._concrete_contexts``, ``BaseContext._name``
    Where `multiprocessing.get_context` and `set_start_method` look a name up; there is no public
    way to add one. Ours are added, nothing is replaced. Checked on 3.10 to 3.15.

``multiprocessing.util._exit_function``
    What `multiprocessing` registers with `atexit`: it waits for its children. It is registered
    once more, so that it runs before `weakref.finalize` ends them; a second run finds nothing
    to do. Checked on 3.10 to 3.15.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import pickle
    from collections.abc import Callable
    from multiprocessing.context import SpawnContext, SpawnProcess
    from multiprocessing.process import BaseProcess
    from types import FrameType
    from typing import Any, Protocol

    class Starter(Protocol):
        """Starts the process of a `multiprocessing` process object."""

        method: str

        def __call__(self, process: BaseProcess, /) -> object:
            """Start it."""
else:
    try:
        import _pickle as pickle
    except ImportError:
        import pickle

__all__ = [
    "finish_children_first",
    "pickle",
    "register_context",
    "set_interrupt_handler",
    "start_processes_by",
]


def set_interrupt_handler(handler: Callable[[int, FrameType | None], object]) -> None:
    """Call `handler(number, frame)` on SIGINT, in the main thread between two bytecodes.

    SIGINT is taken out of the signal mask; one that was held back is told at once.
    """
    try:
        import _signal as calls  # type: ignore[import-not-found]
    except ImportError:
        import signal as calls
    calls.signal(calls.SIGINT, handler)
    if sys.platform != "win32":
        calls.pthread_sigmask(calls.SIG_UNBLOCK, (calls.SIGINT,))


def start_processes_by(kind: type[SpawnProcess], start: Starter) -> None:
    """Have processes of a class of ours started by `start(process)`."""
    changed: Any = kind
    changed._Popen = staticmethod(start)
    changed._start_method = start.method


def register_context(name: str, context: SpawnContext) -> None:
    """Add a context to those that `multiprocessing.get_context` finds by name."""
    from multiprocessing import context as contexts

    known: Any = contexts
    named: Any = type(context)
    named._name = name
    known._concrete_contexts.setdefault(name, context)


def finish_children_first() -> None:
    """Have `multiprocessing` wait for its children before what is registered by now runs at exit.

    Does something once in each process.
    """
    if not _exit_hooks:
        import atexit
        from multiprocessing import util

        hooks: Any = util
        _exit_hooks.append(hooks._exit_function)
        atexit.register(_exit_hooks[0])


_exit_hooks: list[Callable[[], object]] = []
