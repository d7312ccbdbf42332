"""The list of what is left out on Windows names tests that exist, and each fault of wine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from scripts.wine_faults import CHECKS

from support.windows_skips import POSIX, WINE

TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize("key", [*POSIX, *WINE])
def test_what_is_left_out_exists(key: str) -> None:
    """A key names a file, or a test in one."""
    file, _, name = key.partition("::")
    assert (TESTS / file).is_file()
    if name:
        assert re.search(rf"^(async )?def {name}\(", (TESTS / file).read_text(), re.MULTILINE)


def test_faults_of_wine_can_be_shown() -> None:
    """What is left out for wine's sake names the check that shows the fault."""
    assert {check for _, check in WINE.values()} <= set(CHECKS)
