"""Buffers of a few hundred KB and of some MB, there and back, whatever holds them."""

from __future__ import annotations

import os
import pickle
from typing import TYPE_CHECKING, Any

import pytest

from loky_backend import FrameKind, SegmentPool, encode, start_worker
from support import backend_tasks as tasks
from support.backend_frames import resident_bytes

if TYPE_CHECKING:
    from support.backend_owner import Owner


@pytest.mark.parametrize("size", [5_000, 300_000, 2_000_000])
@pytest.mark.parametrize("kind", [bytearray, bytes])
def test_bytes_come_back_as_what_they_were(owner: Owner, kind: type[Any], size: int) -> None:
    """`bytes` and `bytearray` keep their type."""
    data = kind(os.urandom(1000) * (size // 1000))
    back = owner.run(owner.ready(), tasks.echo, data)
    assert (type(back), back) == (kind, data)


@pytest.mark.parametrize("size", [5_000, 300_000, 2_000_000])
@pytest.mark.parametrize("kind", [pickle.PickleBuffer, memoryview])
def test_a_view_comes_back(owner: Owner, kind: type[Any], size: int) -> None:
    """A task can return the buffer it got, by the stream and in a segment; it is writable here."""
    worker = start_worker(50, segments=(pool := SegmentPool(lambda _receiver, _number: None)))
    owner.workers.append(worker)
    owner.reactor.add(worker)
    data = bytearray(os.urandom(1000) * (size // 1000))
    for task in range(1000, 1004):
        content = encode((tasks.echo, (kind(data),), {}))
        content.segment = pool.place(content.buffers, task)
        worker.queue(FrameKind.TASK, task, content)
        worker.flush()
        if content.segment is not None:
            pool.release(content.segment[0], task)
        back = memoryview(owner.answer(task))
        assert back == data
        back[:1] = b"x"
    pool.close()


def test_forks_of_a_task_do_not_share_its_argument(owner: Owner) -> None:
    """What a forked copy of a worker writes into a large argument stays in that copy."""
    data = pickle.PickleBuffer(bytearray(300_000))
    assert owner.run(owner.ready(), tasks.write_in_a_fork, data) == 0


def test_dropped_results_cost_nothing(owner: Owner) -> None:
    """Large results that nobody keeps leave no memory behind."""
    worker = owner.ready()
    before = 0
    for count in range(80):
        owner.run(worker, tasks.large_buffer, 2_000_000)
        owner.forget()
        before = before or (resident_bytes() if count == 20 else 0)
    assert resident_bytes() - before < 30_000_000
