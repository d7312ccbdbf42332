"""A gate that tasks wait at: the test sees who has come, and opens it when it likes.

No sleeping: a task connects to the test's listening socket and waits for that connection to end.
"""

from __future__ import annotations

import os
import socket

_SECONDS = 30.0  # a test that never opens its gate fails then, and does not hang


class Gate:
    """The test's side. A task gets `gate.port` and calls `pass_gate(port)`."""

    def __init__(self, seconds: float = _SECONDS) -> None:
        self._seconds = seconds
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._listener.settimeout(seconds)
        self._inside: dict[int, socket.socket] = {}
        self.port: int = self._listener.getsockname()[1]

    def arrivals(self, count: int = 1) -> list[int]:
        """Wait until so many more tasks stand at the gate; return the pids of their workers."""
        pids = []
        for _ in range(count):
            visitor, _address = self._listener.accept()
            visitor.settimeout(self._seconds)
            pid = int.from_bytes(visitor.recv(8), "little")
            self._inside[pid] = visitor
            pids.append(pid)
        return pids

    def let_through(self, pid: int) -> None:
        """Let one worker's task go on."""
        self._inside.pop(pid).close()

    def open(self) -> None:
        """Let everyone through, also those who come later."""
        self._listener.close()
        while self._inside:
            self._inside.popitem()[1].close()


def pass_gate(port: int, value: object = None, seconds: float = _SECONDS) -> object:
    """Wait at a gate, then return `value`."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=seconds) as visitor:
            visitor.sendall(os.getpid().to_bytes(8, "little"))
            visitor.recv(1)
    except ConnectionError:
        pass  # it is open
    return value


def pass_gate_if_there(port: int) -> None:
    """Wait at a gate, unless its number is 0."""
    if port:
        pass_gate(port)
