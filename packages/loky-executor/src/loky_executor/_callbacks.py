"""Done-callbacks run on a thread of their own, so that none can stall a result."""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

from ._journal import note
from ._workshop import Workshop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future


class Callback(NamedTuple):
    """A call that is owed to a future that is done."""

    function: Callable[[Future[Any]], object]
    future: Future[Any]


def callback_runner(name: str) -> Workshop[Callback]:
    """Return the workshop that calls callbacks, on a thread of that name."""
    return Workshop(name, call)


def call(callback: Callback) -> None:
    """Call a callback; what it raises is logged and dropped."""
    try:
        callback.function(callback.future)
    except BaseException:  # noqa: BLE001 - SystemExit too must not end this thread
        note(logging.ERROR, "a done-callback raised: %r", callback.function, with_traceback=True)
