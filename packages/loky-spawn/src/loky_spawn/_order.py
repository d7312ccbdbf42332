"""What a caller asks for, checked: every mistake is named before any process is started."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from . import _capabilities
from ._errors import EntryError, HandoverError, WorkingDirectoryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Where this very package was found: the child takes it from there and from nowhere else.
PACKAGE_HOME = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

_PAYLOAD_LIMIT = (1 << 31) - 1  # bytes; the record travels as `marshal`, whose lengths are 32 bits
_SHOWN = 80  # characters of a wrong value that a message repeats


class Order(NamedTuple):
    """Everything a platform needs to start one child; checked already."""

    entry: str
    payload: bytes
    channels: tuple[socket.socket, ...] = ()
    pass_fds: tuple[int, ...] = ()
    env: Mapping[str, str] | None = None
    cwd: str | None = None
    python: str = ""
    flags: tuple[str, ...] = ()
    new_group: bool = True
    unblock_interrupt: bool = True  # in the child; the caller's thread had SIGINT unblocked

    def boot_record(self, **platform_facts: Any) -> dict[str, Any]:
        """Return the record `loky_spawn._child.main` reads; plain values only, for `marshal`."""
        return {
            "argv": [str(word) for word in getattr(sys, "argv", [""])],
            "descriptors": (),
            "entry": self.entry,
            "extra": self.pass_fds,
            "home": PACKAGE_HOME,
            "new_group": self.new_group,
            "path": _search_path(moved=self.cwd is not None),
            "payload": self.payload,
            "setsig": _capabilities.has("setsig"),
            "shares": None,
        } | platform_facts


def _search_path(*, moved: bool) -> list[str]:
    """Return ``sys.path`` for the child; relative entries become absolute if its cwd differs."""
    entries = [entry for entry in sys.path if isinstance(entry, str)]
    return [os.path.abspath(entry) for entry in entries] if moved else entries


def checked_entry(entry: str) -> str:
    """Return the entry if it reads ``package.module:function``."""
    if not isinstance(entry, str):
        raise EntryError(entry)
    module, colon, function = entry.partition(":")
    parts = [*module.split("."), *function.split(".")]
    if not colon or not all(part.isidentifier() for part in parts):
        raise EntryError(entry)
    return entry


def checked_payload(payload: bytes) -> bytes:
    """Return the payload if it is bytes of a size that can travel."""
    if not isinstance(payload, bytes):
        kind = type(payload).__name__
        raise HandoverError("payload", f"must be bytes, got {kind}: {_short(payload)}")
    if len(payload) > _PAYLOAD_LIMIT:
        reason = f"{len(payload)} bytes are too many ({_PAYLOAD_LIMIT} at most); use a channel"
        raise HandoverError("payload", reason)
    return payload


def checked_channels(channels: Iterable[socket.socket]) -> tuple[socket.socket, ...]:
    """Return the channels if all are open sockets."""
    given = _as_tuple("channels", channels)
    for position, channel in enumerate(given):
        argument = f"channels[{position}]"
        if not isinstance(channel, socket.socket):
            raise HandoverError(argument, f"must be a socket, got {_short(channel)}")
        if channel.fileno() < 0:
            raise HandoverError(argument, f"is closed: {_short(channel)}")
    return given


def checked_descriptors(descriptors: Iterable[int]) -> tuple[int, ...]:
    """Return the descriptors if all are open and none is a standard stream."""
    given = _as_tuple("pass_fds", descriptors)
    if given and sys.platform == "win32":
        raise HandoverError("pass_fds", "descriptors cannot be handed over on Windows")
    for position, fd in enumerate(given):
        argument = f"pass_fds[{position}]"
        try:
            os.fstat(fd)
        except (OSError, OverflowError, TypeError) as error:
            raise HandoverError(argument, f"{_short(fd)} is not open: {error}") from error
        if fd < 3:
            raise HandoverError(argument, f"{fd} is a standard stream")
    return given


def checked_env(env: Mapping[str, str | None] | None) -> dict[str, str] | None:
    """Return the child's whole environment, or None if it is the parent's."""
    if env is None:
        return None
    if not isinstance(env, Mapping):
        raise HandoverError("env", f"must be a mapping, got {_short(env)}")
    if not env:
        return None
    merged = dict(os.environ)
    for given, value in env.items():
        if not isinstance(given, str) or not given or "=" in given or "\0" in given:
            raise HandoverError("env", f"{_short(given)} cannot be the name of a variable")
        key = given.upper() if sys.platform == "win32" else given  # as `os.environ` does
        if value is None:
            merged.pop(key, None)
        elif not isinstance(value, str) or "\0" in value:
            reason = f"{given} must be a string without NUL, got {_short(value)}"
            raise HandoverError("env", reason)
        else:
            merged[key] = value
    return merged


def checked_cwd(cwd: str | os.PathLike[str] | None) -> str | None:
    """Return the directory if it exists."""
    if cwd is None:
        return None
    path = checked_path("cwd", cwd)
    try:
        if not os.path.isdir(path):
            os.listdir(path)  # says why, with the errno
    except OSError as error:
        reason = error.strerror or str(error)
        raise WorkingDirectoryError(path, error.errno, reason) from error
    return path


def checked_path(argument: str, path: str | os.PathLike[str]) -> str:
    """Return a path as a string that the operating system can be asked about."""
    try:
        text = os.fsdecode(path)
    except TypeError as error:
        raise HandoverError(argument, f"must be a path, got {_short(path)}") from error
    if "\0" in text:
        raise HandoverError(argument, f"{_short(path)} has a NUL in it")
    return text


def _as_tuple(argument: str, values: Iterable[Any]) -> tuple[Any, ...]:
    try:
        return tuple(values)
    except TypeError as error:
        raise HandoverError(argument, f"must be a sequence, got {_short(values)}") from error


def _short(value: object) -> str:
    """Return the repr of a wrong value, cut where it would drown the message."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text)} characters)"
