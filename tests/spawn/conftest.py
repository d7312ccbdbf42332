"""What the spawn tests share: the sets of capabilities that other systems lack."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from loky_spawn import _capabilities

if TYPE_CHECKING:
    from collections.abc import Iterator

if sys.platform == "win32":  # the other modules are about fork, exec and signals
    collect_ignore_glob = ["test_[!w]*.py"]

CAPABILITY_SETS = ("", "pidfd", "memfd", "setsig", "pidfd,memfd,setsig")


@pytest.fixture(params=CAPABILITY_SETS, ids=lambda names: f"without {names or 'nothing'}")
def without(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Run the test once for each set of capabilities that this system is to do without."""
    monkeypatch.setenv("LOKY_WITHOUT", request.param)
    _capabilities._known.clear()
    yield request.param
    _capabilities._known.clear()
