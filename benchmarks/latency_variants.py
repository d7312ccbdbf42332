"""Who should read the answer? Three ways from `submit` to `result`, on bare sockets.

    python benchmarks/latency_variants.py [--rounds N]

- reactor: the caller wakes a reactor thread, which writes to the worker, reads the answer and wakes
  the caller: what the executor does.
- caller reads: the reactor writes; the caller waits for the worker's socket itself.
- caller does both: no other thread is involved, as in a program without a pool.

No pickling, no scheduler: what differs is thread switches alone. The variants take turns.
"""

from __future__ import annotations

import argparse
import selectors
import socket
import statistics
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_WORKER = """
import os, sys
fd = int(sys.argv[1])
while data := os.read(fd, 64):
    os.write(fd, data)
"""
_MESSAGE = b"x" * 48


class Rig:
    """A worker process, and a reactor thread like the executor's."""

    def __init__(self) -> None:
        self.channel, theirs = socket.socketpair()
        number = theirs.fileno()
        self._worker = subprocess.Popen(
            [sys.executable, "-c", _WORKER, str(number)], pass_fds=[number]
        )
        theirs.close()
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._answered = threading.Condition()
        self._answers = 0
        self.reads = True
        threading.Thread(target=self._react, daemon=True).start()

    def _react(self) -> None:
        selector = selectors.DefaultSelector()
        selector.register(self._wake_reader, selectors.EVENT_READ)
        selector.register(self.channel, selectors.EVENT_READ)
        watched = True
        while True:
            for key, _ in selector.select():
                if key.fileobj is self._wake_reader:
                    self._wake_reader.recv(64)
                    if watched != self.reads:
                        watched = self.reads
                        change = selector.register if watched else selector.unregister
                        change(self.channel, *((selectors.EVENT_READ,) if watched else ()))
                    self.channel.send(_MESSAGE)
                else:
                    self.channel.recv(64)
                    with self._answered:
                        self._answers += 1
                        self._answered.notify()

    def by_reactor(self) -> None:
        """One round trip as the executor does it."""
        with self._answered:
            seen = self._answers
            self._wake_writer.send(b"w")
            while self._answers == seen:
                self._answered.wait()

    def caller_reads(self) -> None:
        """One round trip whose answer the caller reads."""
        self._wake_writer.send(b"w")
        self.channel.recv(64)

    def caller_does_both(self) -> None:
        """One round trip without the reactor."""
        self.channel.send(_MESSAGE)
        self.channel.recv(64)

    def close(self) -> None:
        """End the worker."""
        self.channel.shutdown(socket.SHUT_RDWR)
        self._worker.wait()


def median_us(trip: Callable[[], None], count: int) -> float:
    """Return the median time of a round trip in microseconds."""
    times = []
    for _ in range(count):
        start = time.perf_counter()
        trip()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e6


def main() -> None:
    """Measure in turns and print medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9, help="how often the variants take turns")
    rounds = parser.parse_args().rounds
    rig = Rig()
    seen: dict[str, list[float]] = {"reactor": [], "caller reads": [], "caller does both": []}
    for _ in range(rounds):
        rig.reads = True
        rig.by_reactor()
        seen["reactor"].append(median_us(rig.by_reactor, 1000))
        rig.reads = False
        rig.caller_reads()
        seen["caller reads"].append(median_us(rig.caller_reads, 1000))
        seen["caller does both"].append(median_us(rig.caller_does_both, 1000))
        rig.reads = True
    rig.close()
    base = statistics.median(seen["caller does both"])
    for name, values in seen.items():
        middle = statistics.median(values)
        print(f"{name:18} {middle:7.1f} us  {middle / base:.2f} x")


if __name__ == "__main__":
    main()
