"""Where in an object the part sits that cannot be pickled: a search of bounded effort.

Rules:
1. It never raises: what it cannot look into is not looked into.
2. At most `_TRIALS` parts are tried and `_SECONDS` spent; then the deepest one found is named.
3. Every part is tried with the pickler that failed, so what it says is what that pickler says.
"""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    Attempt = Callable[[object], object]

_TRIALS = 300
_SECONDS = 1.0
_DEPTH = 30
_ITEMS = 2000  # of one container
_KEY_SHOWN = 40  # characters of a dictionary's key
_CALL = ("function", "args", "kwargs")


def find_culprit(value: object, attempt: Attempt, error: Exception) -> tuple[str, Exception]:
    """Find the deepest part that cannot be pickled.

    Args:
        value: what could not be pickled.
        attempt: pickles one object, or raises.
        error: what it raised for the whole.

    Returns:
        The path, such as ``args[1].conn.lock``, and what the pickler says of that part alone. A
        tuple (function, args, kwargs) or (function, args) gives the paths their first word;
        "value" does for anything else.
    """
    search = _Search(attempt)
    path, part, cause = "value", value, error
    parts = _parts_of_call(value) or _children(value, path)
    for _ in range(_DEPTH):
        found = search.first_bad(parts)
        if found is None:
            break
        path, part, cause = found
        parts = _children(part, path)
    return path, cause


class _Search:
    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._left = _TRIALS
        self._deadline = time.monotonic() + _SECONDS
        self._seen: dict[int, object] = {}  # holds what it names, so that no number is used twice

    def first_bad(
        self, parts: Iterator[tuple[str, object]]
    ) -> tuple[str, object, Exception] | None:
        """Return path, part and error of the first that cannot be pickled, if there is one."""
        try:
            for path, part in parts:
                if id(part) in self._seen or isinstance(part, _PLAIN):
                    continue
                if self._left <= 0 or time.monotonic() > self._deadline:
                    return None
                self._left -= 1
                self._seen[id(part)] = part
                try:
                    self._attempt(part)
                except Exception as error:  # noqa: BLE001 - any refusal is what is looked for
                    return path, part, error
        except Exception:  # noqa: BLE001 - rule 1: a property or __reduce_ex__ of the user's
            return None
        return None


_PLAIN = (str, bytes, int, float, complex, bool, type(None))


def _parts_of_call(value: object) -> Iterator[tuple[str, object]] | None:
    """Return the parts of (function, args) and (function, args, kwargs), one level further down."""
    if type(value) is not tuple or len(value) not in (2, 3):
        return None
    if not callable(value[0]) or type(value[1]) not in (tuple, list):
        return None
    if len(value) == 3 and type(value[2]) is not dict:
        return None
    return _named_parts(value)


def _named_parts(call: tuple[Any, ...]) -> Iterator[tuple[str, object]]:
    yield _CALL[0], call[0]
    yield from _children(call[1], _CALL[1])
    if len(call) == 3:
        yield from _children(call[2], _CALL[2])


def _children(value: Any, path: str) -> Iterator[tuple[str, object]]:
    """Yield (path, part) for what an object is made of, as a pickler sees it."""
    kind = type(value)
    if kind in (list, tuple):
        yield from ((f"{path}[{n}]", part) for n, part in enumerate(value[:_ITEMS]))
    elif kind is dict:
        yield from _items(value, path)
    elif kind in (set, frozenset):
        for part in list(value)[:_ITEMS]:
            yield f"{path}{{{_short(part)}}}", part
    elif hasattr(value, "__code__") and hasattr(value, "__closure__"):
        yield from _of_function(value, path)
    elif hasattr(value, "__self__") and hasattr(value, "__func__"):
        yield f"{path}.__self__", value.__self__
    elif not isinstance(value, type):
        yield from _of_object(value, path)


def _items(mapping: dict[Any, Any], path: str) -> Iterator[tuple[str, object]]:
    for key in list(mapping)[:_ITEMS]:
        yield f"{path}[{_short(key)}]", mapping[key]
        yield f"{path} key {_short(key)}", key


def _of_function(function: Any, path: str) -> Iterator[tuple[str, object]]:
    """Yield what a function that is sent by value takes along: cells, globals, defaults."""
    code = function.__code__
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=False):
        try:
            yield f"{path}.<closure {name}>", cell.cell_contents
        except ValueError:  # a cell that is still empty
            continue
    for name in code.co_names:
        if name in function.__globals__:
            yield f"{path}.<global {name}>", function.__globals__[name]
    yield from _children(function.__defaults__ or (), f"{path}.__defaults__")
    yield from _children(function.__kwdefaults__ or {}, f"{path}.__kwdefaults__")
    yield from _items_as_attributes(vars(function), path)


def _of_object(value: Any, path: str) -> Iterator[tuple[str, object]]:
    """Yield what ``__reduce_ex__`` gives: state, arguments, items."""
    reduced: Any = value.__reduce_ex__(5)
    if not isinstance(reduced, tuple):
        return
    given: list[Any] = [*reduced, None, None, None]
    arguments, state, items, pairs = given[1:5]
    states = state if type(state) is tuple and len(state) == 2 else (state,)
    for part in states:
        if type(part) is dict:
            yield from _items_as_attributes(part, path)
        elif part is not None:
            yield f"{path}.<state>", part
    for number, part in enumerate(arguments or ()):
        if not isinstance(part, type):
            name = _attribute_holding(value, part)
            yield f"{path}.{name}" if name else f"{path}.<argument {number}>", part
    for number, part in enumerate(items or ()):
        yield f"{path}[{number}]", part
    for key, part in pairs or ():
        yield f"{path}[{_short(key)}]", part


def _items_as_attributes(state: dict[Any, Any], path: str) -> Iterator[tuple[str, object]]:
    for name, part in list(state.items())[:_ITEMS]:
        yield f"{path}.{name}", part


def _attribute_holding(value: object, part: object) -> str | None:
    held = getattr(value, "__dict__", {})
    return next((name for name in held if held[name] is part), None)


def _short(key: object) -> str:
    text = repr(key)
    return text if len(text) <= _KEY_SHOWN else f"{text[:_KEY_SHOWN]}..."
