"""Socket pairs whose two ends are certain to be each other's.

Facts:
- Where there is no socketpair(2) (Windows) `socket.socketpair` listens on a loopback port for a
  moment and takes who connects first; another program of the machine may be faster. It checks that
  in releases since the summer of 2024 only (CVE-2024-3219; 3.12.1 does not), so it is checked here.
"""

from __future__ import annotations

import socket

_TRIES = 10  # each on another port


def make_pair() -> tuple[socket.socket, socket.socket]:
    """Return two sockets that are connected to each other, not inheritable.

    Raises:
        ConnectionError: again and again another program connected in between.
        OSError: no descriptor is left.

    Does not block. Any thread.
    """
    for _ in range(_TRIES):
        first, second = socket.socketpair()
        if _belong_together(first, second):
            return first, second
        first.close()
        second.close()
    raise ConnectionError(
        "another program of this machine connects to ports of this one: no channel to a worker "
        "could be made that is safe from it"
    )


def _belong_together(first: socket.socket, second: socket.socket) -> bool:
    """Whether each is connected to the other; true of what has no address: nobody can find it."""
    if first.family not in (socket.AF_INET, socket.AF_INET6):
        return True
    try:
        return bool(
            first.getsockname() == second.getpeername()
            and first.getpeername() == second.getsockname()
        )
    except OSError:  # ENOTCONN: the stranger has gone, or the connection was not made
        return False
