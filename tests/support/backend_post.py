"""`Post`: through it a worker tells the test where it is, or is let go on."""

from __future__ import annotations

import os
import select
import socket
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE = 30.0  # seconds; only a test that fails waits that long

if sys.platform == "win32":

    class Post:
        """A listening socket that does what the named pipe does elsewhere."""

        def __init__(self, _folder: Path, _name: str = "post") -> None:
            self._listener = socket.create_server(("127.0.0.1", 0))
            self._listener.settimeout(PATIENCE)
            self.path = str(self._listener.getsockname()[1])

        def wait(self) -> bytes:
            """Wait until something was written; return it."""
            visitor, _ = self._listener.accept()
            with visitor:
                return visitor.recv(4096)

        def open(self) -> None:
            """Let one task that waits for this go on."""
            visitor, _ = self._listener.accept()
            with visitor:
                visitor.sendall(b"!")

        def close(self) -> None:
            """Close it."""
            self._listener.close()

else:

    class Post:
        """A named pipe."""

        def __init__(self, folder: Path, name: str = "post") -> None:
            self.path = str(folder / name)
            os.mkfifo(self.path)
            self._fd = os.open(self.path, os.O_RDWR | os.O_NONBLOCK)

        def wait(self) -> bytes:
            """Wait until something was written; return it."""
            assert select.select([self._fd], [], [], PATIENCE)[0], "nothing came"
            return os.read(self._fd, 4096)

        def open(self) -> None:
            """Let one task that waits for this go on."""
            os.write(self._fd, b"!")

        def close(self) -> None:
            """Close it."""
            os.close(self._fd)
