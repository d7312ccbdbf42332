"""The start method that `get_context()` stands for, as existing code sets it.

It concerns contexts only (locks, queues, processes): the workers of an executor are always fresh
processes, since a forked copy of a program with threads can hang.
"""

from __future__ import annotations

import multiprocessing

from loky_executor import get_context as get_named_context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from multiprocessing.context import BaseContext

_OURS = ("loky", "loky_init_main")
START_METHODS = [
    *_OURS,
    *(name for name in multiprocessing.get_all_start_methods() if name not in _OURS),
]


class _Chosen:
    method: str | None = None


def get_context(method: str | None = None) -> BaseContext:
    """Return a `multiprocessing` context.

    Args:
        method: one of `START_METHODS`; None means what `set_start_method` was given, else "loky".

    Returns:
        The one context of this name.

    Raises:
        ValueError: there is no such start method on this system.

    Does not block, starts no process. Any thread.
    """
    return get_named_context(_Chosen.method if method is None else method)


def set_start_method(method: str | None, force: bool = False) -> None:
    """Choose what `get_context()` stands for in this process.

    Args:
        method: one of `START_METHODS`; None takes the choice back (with `force`, if there is one).
        force: replace an earlier choice.

    Raises:
        ValueError: there is no such start method on this system.
        RuntimeError: there is an earlier choice, and `force` was not given.
    """
    if method is not None and method not in START_METHODS:
        raise ValueError(f"start method must be one of {START_METHODS}, got {method!r}")
    if _Chosen.method is not None and not force:
        raise RuntimeError(
            f"the start method is {_Chosen.method!r} already: give force=True to replace it"
        )
    _Chosen.method = method


def get_start_method() -> str | None:
    """Return what `set_start_method` was given; None if it was not called."""
    return _Chosen.method
