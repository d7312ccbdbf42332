"""What of `multiprocessing` may be pickled, and when: its own reducers, or a refusal that says why.

Facts:
- `multiprocessing` pickles locks, queues and connections only while it knows a child that is about
  to be spawned (`context.set_spawning_popen`, which is per thread), since descriptors and handles
  can be handed over at that moment alone.
- A connection has no ``__reduce__``: the plain C pickler writes down the bare number of its
  descriptor, which is something else, or nothing, in the other process.
- A manager's proxy carries its key (``authkey``) only under such a child; workers of ours do not
  share their parent's key, so it has to come along.
"""

from __future__ import annotations

import io
import sys
from contextlib import contextmanager

from . import _cpython

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, NoReturn

    from ._picklers import Reducer


def transport_reducers() -> dict[type, Reducer]:
    """Return reducers for connections and sockets: real ones for a child about to be spawned."""
    from multiprocessing import context

    if context.get_spawning_popen() is not None:
        from importlib import import_module

        import_module("multiprocessing.connection")  # registers its types with the pickler
        pickler: Any = import_module("multiprocessing.reduction").ForkingPickler(io.BytesIO())
        return dict(pickler.dispatch_table)
    loaded: Any = sys.modules.get("multiprocessing.connection")
    kinds = [getattr(loaded, name, None) for name in ("Connection", "PipeConnection")]
    return {kind: _refuse for kind in kinds if isinstance(kind, type)}


def _refuse(connection: object) -> NoReturn:
    raise _cpython.pickle.PicklingError(
        f"a {type(connection).__name__} can be handed to a process only when that process starts"
    )


class _KeyCarrier:
    """Stands where `multiprocessing` looks for a child, so that proxies take their key along."""

    def duplicate_for_child(self, handle: int) -> NoReturn:
        """Refuse: there is no child that could be given a handle."""
        raise _cpython.pickle.PicklingError(
            f"handle {handle} can be handed to a process only when that process starts"
        )


@contextmanager
def carrying_keys() -> Iterator[None]:
    """Have manager proxies pickled with their keys, in this thread."""
    with spawning(None):
        yield


@contextmanager
def spawning(child: Any) -> Iterator[None]:
    """Have `multiprocessing` take `child` for the one about to be spawned, in this thread.

    Args:
        child: has `duplicate_for_child` and, on POSIX, `DupFd`; None stands for no child at all,
            and changes nothing where there is one already.
    """
    from multiprocessing import context

    before = context.get_spawning_popen()
    popen: Any = before or _KeyCarrier() if child is None else child
    context.set_spawning_popen(popen)
    try:
        yield
    finally:
        context.set_spawning_popen(before)
