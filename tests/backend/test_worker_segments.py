"""Large buffers beside the stream, as an owner sees it."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

import numpy as np
import pytest

from support import backend_tasks as tasks
from support.backend_owner import Owner

if TYPE_CHECKING:
    from collections.abc import Iterator

MB = 1_000_000


@pytest.fixture
def few_descriptors() -> Iterator[int]:
    """Allow this process 200 descriptors while the test runs."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, before[1]))
    yield 200
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.slow
@pytest.mark.xfail(reason="each result that is kept costs two descriptors", strict=True)
def test_more_large_results_are_kept_than_descriptors_are_left(few_descriptors: int) -> None:
    """Results that the user keeps cost memory, and no descriptors."""
    with Owner() as owner:
        worker = owner.ready()
        kept = [owner.run(worker, tasks.large_buffer, 2 * MB) for _ in range(few_descriptors)]
        assert len(kept) == few_descriptors


def test_results_are_independent(owner: Owner) -> None:
    """Each large result stays as it was while others come, and is writable."""
    worker = owner.ready()
    kept = [owner.run(worker, tasks.filled_array, 2 * MB, number) for number in range(8)]
    kept[0][:] = 100
    assert [int(array[0]) for array in kept] == [100, 1, 2, 3, 4, 5, 6, 7]
    assert all(np.ptp(array) == 0 for array in kept)
    del kept[1:]
    assert int(kept[0][-1]) == 100


@pytest.mark.faults
def test_a_result_outlives_its_worker(owner: Owner) -> None:
    """A large result that was delivered stays readable after the worker's death."""
    worker = owner.ready()
    array = owner.run(worker, tasks.filled_array, 2 * MB, 7)
    worker.kill("the test says so")
    owner.death(worker)
    assert (int(array[0]), int(array[-1]), array.nbytes) == (7, 7, 2 * MB)
