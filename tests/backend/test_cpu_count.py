"""`cpu_count`: the least of what each authority allows."""

from __future__ import annotations

import os
import sys
import warnings

import pytest

import loky_backend
from loky_backend import _cpu


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of 16 processors, of which all are allowed, without quota, 8 cores."""
    monkeypatch.delenv("LOKY_MAX_CPU_COUNT", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    monkeypatch.setattr(_cpu, "allowed_processors", lambda: frozenset(range(16)))
    monkeypatch.setattr(_cpu, "cpu_quota", lambda: None)
    monkeypatch.setattr(_cpu, "physical_cores", lambda allowed: 8)
    monkeypatch.setattr(_cpu, "_warned", [])


def test_all_processors() -> None:
    """Without any limit every processor counts."""
    assert loky_backend.cpu_count() == 16
    assert loky_backend.cpu_count(only_physical_cores=True) == 8


def test_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    """The affinity mask limits; where there is none, all processors count."""
    monkeypatch.setattr(_cpu, "allowed_processors", lambda: frozenset({3, 5}))
    assert loky_backend.cpu_count() == 2
    monkeypatch.setattr(_cpu, "allowed_processors", lambda: None)
    assert loky_backend.cpu_count() == 16


@pytest.mark.parametrize(("quota", "expected"), [(0.5, 1), (1.5, 2), (3.0, 3), (64.0, 16)])
def test_quota_is_rounded_up(monkeypatch: pytest.MonkeyPatch, quota: float, expected: int) -> None:
    """A quota counts as the next whole number; it never raises the count."""
    monkeypatch.setattr(_cpu, "cpu_quota", lambda: quota)
    assert loky_backend.cpu_count() == expected


@pytest.mark.parametrize(("text", "expected"), [("4", 4), (" 3 ", 3), ("100", 16), ("", 16)])
def test_environment(monkeypatch: pytest.MonkeyPatch, text: str, expected: int) -> None:
    """LOKY_MAX_CPU_COUNT limits, and an empty one does not."""
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", text)
    assert loky_backend.cpu_count() == expected


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "1e3", "³"])
def test_nonsense_in_the_environment(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """A LOKY_MAX_CPU_COUNT that is no whole number above 0 is named in the error."""
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", text)
    with pytest.raises(ValueError, match="LOKY_MAX_CPU_COUNT must be") as caught:
        loky_backend.cpu_count()
    assert repr(text) in str(caught.value)


def test_the_least_limit_wins_for_physical_cores_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Physical cores are limited by quota, affinity and environment as processors are."""
    monkeypatch.setattr(_cpu, "cpu_quota", lambda: 5.0)
    assert loky_backend.cpu_count(only_physical_cores=True) == 5
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "2")
    assert loky_backend.cpu_count(only_physical_cores=True) == 2


def test_unknown_cores_warn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the cores cannot be found all processors count, after one warning that says why."""

    def fail(allowed: object) -> int:
        raise _cpu.CoresUnknownError("no /proc here")

    monkeypatch.setattr(_cpu, "physical_cores", fail)
    with pytest.warns(UserWarning, match="no /proc here") as caught:
        assert loky_backend.cpu_count(only_physical_cores=True) == 16
    assert [warning.filename for warning in caught] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert loky_backend.cpu_count(only_physical_cores=True) == 16


@pytest.mark.skipif(sys.platform != "linux", reason="sched_setaffinity")
def test_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the real machine the count follows the affinity mask."""
    monkeypatch.undo()
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert loky_backend.cpu_count() == 1
        assert loky_backend.cpu_count(only_physical_cores=True) == 1
    finally:
        os.sched_setaffinity(0, before)
    assert 1 <= loky_backend.cpu_count() <= (os.cpu_count() or 1)
