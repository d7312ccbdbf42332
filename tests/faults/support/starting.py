"""Workers that come to grief before they are ready; what is to happen is in their environment."""

from __future__ import annotations

import os
from pathlib import Path

from faults.support.ways import strike

PLACE, BLOW, ARMED = "FAULTS_PLACE", "FAULTS_BLOW", "FAULTS_ARMED"

# Put into a folder on PYTHONPATH: runs before anything of ours does.
SITECUSTOMIZE = """\
import sys
sys.path.insert(0, {tests!r})
from faults.support.starting import strike_if_armed
strike_if_armed("boot")
"""


def strike_if_armed(place: str) -> None:
    """Strike if it is to happen here, and in workers that start from now on."""
    if os.environ.get(PLACE) == place and Path(os.environ[ARMED]).exists():
        way, mark = os.environ[BLOW].split(":", 1)
        strike(way, mark)


def initialize() -> None:
    """Serve as an initializer."""
    strike_if_armed("initializer")
