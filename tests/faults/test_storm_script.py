"""`scripts/storm.py`, for a quarter of a minute: nothing lost, nothing left, nothing hung."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from support.sources import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform != "linux", reason="the storm uses pidfds, forks and /proc"),
]


def test_a_short_storm() -> None:
    """Every task that was submitted is accounted for, and so is every callback."""
    storm = subprocess.run(
        [sys.executable, "scripts/storm.py", "--minutes=0.25", "--patience=60", "--seed=20"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,  # below that of pytest, which would not show what the storm had to say
        check=False,
    )
    told = f"{storm.stdout}\n{storm.stderr}"
    assert storm.returncode == 0, told
    found = re.search(r"([\d,]+) tasks submitted, ([\d,]+) ended", told)
    assert found is not None, told
    assert found[1] == found[2]
    assert int(found[1].replace(",", "")) > 50
