"""Fixtures: no reusable executor is kept from one test to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from loky_reusable import _reusable
from support.executor_gate import Gate

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _no_executor_is_left() -> Iterator[None]:
    yield
    slots = [*_reusable._of_process.values(), *_reusable._of_threads.slots.values()]
    for slot in slots:
        held, slot.held = slot.held, None
        if held is not None:
            held[0].shutdown(kill_workers=True)


@pytest.fixture
def gate() -> Iterator[Gate]:
    """Give a gate for tasks to wait at."""
    gate = Gate()
    yield gate
    gate.open()
