"""A proxy between a pool and its workers: it cuts, delays or stalls what they say to each other.

It stands in one of a worker's two channels: what goes through the other one overtakes. In the claim
channel it passes no descriptors on.
"""

from __future__ import annotations

import random
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Manner:
    """What a proxy does.

    Attributes:
        most: bytes it passes on at once.
        delay: seconds it waits before each time, at most.
        cut: bytes after which it closes both directions, at most; None for never.
        claims: whether it stands in the claim channel and not in that of the data.
        stall: bytes from workers after which it passes nothing on, at most; None for never.
    """

    most: int = 1 << 16
    delay: float = 0.0
    cut: int | None = None
    stall: int | None = None
    claims: bool = False


class Proxies:
    """Makes socket pairs for `start_worker`; one of two goes through a proxy.

    Attributes:
        cuts: how many connections were cut or stalled so far.
    """

    def __init__(self, manner: Manner, seed: int) -> None:
        self.cuts = 0
        self._manner = manner
        self._chance = random.Random(seed)
        self._pairs = 0
        self._released = threading.Event()  # ends what stalls

    def close(self) -> None:
        """Let go of what was stalled."""
        self._released.set()

    def make_pair(self) -> tuple[socket.socket, socket.socket]:
        """Stand for the function of that name."""
        self._pairs += 1
        if (self._pairs % 2 == 0) is not self._manner.claims:
            return socket.socketpair()
        ours, near = socket.socketpair()
        far, theirs = socket.socketpair()
        link = _Link(near, far)
        seed = self._chance.random()
        for source, target, limit in ((near, far, None), (far, near, self._manner.stall)):
            pump = self._pump(link, source, target, limit, random.Random(f"{seed}-{limit}"))
            threading.Thread(target=pump, name="test-proxy", daemon=True).start()
        return ours, theirs

    def _pump(
        self,
        link: _Link,
        source: socket.socket,
        target: socket.socket,
        stall: int | None,
        chance: random.Random,
    ) -> Callable[[], None]:
        manner = self._manner
        cut = None if manner.cut is None else chance.randrange(manner.cut)
        stop = None if stall is None else chance.randrange(stall)

        def run() -> None:
            passed = 0
            try:
                while data := source.recv(chance.randrange(manner.most) + 1):
                    if manner.delay:
                        time.sleep(chance.random() * manner.delay)
                    passed += len(data)
                    if cut is not None and passed > cut:
                        self.cuts += 1
                        target.sendall(data[: len(data) - (passed - cut)])
                        link.cut()
                        return
                    if stop is not None and passed > stop:
                        self.cuts += 1
                        self._released.wait()
                        return
                    target.sendall(data)
                target.shutdown(socket.SHUT_WR)
            except OSError:  # the other side is gone
                link.cut()
            finally:
                link.done()

        return run


class _Link:
    """The two sockets in the middle; closed when both directions are over."""

    def __init__(self, *ends: socket.socket) -> None:
        self._ends = ends
        self._over = 0
        self._lock = threading.Lock()

    def cut(self) -> None:
        """End both directions."""
        for end in self._ends:
            with suppress(OSError):  # it is over already
                end.shutdown(socket.SHUT_RDWR)

    def done(self) -> None:
        """Take note that a direction is over."""
        with self._lock:
            self._over += 1
            if self._over == len(self._ends):
                for end in self._ends:
                    end.close()
