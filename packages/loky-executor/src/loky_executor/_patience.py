"""Waiting in the main thread so that Ctrl-C is never missed.

The race, found by pressing Ctrl-C on a busy machine, 2 times of 25:
1. The main thread looks for signals, finds none, and goes to wait for a lock.
2. It gives the GIL away, and is preempted there.
3. SIGINT arrives: the interpreter notes it, to act on it when the main thread runs Python again.
4. The main thread goes on into the system call, which nothing interrupts any more.

Any wait of Python's on a lock has it. Here the main thread waits in slices; other threads, which
handle no signals, wait in one go.
"""

from __future__ import annotations

import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_SLICE = 0.25  # seconds


def wait_patiently(wait: Callable[[float | None], bool], timeout: float | None) -> bool:
    """Call `wait(seconds)` until it says True or the time is up.

    Args:
        wait: waits for so many seconds at most (None for ever); whether what it waits for came.
        timeout: seconds to wait in all; None for ever.
    """
    if threading.current_thread() is not threading.main_thread():
        return wait(timeout)
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        left = _SLICE if deadline is None else min(_SLICE, deadline - time.monotonic())
        if wait(max(0.0, left)):
            return True
        if deadline is not None and time.monotonic() >= deadline:
            return False
