"""Events and effects are values: equal by kind and fields, and they say what they are."""

from __future__ import annotations

from loky_executor import _effects as do
from loky_executor import _events as on


def test_equal_by_kind_and_fields() -> None:
    """Two kinds with the same fields are two things."""
    assert on.Encoded(1) == on.Encoded(1)
    assert on.Encoded(1) != on.Encoded(2)
    assert on.Encoded(1) != on.Dropped(1)
    assert on.TimerFired() == on.TimerFired()
    assert {on.Encoded(1), on.Encoded(1), on.Dropped(1)} == {on.Encoded(1), on.Dropped(1)}


def test_they_say_what_they_are() -> None:
    """The history of a broken pool is read by people."""
    assert repr(do.Send(2, 7)) == "Send(worker=2, task=7, claim=False)"
    assert repr(on.TimerFired()) == "TimerFired()"
