"""The worker's side of its channel on POSIX: plain reads and writes of inherited descriptors.

No socket object: importing `socket` would cost every worker 6 ms of a start of 8 ms.
"""

from __future__ import annotations

import faulthandler
import os
import sys

from ._pieces import batch_of, drop_sent, views_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    import selectors
    import socket
    from collections.abc import Callable

    from loky_spawn import ChildProcess, Handover

    from ._pieces import Buffer

assert sys.platform != "win32"

_READ = 1  # selectors.EVENT_READ, which workers, who load this module, do not import


class Wire:
    """Blocking reads and writes of the data channel, non-blocking reads of the claim channel."""

    def __init__(self, handover: Handover) -> None:
        self._data, self._claims = handover.descriptors
        self._claim_socket: socket.socket | None = None
        self._descriptors: dict[int, int] = {}  # by the token they came with

    def receive(self, target: memoryview) -> int:
        """Read some bytes into `target`; 0 when the parent closed its end."""
        return os.readv(self._data, [target])

    def next_token(self) -> int:
        """Return the next token of the claim channel, -1 if there is none."""
        try:
            if self._claim_socket is None:
                return os.read(self._claims, 1)[0]
            data, descriptor = receive_descriptor(self._claim_socket)
            if descriptor >= 0:
                self._descriptors[data[0]] = descriptor
            return data[0]
        except (BlockingIOError, IndexError):  # none is there, or the parent is gone
            return -1

    def expect_descriptors(self) -> None:
        """From now on read tokens in the way that catches the descriptors that come with them."""
        self._socket_of_claims()

    def descriptor_of(self, token: int) -> int:
        """Return the descriptor that came with a token, -1 if none did."""
        return self._descriptors.pop(token, -1)

    def send_descriptor(self, fd: int) -> bool:
        """Pass a descriptor to the parent; False if the channel does not take it now."""
        try:
            send_descriptor(self._socket_of_claims(), b"d", fd)
        except (OSError, ImportError):  # full, or no descriptor is left here
            return False
        return True

    def _socket_of_claims(self) -> socket.socket:
        # `socket` loads `array` when it first receives a descriptor, often from a file of its own:
        # then there may be no descriptor left to read it.
        import array  # noqa: F401
        import socket

        if self._claim_socket is None:
            self._claim_socket = socket.socket(fileno=os.dup(self._claims))
        return self._claim_socket

    def close(self) -> None:
        """Close the socket that was made here: Python 3.15 warns of one left open at the end."""
        if self._claim_socket is not None:
            self._claim_socket.close()

    def send(self, pieces: list[Buffer]) -> None:
        """Write the pieces of a frame, all of them."""
        if len(pieces) == 1:
            data = pieces[0]
            sent = os.write(self._data, data)
            if sent == len(data):
                return
            pieces = [memoryview(data)[sent:]]
        views = views_of(pieces)
        while views:
            drop_sent(views, os.writev(self._data, batch_of(views)))


def send_descriptor(channel: socket.socket, data: bytes, fd: int) -> None:
    """Send one byte with a descriptor; raises OSError if it is not taken now."""
    import socket

    socket.send_fds(channel, [data], [fd])


def receive_descriptor(channel: socket.socket) -> tuple[bytes, int]:
    """Receive one byte and the descriptor that came with it, -1 if none did."""
    import socket

    data, descriptors, _, _ = socket.recv_fds(channel, 1, 1)
    return data, descriptors[0] if descriptors else -1


def dump_stacks_on(number: int, report: int) -> None:
    """Have a signal write the stacks of all threads to `report`, even while the GIL is held."""
    faulthandler.register(number, file=report, chain=False)


def watch_death(
    selector: selectors.BaseSelector, child: ChildProcess, key: object, _tell: Callable[[], None]
) -> None:
    """Have `selector` select `key` when the child is dead."""
    selector.register(child.sentinel, _READ, key)


def unwatch_death(selector: selectors.BaseSelector, child: ChildProcess) -> None:
    """End what `watch_death` began."""
    selector.unregister(child.sentinel)
