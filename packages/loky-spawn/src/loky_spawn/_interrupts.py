"""Holding back Ctrl-C where it would tear apart what belongs together.

Facts:
- A blocked signal stays pending, and its handler runs when the mask is restored; a process that is
  executed meanwhile inherits the mask.
- `signal.pthread_sigmask` runs pending handlers before it returns, so it may raise although it has
  changed the mask. Hence the mask is read first, and changed inside the ``try``.
- The mask is the calling thread's. Handlers of Python run in the main thread only, so in a program
  with other threads that take SIGINT this makes the moment unlikely, not impossible.
"""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def interrupt_is_blocked() -> bool:
    """Say whether SIGINT is blocked in this thread."""
    if sys.platform == "win32":
        return False
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())


@contextmanager
def interrupt_held_back() -> Iterator[None]:
    """Hold SIGINT back until the end of the block; it may raise there. Nothing on Windows."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
