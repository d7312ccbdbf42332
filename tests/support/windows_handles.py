"""How many handles this process has open, on Windows.

Facts:

- `GetProcessHandleCount` is not implemented in wine 8.0: it says 0, and psutil with it. So the
  numbers are tried one by one; both systems give small multiples of 4, lowest free ones first.
"""

# ruff: noqa: E402 (the assertion comes before the imports, so that mypy skips those elsewhere)

from __future__ import annotations

import sys

assert sys.platform == "win32"

import ctypes
from ctypes import wintypes

LIMIT = 1 << 14

_kernel32 = ctypes.WinDLL("kernel32")
_kernel32.GetHandleInformation.argtypes = (wintypes.HANDLE, wintypes.LPDWORD)


def count_handles() -> int:
    """Return how many handles below `LIMIT` are open."""
    flags = wintypes.DWORD()
    ask = _kernel32.GetHandleInformation
    return sum(bool(ask(number, ctypes.byref(flags))) for number in range(4, LIMIT, 4))
