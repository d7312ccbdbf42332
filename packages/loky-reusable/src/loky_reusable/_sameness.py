"""Whether two arguments ask for the same executor; never raises, whatever is compared.

Rule: no `__eq__` of a foreign class is called: it may raise, return an array, or never return.
The same object is the same; plain values and containers of them are compared; for anything else the
pickled forms are.
"""

from __future__ import annotations

from typing import Any

from loky_executor import encode_whole

_PLAIN = (bool, int, float, complex, str, bytes, type(None))


def same(first: Any, second: Any) -> bool:
    """Return whether two values are the same as far as a new executor is concerned."""
    if first is second:
        return True
    if type(first) is not type(second):
        return False
    if type(first) in _PLAIN:
        return bool(first == second)
    if type(first) in (tuple, list):
        return len(first) == len(second) and all(map(same, first, second))
    if type(first) is dict:
        return same(list(first), list(second)) and same(list(first.values()), list(second.values()))
    return _same_bytes(first, second)


def _same_bytes(first: Any, second: Any) -> bool:
    try:
        return bool(encode_whole(first) == encode_whole(second))
    except Exception:  # noqa: BLE001 - pickling is user code; what cannot be told is different
        return False
