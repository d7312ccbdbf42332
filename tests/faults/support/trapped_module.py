"""A module that strikes where it is imported, if it is to happen there."""

from __future__ import annotations

from faults.support.starting import strike_if_armed

strike_if_armed("import")


def initialize() -> None:
    """Serve as an initializer that a worker finds by importing this module."""
