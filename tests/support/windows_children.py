"""Starting the children of `support.windows_entries`, and hearing what they say."""

from __future__ import annotations

import ctypes
import json
import socket
import sys
from typing import Any

from loky_spawn import ChildProcess, InterpreterError, spawn

ENTRIES = "support.windows_entries"
SOON = 30.0  # seconds; for what takes well under one
ERROR_INTERNAL_ERROR = 1359


def start(entry: str, **options: Any) -> tuple[ChildProcess, socket.socket]:
    """Start a child with one channel; return it and our end."""
    ours, theirs = socket.socketpair()
    ours.settimeout(SOON)
    with theirs:
        try:
            return _spawn(entry, channels=[theirs], **options), ours
        except BaseException:
            ours.close()
            raise


def read_all(channel: socket.socket) -> bytes:
    """Read until the other side has closed."""
    return b"".join(iter(lambda: channel.recv(1 << 20), b""))


def told_by_a_child(**options: Any) -> dict[str, Any]:
    """Return what a child says of itself."""
    child, channel = start("describe", **options)
    with child, channel:
        told: dict[str, Any] = json.loads(read_all(channel) or b"{}")
        child.check(SOON)
    return told


def _spawn(entry: str, **options: Any) -> ChildProcess:
    """Spawn; try again where wine, once in thousands of calls, finds no reason for its refusal."""
    try:
        return spawn(f"{ENTRIES}:{entry}", **options)
    except InterpreterError as error:
        number = getattr(error.__cause__, "winerror", None)
        if number != ERROR_INTERNAL_ERROR or not is_wine():
            raise
        return spawn(f"{ENTRIES}:{entry}", **options)


def is_wine() -> bool:
    """Say whether this Windows is wine, which has some faults of its own."""
    return sys.platform == "win32" and hasattr(ctypes.WinDLL("ntdll"), "wine_get_version")
