"""The worker's side of its channel on POSIX: plain reads and writes of inherited descriptors.

No socket object: importing `socket` would cost every worker 6 ms of a start of 8 ms.
"""

from __future__ import annotations

import faulthandler
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from loky_spawn import Handover

    from ._frames import Buffer

assert sys.platform != "win32"

_MOST_PIECES = 512  # IOV_MAX is 1024 on Linux and macOS; less is safe elsewhere


class Wire:
    """Blocking reads and writes of the data channel, non-blocking reads of the claim channel."""

    def __init__(self, handover: Handover) -> None:
        self._data, self._claims = handover.descriptors

    def receive(self, target: memoryview) -> int:
        """Read some bytes into `target`; 0 when the parent closed its end."""
        return os.readv(self._data, [target])

    def next_token(self) -> int:
        """Return the next token of the claim channel, -1 if there is none."""
        try:
            return os.read(self._claims, 1)[0]
        except (BlockingIOError, IndexError):  # none is there, or the parent is gone
            return -1

    def send(self, pieces: list[Buffer]) -> None:
        """Write the pieces of a frame, all of them."""
        if len(pieces) == 1:
            data = pieces[0]
            sent = os.write(self._data, data)
            if sent == len(data):
                return
            pieces = [memoryview(data)[sent:]]
        views = [memoryview(piece).cast("B") for piece in pieces if len(piece)]
        while views:
            sent = os.writev(self._data, views[:_MOST_PIECES])
            while views and sent >= len(views[0]):
                sent -= len(views.pop(0))
            if sent:
                views[0] = views[0][sent:]


def dump_stacks_on(number: int, report: int) -> None:
    """Have a signal write the stacks of all threads to `report`, even while the GIL is held."""
    faulthandler.register(number, file=report, chain=False)
