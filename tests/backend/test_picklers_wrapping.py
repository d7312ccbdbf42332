"""`wrap_non_picklable_objects`."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from loky_backend import wrap_non_picklable_objects


def test_a_function() -> None:
    """A wrapped lambda passes the plain pickler, and is called like the lambda."""
    wrapped = wrap_non_picklable_objects(lambda n: n + 1)
    again = pickle.loads(pickle.dumps(wrapped))
    assert (wrapped(1), again(1)) == (2, 2)
    assert type(again) is type(wrapped)
    assert pickle.loads(pickle.dumps(again))(1) == 2


def test_without_the_wrapper() -> None:
    """With keep_wrapper=False the other side gets the bare object."""
    wrapped = wrap_non_picklable_objects(lambda: 1, keep_wrapper=False)
    assert type(pickle.loads(pickle.dumps(wrapped))).__name__ == "function"


def test_an_object_of_a_local_class() -> None:
    """An object lends its attributes; it is not callable if the object is not."""

    class Local:
        def __init__(self) -> None:
            self.value = 7

    wrapped = wrap_non_picklable_objects(Local())
    again = pickle.loads(pickle.dumps(wrapped))
    assert (wrapped.value, again.value) == (7, 7)
    assert not callable(again)
    with pytest.raises(AttributeError, match="nothing"):
        _ = again.nothing


@pytest.mark.parametrize("keep_wrapper", [True, False])
def test_a_class(keep_wrapper: bool) -> None:
    """A wrapped class makes wrapped objects; it is a class of the same name."""

    class Adder:
        """Adds."""

        def __init__(self, by: int) -> None:
            self.by = by

        def __call__(self, n: int) -> int:
            return n + self.by

    wrapped: Any = wrap_non_picklable_objects(Adder, keep_wrapper=keep_wrapper)
    assert isinstance(wrapped, type)
    assert (wrapped.__name__, wrapped.__doc__) == ("Adder", "Adds.")
    adder = wrapped(by=5)
    assert isinstance(adder, wrapped)
    again = pickle.loads(pickle.dumps(adder))
    assert (adder(1), again(1), again.by) == (6, 6, 5)
    assert (type(again).__name__ == "Adder") is not keep_wrapper


def test_wrapping_twice_is_wrapping_once() -> None:
    """What is wrapped already is returned as it is, and shows what it wraps."""
    wrapped = wrap_non_picklable_objects(len)
    assert wrap_non_picklable_objects(wrapped) is wrapped
    assert wrapped.__wrapped__ is len
    assert repr(wrapped) == "<wrapped <built-in function len>>"
    wrapped_class = wrap_non_picklable_objects(int)
    assert wrap_non_picklable_objects(wrapped_class) is wrapped_class
