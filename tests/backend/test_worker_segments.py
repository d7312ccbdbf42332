"""Large buffers beside the stream, as an owner sees it."""

from __future__ import annotations

import pickle
import resource
from typing import TYPE_CHECKING

import numpy as np
import pytest

from loky_backend import FrameKind, SegmentPool, Worker, encode, start_worker
from support import backend_tasks as tasks
from support.backend_owner import Owner, freeze

if TYPE_CHECKING:
    from collections.abc import Iterator

MB = 1_000_000
NEW = 8 * MB  # no segment of the warm-up fits, so a descriptor must come


@pytest.fixture
def few_descriptors() -> Iterator[int]:
    """Allow this process 200 descriptors while the test runs."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, before[1]))
    yield 200
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.slow
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


class Placing:
    """A worker whose large arguments are placed into segments."""

    def __init__(self, owner: Owner) -> None:
        self.owner = owner
        self.pool = SegmentPool(lambda _receiver, number: self.worker.forget(number))
        self.worker: Worker = start_worker(1, segments=self.pool)
        owner.workers.append(self.worker)
        owner.reactor.add(self.worker)
        self._count = 1000

    def send(self, size: int = 2 * MB) -> int:
        """Send a buffer of so many bytes; return the id of the task that measures it."""
        self._count += 1
        buffer = pickle.PickleBuffer(bytearray(size))
        content = encode((tasks.size_of, (buffer,), {}))
        content.segment = self.pool.place(content.buffers, self._count)
        self.worker.queue(FrameKind.TASK, self._count, content)
        self.worker.flush()
        if content.segment is not None:
            self.pool.release(content.segment[0], self._count)
        return self._count

    def warm_up(self) -> None:
        """Have the worker say that it takes descriptors."""
        for _ in range(2):
            assert self.owner.answer(self.send()) == 2 * MB
        failing = self.owner.send(self.worker, tasks.fail_with, ValueError("imports traceback"))
        assert type(self.owner.error(failing)) is ValueError


@pytest.fixture
def placing(owner: Owner) -> Iterator[Placing]:
    """Give a worker that is used to large arguments."""
    placing = Placing(owner)
    placing.warm_up()
    yield placing
    placing.pool.close()


def test_a_worker_without_descriptors_fails_the_task_alone(placing: Placing) -> None:
    """A worker that cannot take a segment's descriptor says so, and takes the next one."""
    owner, worker = placing.owner, placing.worker
    assert owner.run(worker, tasks.use_up_descriptors) > 0
    error = owner.error(placing.send(NEW))
    assert isinstance(error, (OSError, ValueError))
    owner.run(worker, tasks.give_descriptors_back)
    assert owner.answer(placing.send()) == 2 * MB
    assert owner.answer(placing.send()) == 2 * MB


def test_a_segment_that_was_not_mapped_is_free_again(placing: Placing) -> None:
    """The segment of a task that failed so is not held for the rest of the worker's life."""
    owner, worker = placing.owner, placing.worker
    owner.run(worker, tasks.use_up_descriptors)
    owner.error(placing.send(NEW))
    owner.run(worker, tasks.give_descriptors_back)
    for number in range(3):
        assert owner.run(worker, tasks.echo, number) == number
    assert placing.pool._used == {}


def test_segments_are_used_again(placing: Placing) -> None:
    """Many large arguments one after the other need a few segments."""
    owner = placing.owner
    for _ in range(30):
        assert owner.answer(placing.send()) == 2 * MB
    owner.run(placing.worker, tasks.echo, 1)
    assert placing.pool._used == {}
    assert len(placing.pool._free) <= 3  # as many as were ever made: few are kept for use again


@pytest.mark.faults
def test_a_death_frees_the_segments_that_were_lent(placing: Placing) -> None:
    """What a worker held when it was killed is free."""
    freeze(placing.worker)
    for _ in range(3):
        placing.send()
    placing.worker.child.kill()
    placing.owner.death(placing.worker)
    placing.owner.turn()
    assert placing.pool._used == {}


@pytest.mark.faults
def test_a_task_for_a_dead_worker_holds_no_segment(placing: Placing) -> None:
    """A task that comes when its worker was just buried does not keep its segment."""
    placing.worker.child.kill()
    placing.owner.death(placing.worker)
    placing.owner.turn()
    placing.send()
    assert placing.pool._used == {}
