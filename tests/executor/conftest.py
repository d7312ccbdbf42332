"""Fixtures of the executor's tests: what they start is ended whatever happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from loky_executor import ProcessPoolExecutor
from support.executor_gate import Gate

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def executor() -> Iterator[ProcessPoolExecutor]:
    """Give an executor of at most two workers."""
    executor = ProcessPoolExecutor(2)
    yield executor
    executor.shutdown(kill_workers=True)


@pytest.fixture
def single() -> Iterator[ProcessPoolExecutor]:
    """Give an executor of one worker."""
    executor = ProcessPoolExecutor(1)
    yield executor
    executor.shutdown(kill_workers=True)


@pytest.fixture
def gate() -> Iterator[Gate]:
    """Give a gate for tasks to wait at."""
    gate = Gate()
    yield gate
    gate.open()
