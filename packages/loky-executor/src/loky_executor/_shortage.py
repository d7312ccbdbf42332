"""What becomes of work for the threads of a pool where no thread can be started (`ulimit -u`).

It lies in the queue of its thread all the same, and the start is tried again and again. Tasks that
cannot go on without it fail in the end; callbacks wait as long as the pool lives, and are called by
the reactor as its last act.
"""

from __future__ import annotations

import time
from typing import TypeVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from loky_backend import Reactor

    from ._callbacks import Callback
    from ._workshop import Workshop

TIMER = "threads"
_PAUSE = 0.1  # seconds between two tries
_TRIES = 80  # for longer than the other threads stay that have nothing to do
T = TypeVar("T")


class Shortage:
    """Hands work to threads, and tries again to start those that could not be started.

    Args:
        reactor: whose timer `TIMER` calls `retry`.
        ended: set when the reactor does not serve the pool any more.
        callbacks: whose work is never dropped.
        lost: called with the problem when tasks have waited long enough.
    """

    def __init__(
        self,
        reactor: Reactor,
        ended: threading.Event,
        callbacks: Workshop[Callback],
        lost: Callable[[BaseException], None],
    ) -> None:
        self._reactor = reactor
        self._ended = ended
        self._callbacks = callbacks
        self._lost = lost
        self._tries = 0  # to start a thread that tasks need

    def give(self, part: Workshop[T], item: T) -> None:
        """Have a thread do something, soon, or as soon as there can be one. Any thread."""
        try:
            part.put(item)
        except RuntimeError:  # the item is in the queue
            # 1. Here `ended` is looked at. 2. The pool sets `ended`, and then, as the last act of
            # the reactor's thread, has the queue of callbacks worked off. One of the two finds it.
            if self._ended.is_set():
                self._callbacks.work_off()
            else:
                self._again()

    def retry(
        self, needed: Workshop[T], launcher: Workshop[int], *, idle: bool, over: bool
    ) -> None:
        """Start the threads for which something waits; in the reactor's thread.

        Args:
            needed: without its thread tasks cannot go on.
            launcher: starts workers.
            idle: whether there is no worker at all, so the launcher is needed too.
            over: whether nobody wants workers any more.
        """
        problem: RuntimeError | None = None
        for part in (self._callbacks, needed, launcher):
            try:
                part.resume()
            except RuntimeError as error:
                self._again()
                if part is needed or (part is launcher and idle):
                    problem = error
        self._tries = 0 if problem is None else self._tries + 1
        if problem is not None and over:
            launcher.work_off()  # it takes note that they are not wanted, and does not start them
        elif problem is not None and self._tries >= _TRIES:
            self._lost(problem)

    def _again(self) -> None:
        self._reactor.set_timer(TIMER, time.monotonic() + _PAUSE)
