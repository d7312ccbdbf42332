"""A worker whose memory is used up for good: whatever fails in it, every task ends."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from faults.support.ways import starve
from loky_backend import DecodingError
from loky_executor import ProcessPoolExecutor, TerminatedWorkerError

SECONDS = 30
pytestmark = [
    pytest.mark.faults,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS does not hold elsewhere"),
]
# DecodingError: there was not even the memory to pickle the MemoryError.
_ENDS = {type(None), MemoryError, DecodingError, TerminatedWorkerError}


@pytest.mark.parametrize("smallest", [16, 512, 4096, 65536])
def test_every_task_of_a_starved_worker_ends(smallest: int) -> None:
    """Its tasks fail, or it dies; then another worker does the rest, and the pool goes on."""
    with ProcessPoolExecutor(1, on_crash="isolate") as executor:
        executor.submit(abs, -1).result(SECONDS)
        futures: list[Any] = [executor.submit(starve, smallest)]
        futures += [executor.submit(bytes, 10**power) for power in range(8)]
        errors = [future.exception(SECONDS) for future in futures]
        assert {type(error) for error in errors} <= _ENDS
        assert errors[0] is not None
        assert executor.usable
