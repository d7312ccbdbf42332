"""What the error says when something cannot be pickled."""

from __future__ import annotations

import functools
import pickle
import threading
import time
from collections import OrderedDict, defaultdict
from typing import Any

import pytest

from loky_backend import EncodingError, encode
from loky_backend._culprit import find_culprit
from support.pickler_tasks import Arguments, Locked, Nasty, Ring, Slotted

LOCK = threading.Lock()


def call(*args: object, **kwargs: object) -> tuple[Any, ...]:
    """Return a task."""
    return print, args, kwargs


def closure_over(value: object) -> Any:
    """Return a function that holds a value."""
    return lambda: value


def with_default(value: object) -> Any:
    """Return a function with a default."""

    def function(x: object = value) -> object:
        return x

    return function


def with_attribute(value: object) -> Any:
    """Return a function that something was hung on."""

    def function() -> None: ...

    function.cache = value  # type: ignore[attr-defined]
    return function


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (call(0, Locked()), "args[1].lock"),
        (call(0, {"conn": [1, Locked()]}), "args[1]['conn'][1].lock"),
        (call(key=Locked()), "kwargs['key'].lock"),
        ((Locked().lock.acquire, (), {}), "function"),
        ((print, (LOCK,)), "args[0]"),
        (LOCK, "value"),
        ([1, LOCK], "value[1]"),
        (call(Slotted(LOCK)), "args[0].inner"),
        (call(Arguments(LOCK)), "args[0].inner"),
        (call(OrderedDict(a=LOCK)), "args[0]['a']"),
        (call(defaultdict(list, a=LOCK)), "args[0]['a']"),
        (call({LOCK: 1}), "args[0] key "),
        (call(Ring()), "args[0].last[0].lock"),
        (call(functools.partial(print, LOCK)), "args[0]"),
        ((closure_over(Locked()), (), {}), "function.<closure value>.lock"),
        ((with_default(LOCK), (), {}), "function.__defaults__[0]"),
        ((with_attribute(LOCK), (), {}), "function.cache"),
        (call(time.sleep, (x for x in ())), "args[1]"),
        (call(Nasty()), "args[0]"),
    ],
)
def test_the_path_to_the_culprit(value: object, path: str) -> None:
    """The error names where the part sits that no pickler takes."""
    with pytest.raises(EncodingError) as caught:
        encode(value)
    assert caught.value.path.startswith(path)
    assert caught.value.path in str(caught.value)
    assert str(caught.value).startswith("cannot pickle ")
    assert caught.value.__cause__ is not None


def test_the_error_can_be_pickled() -> None:
    """The error comes back whole from another process."""
    with pytest.raises(EncodingError) as caught:
        encode(call(LOCK))
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.path, str(again)) == ("args[0]", str(caught.value))


def test_an_object_too_deep() -> None:
    """A nesting too deep for a pickler is an EncodingError like any other refusal."""
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(EncodingError, match="recursion"):
        encode(call(deep))
    while deep:
        deep = deep.pop()


def test_errors_of_the_object_itself_pass() -> None:
    """What the object's own code raises, other than a refusal, is raised as it is."""

    class Picky:
        def __reduce__(self) -> tuple[Any, ...]:
            raise LookupError("not today")

    with pytest.raises(LookupError, match="not today"):
        encode(call(Picky()))


def test_the_search_is_bounded() -> None:
    """The search gives up after a number of tries, and names the last it was sure of."""
    tried: list[object] = []

    def attempt(part: object) -> None:
        tried.append(part)
        if isinstance(part, dict):
            raise TypeError("no")

    many = {"parts": [object() for _ in range(5000)]}
    path, error = find_culprit((print, (many,), {}), attempt, TypeError("all"))
    assert (path, str(error)) == ("args[0]", "no")
    assert len(tried) < 1000
