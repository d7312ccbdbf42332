"""The contexts `loky` and `loky_init_main`: `multiprocessing`'s own, but for how a process starts.

Importing this module makes their names known to `multiprocessing` (`multiprocessing.get_context`,
`multiprocessing.set_start_method`); it starts nothing, and changes nothing that was there.
"""

from __future__ import annotations

import multiprocessing
from multiprocessing.context import BaseContext, SpawnContext

from . import _cpython
from ._mp_process import LokyInitMainProcess, LokyProcess

__all__ = ["LokyContext", "LokyInitMainContext", "get_context"]


class _OurContext(SpawnContext):
    """What both contexts have in common."""

    def cpu_count(self) -> int:
        """Return how many processors this process may use (`loky_backend.cpu_count`)."""
        from ._cpu import cpu_count

        return cpu_count()


class LokyContext(_OurContext):
    """A context whose processes are fresh interpreters that do not import the main module.

    Lock, Queue, Event, Manager, Pool and all the others are those of `multiprocessing`. Functions
    and classes of ``__main__`` in a `Process` or its arguments are sent by value, with
    cloudpickle; what goes through a `Queue` or to a `Pool` is pickled by `multiprocessing`
    itself, which sends them by name: use `loky_init_main` for that.
    """

    Process = LokyProcess


class LokyInitMainContext(_OurContext):
    """A context as `LokyContext`, whose processes import the main module first, as `spawn` does.

    So the program needs the guard ``if __name__ == "__main__"``.
    """

    Process = LokyInitMainProcess


_contexts = {"loky": LokyContext(), "loky_init_main": LokyInitMainContext()}
for _name, _context in _contexts.items():
    _cpython.register_context(_name, _context)


def get_context(method: str | None = None) -> BaseContext:
    """Return a `multiprocessing` context.

    Args:
        method: "loky" (as None means), "loky_init_main", or a start method of `multiprocessing`.

    Returns:
        The one context of this name.

    Raises:
        ValueError: there is no such start method on this system.

    Does not block, starts no process. Any thread.
    """
    known = _contexts.get(method or "loky")
    return known if known is not None else multiprocessing.get_context(method)
