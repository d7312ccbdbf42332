"""Arguments of more than 4 GiB: no size is cut to 32 bits anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import psutil
import pytest

if TYPE_CHECKING:
    from loky_executor import ProcessPoolExecutor

HUGE = (1 << 32) + 4097  # bytes
NEEDED = 3 * HUGE  # the array, its way, and the worker's copy


def ends(array: np.ndarray) -> tuple[int, int, int]:
    """Return size, first and last byte of an array."""
    return array.nbytes, int(array[0]), int(array[-1])


@pytest.mark.slow
@pytest.mark.skipif(
    psutil.virtual_memory().available < NEEDED, reason="not enough memory for three times 4 GiB"
)
@pytest.mark.parametrize("warm", [False, True], ids=["through the stream", "in a segment"])
def test_an_argument_of_more_than_4_gib(single: ProcessPoolExecutor, warm: bool) -> None:
    """It arrives whole; the first large argument goes through the stream, later ones beside it."""
    if warm:
        small = np.ones(1 << 21, dtype=np.uint8)
        assert single.submit(ends, small).result() == (1 << 21, 1, 1)
    array = np.zeros(HUGE, dtype=np.uint8)
    array[0], array[-1] = 3, 7
    assert single.submit(ends, array).result() == (HUGE, 3, 7)
