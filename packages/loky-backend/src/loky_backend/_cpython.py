"""The only file of this package that touches private names of CPython, each with its reason.

``_pickle``
    The C half of ``pickle``. A worker that runs plain functions needs `loads`, `dumps` and
    `PickleBuffer` of it and nothing else; ``pickle`` itself imports ``re`` and more, 5 ms of a
    start of 8 ms. Where it is missing, ``pickle`` is used. Checked on 3.10 to 3.14.

``_signal``
    The C half of ``signal``, built into every CPython: a worker sets one handler, and ``signal``
    imports ``enum`` (4 ms). Checked on 3.10 to 3.14.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import pickle
    from collections.abc import Callable
    from types import FrameType
else:
    try:
        import _pickle as pickle
    except ImportError:
        import pickle

__all__ = ["pickle", "set_interrupt_handler"]


def set_interrupt_handler(handler: Callable[[int, FrameType | None], object]) -> None:
    """Call `handler(number, frame)` on SIGINT, in the main thread between two bytecodes."""
    try:
        import _signal as calls  # type: ignore[import-not-found]
    except ImportError:
        import signal as calls
    calls.signal(calls.SIGINT, handler)


def start_processes_by(kind: type[SpawnProcess], popen: Callable[[BaseProcess], object]) -> None:
    """Have processes of a class of ours started by `popen(process)`."""
    kind._Popen = staticmethod(popen)  # type: ignore[assignment, attr-defined, method-assign, unused-ignore]
    kind._start_method = popen.method  # type: ignore[attr-defined, unused-ignore]


def register_context(name: str, context: SpawnContext) -> None:
    """Add a context to those that `multiprocessing.get_context` finds by name."""
    from multiprocessing import context as contexts

    type(context)._name = name  # type: ignore[attr-defined, unused-ignore]
    contexts._concrete_contexts.setdefault(name, context)  # type: ignore[attr-defined]


def finish_children_first() -> None:
    """Have `multiprocessing` wait for its children before what is registered by now runs at exit."""
    if not _exit_hooks:
        import atexit
        from multiprocessing import util

        _exit_hooks.append(util._exit_function)  # type: ignore[attr-defined]
        atexit.register(_exit_hooks[0])


_exit_hooks: list[Callable[[], object]] = []
