"""What every test runs under: nothing it starts may outlive it. And what Windows leaves out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.leaks import Snapshot, leaked_since
from support.windows_children import is_wine
from support.windows_skips import POSIX, WINE

if TYPE_CHECKING:
    from collections.abc import Iterator

_TESTS = Path(__file__).parent
_LEFT_OUT = dict(POSIX) if sys.platform == "win32" else {}
if is_wine():
    _LEFT_OUT |= {key: f"wine: {reason}" for key, (reason, _) in WINE.items()}

SETTLE_SECONDS = 5.0


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Do not import the files that are left out."""
    if collection_path.is_relative_to(_TESTS):
        return _name(collection_path) in _LEFT_OUT or None
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests that are left out."""
    for item in items:
        reason = _LEFT_OUT.get(f"{_name(item.path)}::{getattr(item, 'originalname', item.name)}")
        if reason is not None:
            item.add_marker(pytest.mark.skip(reason=reason))


def _name(path: Path) -> str:
    return path.relative_to(_TESTS).as_posix()


@pytest.fixture(autouse=True)
def _leak_check(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail the test that leaves processes, threads, descriptors or shared memory behind."""
    marker = request.node.get_closest_marker("leaks_allowed")
    if marker is not None:
        if not (marker.args or marker.kwargs.get("reason")):
            pytest.fail("leaks_allowed needs a reason")
        yield
        return
    before = Snapshot.take()
    yield
    leaked = leaked_since(before, patience=SETTLE_SECONDS)
    if leaked:
        listing = "\n".join(f"  {line}" for line in leaked)
        pytest.fail(f"left behind, {SETTLE_SECONDS:g} s after the test:\n{listing}", pytrace=False)
