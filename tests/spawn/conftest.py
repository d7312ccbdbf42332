"""What the spawn tests share: the sets of capabilities that other systems lack."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.capability_sets import EVERYTHING, NO_SELECTOR, describe, switch_off

if TYPE_CHECKING:
    from collections.abc import Iterator

CAPABILITY_SETS = ("", "pidfd", "memfd", "setsig", NO_SELECTOR, EVERYTHING)


@pytest.fixture(params=CAPABILITY_SETS, ids=describe)
def without(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Run the test once for each set of capabilities that this system is to do without."""
    yield from switch_off(request.param, monkeypatch)
