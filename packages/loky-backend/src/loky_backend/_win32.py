"""The worker's side of its channel on Windows, where sockets are no descriptors.

There is no claim channel here: the parent sends no task ahead of the one that runs.
"""

from __future__ import annotations

import sys

from ._pieces import drop_sent, first_of, views_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    import selectors
    import socket
    from collections.abc import Callable

    from loky_spawn import ChildProcess, Handover

    from ._pieces import Buffer

assert sys.platform == "win32"


class Wire:
    """Blocking reads and writes of the data channel."""

    def __init__(self, handover: Handover) -> None:
        self._socket = handover.channels[0]

    def receive(self, target: memoryview) -> int:
        """Read some bytes into `target`; 0 when the parent closed its end."""
        return self._socket.recv_into(target)

    def next_token(self) -> int:
        """Return -1: there are no tokens on this system."""
        return -1

    def expect_descriptors(self) -> None:
        """Do nothing: the parent sends none."""

    def descriptor_of(self, _token: int) -> int:
        """Return -1: none came."""
        return -1

    def send_descriptor(self, _fd: int) -> bool:
        """Return False: none can be sent."""
        return False

    def close(self) -> None:
        """Let go of the socket, so that no warning is given of it; it closes with the process."""
        self._socket.detach()

    def send(self, pieces: list[Buffer]) -> None:
        """Write the pieces of a frame, all of them."""
        views = views_of(pieces)
        while views:
            drop_sent(views, self._socket.send(first_of(views)))


def send_descriptor(_channel: socket.socket, _data: bytes, _fd: int) -> None:
    """Refuse: a descriptor means nothing to another process here."""
    raise OSError("descriptors cannot be passed on Windows")


def receive_descriptor(_channel: socket.socket) -> tuple[bytes, int]:
    """Refuse, likewise."""
    raise OSError("descriptors cannot be passed on Windows")


def dump_stacks_on(_number: int, _report: int) -> None:
    """Do nothing: Windows has no signal that could ask for the stacks."""


def watch_death(
    _selector: selectors.BaseSelector, child: ChildProcess, _key: object, tell: Callable[[], None]
) -> None:
    """Call `tell` in a thread of its own when the child is dead.

    A thread each, since one call waits for no more than 63 handles. It ends with the child.

    Raises:
        RuntimeError: there are no more threads to be had.
    """
    import threading

    name = f"loky-wait-{child.pid}"
    threading.Thread(target=_tell_death, args=(child, tell), name=name, daemon=True).start()


def _tell_death(child: ChildProcess, tell: Callable[[], None]) -> None:
    child.wait()
    tell()


def unwatch_death(_selector: selectors.BaseSelector, _child: ChildProcess) -> None:
    """Do nothing: the thread ends by itself."""
