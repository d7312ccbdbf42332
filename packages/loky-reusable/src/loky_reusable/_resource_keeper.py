"""The keeper of named resources: a process that counts references and deletes at zero.

It is for files and folders that several processes map (joblib's arrays on disk). No executor needs
it; it runs only from the first registration on, and ends with the last process that talks to it.

Rules:
1. A registration is counted before it is confirmed, so that whoever hears of the resource
   afterwards cannot drop the last reference before the first one was counted.
2. The keeper ends when nobody is connected any more, however they ended; what is left is deleted,
   files before folders, and told on standard error.
3. It imports no user code but the clean-up functions of kinds it does not know.

Wire: one JSON list per line. The first line of a connection is the secret. Then
``["register", kind, name, function]``, ``["unregister", kind, name]``, ``["unlink", kind, name]``;
registrations are confirmed with one byte.
"""

from __future__ import annotations

import hmac
import json
import os
import selectors
import socket
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_FIRST_SECONDS = 30.0  # whoever started the keeper connects long before
_TRIES = 10  # Windows refuses to delete a file that somebody is about to close


def clean_noop(name: str) -> None:
    """Do nothing: the resource is only counted."""


def clean_file(name: str) -> None:
    """Delete a file; one that is gone is no error."""
    for tries_left in reversed(range(_TRIES)):
        try:
            os.unlink(name)
        except FileNotFoundError:
            return
        except PermissionError:
            if not tries_left:
                raise
            time.sleep(0.2)
        else:
            return


def clean_folder(name: str) -> None:
    """Delete a folder with all that is in it; one that is gone is no error."""
    import shutil

    if os.path.isdir(name):
        shutil.rmtree(name)


# In the order in which what is left is deleted.
CLEANERS: dict[str, Callable[[str], object]] = {
    "noop": clean_noop,
    "file": clean_file,
    "folder": clean_folder,
}


class Counts:
    """Who is referred to how often. No I/O but the clean-up functions."""

    def __init__(self, say: Callable[[str], object]) -> None:
        self._say = say
        self._counts: dict[str, dict[str, int]] = {kind: {} for kind in CLEANERS}
        self._functions: dict[str, str] = {}

    def register(self, kind: str, name: str, function: str = "") -> None:
        """Count one more reference; `function` ("module:name") cleans kinds not known here."""
        self._functions[kind] = function
        known = self._counts.setdefault(kind, {})
        known[name] = known.get(name, 0) + 1

    def unregister(self, kind: str, name: str) -> None:
        """Forget a resource with all references: somebody else deletes it."""
        self._counts.get(kind, {}).pop(name, None)

    def unlink(self, kind: str, name: str) -> None:
        """Drop one reference; delete the resource if it was the last."""
        known = self._counts.get(kind, {})
        if name not in known:
            return
        known[name] -= 1
        if known[name] == 0:
            del known[name]
            self._clean(kind, name)

    def clean_all(self) -> None:
        """Delete what is left, and say what it was."""
        for kind, known in self._counts.items():
            if known and kind != "noop":
                self._say(
                    f"resource_tracker: {len(known)} leaked {kind} objects are deleted now, since "
                    f"no process uses them any more: {', '.join(sorted(known))}"
                )
            for name in known:
                self._clean(kind, name)
        self._counts.clear()

    def _clean(self, kind: str, name: str) -> None:
        try:
            self._cleaner(kind)(name)
        except Exception as error:  # noqa: BLE001 - a foreign function; the next one is to be cleaned
            self._say(f"resource_tracker: {kind} {name} was not deleted: {error!r}")

    def _cleaner(self, kind: str) -> Callable[[str], object]:
        if kind in CLEANERS:
            return CLEANERS[kind]
        module, _, path = self._functions[kind].partition(":")
        found: object = __import__(module, fromlist=["_"])
        for part in path.split("."):
            found = getattr(found, part)
        assert callable(found)
        return found


def _say(text: str) -> None:
    try:
        print(text, file=sys.stderr, flush=True)  # noqa: T201 - there is nobody else to tell
    except (OSError, ValueError):
        pass  # nobody reads it


class _Visitor:
    """One connection, from the first byte on."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.trusted = False
        self._rest = b""

    def lines(self) -> list[bytes] | None:
        """Return the lines that have come; None at the end. Does not block."""
        try:
            data = self.connection.recv(1 << 16)
        except BlockingIOError:
            return []
        except OSError:
            return None
        if not data:
            return None
        *lines, self._rest = (self._rest + data).split(b"\n")
        return lines


class _Keeper:
    """Serves connections until there are none."""

    def __init__(self, listener: socket.socket, secret: str) -> None:
        self._listener = listener
        self._secret = secret.encode()
        self._counts = Counts(_say)
        self._selector = selectors.DefaultSelector()
        listener.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ, None)

    def run(self) -> None:
        """Serve; return when everything is deleted."""
        patience: float | None = _FIRST_SECONDS
        while found := self._selector.select(patience):
            for key, _ in found:
                if key.data is None:
                    self._accept()
                else:
                    self._hear(key.data)
            alone = len(self._selector.get_map()) == 1  # the listener
            patience = 0 if alone else None
        self._counts.clean_all()

    def close(self) -> None:
        """Give back what it holds, but for the listener."""
        self._selector.close()

    def _accept(self) -> None:
        try:
            connection, _address = self._listener.accept()
        except OSError:
            return  # gone before it was let in
        connection.setblocking(False)
        self._selector.register(connection, selectors.EVENT_READ, _Visitor(connection))

    def _hear(self, visitor: _Visitor) -> None:
        lines = visitor.lines()
        for line in lines or ():
            if visitor.trusted:
                self._obey(visitor, line)
            elif hmac.compare_digest(line, self._secret):
                visitor.trusted = True
            else:
                lines = None
                break
        if lines is None:
            self._selector.unregister(visitor.connection)
            visitor.connection.close()

    def _obey(self, visitor: _Visitor, line: bytes) -> None:
        command, *arguments = json.loads(line)
        getattr(self._counts, command)(*arguments)
        if command == "register":
            try:
                visitor.connection.send(b"\n")
            except OSError:
                pass  # it is gone; its end is read next


def listen() -> tuple[socket.socket, str]:
    """Return a listening socket and its address as text: nothing of it is on a disk."""
    if sys.platform == "linux":
        listener = socket.socket(socket.AF_UNIX)
        listener.bind("")  # the kernel chooses an abstract name: unix(7), "Autobind"
        listener.listen(128)
        name: bytes = listener.getsockname()
        return listener, "unix:" + name[1:].hex()
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    return listener, f"tcp:{listener.getsockname()[1]}"


def connect(address: str) -> socket.socket:
    """Return a connection to what `listen` made; raises OSError if nobody is there."""
    family, _, rest = address.partition(":")
    if family == "tcp":
        return socket.create_connection(("127.0.0.1", int(rest)), timeout=10)
    if sys.platform == "win32":
        raise OSError(f"no such address here: {address}")
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(10)
        connection.connect(b"\0" + bytes.fromhex(rest))
    except BaseException:
        connection.close()
        raise
    return connection


def main(secret: str) -> None:
    """Be the keeper: say where it listens on standard output, then serve."""
    import signal

    for name in ("SIGINT", "SIGTERM"):  # meant for those whose resources these are
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    if hasattr(os, "fork") and os.fork():
        os._exit(0)  # who started it need not wait for the keeper itself
    listener, address = listen()
    print(f"{os.getpid()} {address}", flush=True)  # noqa: T201 - this is what its starter reads
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1):
        os.dup2(nothing, stream)
    os.close(nothing)
    _Keeper(listener, secret).run()
