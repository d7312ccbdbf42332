"""What the conformance tests share: each runs once for each set of capabilities."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from support.capability_sets import EVERYTHING, NO_SELECTOR, describe, switch_off

if TYPE_CHECKING:
    from collections.abc import Iterator

# In the quick tests: as it is, and with nothing at all. Each alone takes its time.
CAPABILITY_SETS = [
    "",
    EVERYTHING,
    *(
        pytest.param(names, marks=pytest.mark.slow)
        for names in ("pidfd", "memfd", "scm_rights", "setsig", NO_SELECTOR)
    ),
]

if sys.platform == "win32":  # there is nothing of these to switch off
    CAPABILITY_SETS = [""]


@pytest.fixture(params=CAPABILITY_SETS, ids=describe, autouse=True)
def without(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Run the test once for each set of capabilities that this system is to do without."""
    yield from switch_off(request.param, monkeypatch)
