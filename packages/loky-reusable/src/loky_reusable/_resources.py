"""`resource_tracker`: counts the references of several processes to files and folders with a name.

Rules:
1. Importing it, and dropping references, starts no process; the first registration does.
2. All processes of a program talk to one keeper (`_resource_keeper`): its address is in the
   environment, which workers inherit, under the name `VARIABLE`.
3. References are dropped by finalizers, which strike anywhere, so `maybe_unlink` never blocks: its
   message is put into an outbox, which whoever has the lock empties.
4. A keeper that is gone or does not answer is replaced by the next registration. What it counted is
   then deleted by those who made it, or not at all; nothing fails for that.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import subprocess
import sys
import threading
from collections import deque
from contextlib import contextmanager

from ._resource_keeper import CLEANERS, connect

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

VARIABLE = "LOKY_RESOURCE_TRACKER"
CLEANUP_FUNCTIONS: dict[str, Callable[[str], object]] = dict(CLEANERS)
_KEEPER = (
    "import json,sys;told=json.loads(sys.stdin.readline());sys.path[:]=told['path'];"
    "from loky_reusable._resource_keeper import main;main(told['secret'])"
)
_log = logging.getLogger("loky_reusable")


class ResourceTracker:
    """This process's line to the keeper. All methods: any thread."""

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self._lock = threading.Lock()  # guards the connection, from a message to its answer
        self._owner: int | None = None  # the thread that has the lock
        self._outbox: deque[list[str]] = deque()
        self._connection: socket.socket | None = None
        self._parked: list[socket.socket] = []
        self._pid: int | None = None

    def after_fork(self) -> None:
        """In the child: the connection is the parent's, one of its own is made when needed."""
        for connection in (*self._parked, self._connection):
            if connection is not None:
                connection.close()
        self._forget()

    @property
    def _fd(self) -> int | None:
        """The descriptor of the connection; None if there is none yet."""
        return None if self._connection is None else self._connection.fileno()

    def getfd(self) -> int | None:
        """Return the descriptor of the connection, which is made if there is none yet."""
        self.ensure_running()
        return self._fd

    def ensure_running(self) -> None:
        """Start the keeper if this program has none. Blocks until it runs (30 ms)."""
        with self._turn() as mine:
            if mine:
                self._connected(start=True)

    def register(self, name: str, rtype: str) -> None:
        """Count one more reference to a resource.

        Args:
            name: its path.
            rtype: "file", "folder", "noop", or a kind added to `CLEANUP_FUNCTIONS`.

        Raises:
            ValueError: the kind is unknown.

        Returns when it is counted (0.1 ms; the first time 30 ms, for the keeper's start).
        """
        message = ["register", *_checked(name, rtype), _reference(rtype)]
        with self._turn() as mine:
            if not mine:  # a finalizer, inside a call of this object in the same thread
                self._outbox.append(message)
            elif not self._tell(message, start=True):
                _log.warning("%s %s is not tracked: no keeper could be started", rtype, name)
        self._flush()

    def unregister(self, name: str, rtype: str) -> None:
        """Forget a resource: it is not deleted by the keeper. Does not block."""
        self._outbox.append(["unregister", *_checked(name, rtype)])
        self._flush()

    def maybe_unlink(self, name: str, rtype: str) -> None:
        """Drop one reference; with the last one the resource is deleted. Does not block."""
        self._outbox.append(["unlink", *_checked(name, rtype)])
        self._flush()

    def _flush(self) -> None:
        while self._outbox and self._lock.acquire(blocking=False):
            self._owner = threading.get_ident()
            try:
                while self._outbox:
                    message = self._outbox.popleft()
                    self._tell(message, start=message[0] == "register")
            finally:
                self._owner = None
                self._lock.release()

    @contextmanager
    def _turn(self) -> Iterator[bool]:
        if self._owner == threading.get_ident():
            yield False
            return
        with self._lock:
            self._owner = threading.get_ident()
            try:
                while self._outbox:  # in the order in which it was said
                    self._tell(self._outbox.popleft(), start=False)
                yield True
            finally:
                self._owner = None

    def _tell(self, message: list[str], *, start: bool) -> bool:
        """Send a message, and wait for the answer to a registration; say whether it arrived."""
        for _ in range(2):  # the keeper may be gone: once more with a fresh one
            connection = self._connected(start=start)
            if connection is None:
                return False
            try:
                connection.sendall(json.dumps(message).encode() + b"\n")
                if message[0] != "register" or connection.recv(1):
                    return True
            except OSError:
                pass
            # Kept open: a keeper that was stopped for long would take the end for ours.
            self._parked.append(connection)
            self._connection = None
            os.environ.pop(VARIABLE, None)
        return False

    def _connected(self, *, start: bool) -> socket.socket | None:
        if self._connection is None:
            known = os.environ.get(VARIABLE)
            if known is not None:
                self._connection = _dial(known)
            if self._connection is None and start:
                self._connection = _dial(_start_keeper() or "")
            if self._connection is not None:
                self._pid = int(os.environ[VARIABLE].split()[0])
        return self._connection


def _checked(name: str, rtype: str) -> tuple[str, str]:
    if rtype not in CLEANUP_FUNCTIONS:
        raise ValueError(f"resource type must be one of {sorted(CLEANUP_FUNCTIONS)}, got {rtype!r}")
    return rtype, os.fspath(name)


def _reference(rtype: str) -> str:
    """Return where the keeper finds the clean-up function of a kind it does not know."""
    if rtype in CLEANERS:
        return ""
    function = CLEANUP_FUNCTIONS[rtype]
    return f"{function.__module__}:{function.__qualname__}"


def _dial(known: str) -> socket.socket | None:
    try:
        _pid, address, secret = known.split()
        connection = connect(address)
        connection.sendall(secret.encode() + b"\n")
    except (OSError, ValueError):
        return None
    return connection


def _start_keeper() -> str | None:
    """Start a keeper, say to the environment where it is; None if that is impossible."""
    if getattr(sys, "frozen", False) or not sys.executable:
        return None  # there is no Python to run it
    secret = secrets.token_hex(16)
    told = json.dumps({"path": sys.path, "secret": secret}) + "\n"
    try:
        done = subprocess.Popen(
            [sys.executable, "-S", "-c", _KEEPER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )
    except OSError as error:
        _log.warning("cannot start a keeper of resources: %s", error)
        return None
    assert done.stdin is not None
    assert done.stdout is not None
    with done.stdin, done.stdout:
        try:
            done.stdin.write(told)
            done.stdin.flush()
            pid, address = done.stdout.readline().split()
        except (OSError, ValueError) as error:
            _log.warning("the keeper of resources did not start: %s", error)
            done.kill()
            done.wait()
            return None
    if sys.platform == "win32":
        done.returncode = 0  # it outlives this process on purpose, of which nobody need be warned
    else:
        done.wait()  # what was started left the keeper behind, as a process of its own
    known = f"{pid} {address} {secret}"
    os.environ[VARIABLE] = known
    return known


resource_tracker = ResourceTracker()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=resource_tracker.after_fork)
