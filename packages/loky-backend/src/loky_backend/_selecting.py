"""Which way to wait for many descriptors: the best that this system has."""

from __future__ import annotations

import selectors
import sys

from loky_spawn import has_capability


def make_selector() -> selectors.BaseSelector:
    """Return a new selector; whoever asks for it closes it.

    Raises:
        OSError: no descriptor is left.
    """
    if has_capability("epoll") or has_capability("kqueue"):
        return selectors.DefaultSelector()
    if sys.platform != "win32" and has_capability("poll"):
        return selectors.PollSelector()
    return selectors.SelectSelector()
