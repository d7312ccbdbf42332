"""A worker and its owner while nobody is killed: answers, claims, stalls, large messages."""

from __future__ import annotations

import mmap
import pickle
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from loky_backend import Encoded, FrameArrived, FrameKind, WorkerReady, encode
from support import backend_tasks as tasks
from support.backend_owner import freeze, until

if TYPE_CHECKING:
    from support.backend_owner import Owner
    from support.backend_post import Post

MB = 1_000_000


def test_a_task_is_answered(owner: Owner) -> None:
    """Tasks may be sent at once, before the worker is ready; the answers come in order."""
    worker = owner.start()
    sent = [owner.send(worker, tasks.echo, number) for number in range(100)]
    assert [owner.answer(task) for task in sent] == list(range(100))
    told = [event for event in owner.told(worker) if isinstance(event, WorkerReady)]
    assert (worker.ready, told) == (True, [WorkerReady(worker)])


def test_a_worker_that_is_told_to_stop_ends_after_its_tasks(owner: Owner) -> None:
    """STOP comes after the tasks sent before it; the worker's death is then its exit code 0."""
    worker = owner.start()
    task = owner.send(worker, tasks.echo, "last")
    owner.stop(worker)
    obituary = owner.death(worker)
    assert owner.answer(task) == "last"
    assert (obituary.exitcode, obituary.stage, obituary.reason) == (0, "stopping", "")
    assert obituary.stacks == ""


@pytest.mark.parametrize("size", [0, 1, 65_512, 65_513, 262_144, 3 * MB])
def test_sizes_of_tasks_and_results(owner: Owner, size: int) -> None:
    """What is sent comes back, inside the pickle and beside it, empty and large."""
    worker = owner.start()
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    assert owner.run(worker, tasks.echo, data) == data
    array = np.frombuffer(data, dtype="u1").copy()
    back = owner.run(worker, tasks.echo, array)
    assert back.tobytes() == data
    back[:] = 0  # arrays arrive writable


def test_many_buffers(owner: Owner) -> None:
    """A task with more pieces than one system call takes travels whole."""
    worker = owner.start()
    parts = [np.full(5000, number % 256, dtype="u1") for number in range(1500)]
    back = owner.run(worker, tasks.echo, parts)
    assert all(map(np.array_equal, back, parts))
    assert len(back) == len(parts)


def test_sigint_ends_the_running_task_alone(owner: Owner, post: Post) -> None:
    """SIGINT to a worker interrupts the task it runs; the worker lives on."""
    worker = owner.ready()
    task = owner.send(worker, tasks.tell_and_wait, post.path)
    post.wait()
    worker.child.send_signal(signal.SIGINT)
    assert type(owner.error(task)) is KeyboardInterrupt
    worker.child.send_signal(signal.SIGINT)  # while idle: nothing to interrupt
    assert owner.run(worker, tasks.echo, 1) == 1


def test_a_stopped_worker_is_not_taken_for_dead(owner: Owner) -> None:
    """SIGSTOP is no death: nothing is told until SIGCONT, and then the worker answers."""
    frozen, other = owner.ready(), owner.ready()
    freeze(frozen)
    task = owner.send(frozen, tasks.echo, "thawed")
    for number in range(50):
        assert owner.run(other, tasks.echo, number) == number
    assert owner.told(frozen) == [WorkerReady(frozen)]
    assert not frozen.child.poll()
    frozen.child.send_signal(signal.SIGCONT)
    assert owner.answer(task) == "thawed"


@pytest.mark.slow
def test_a_worker_that_stops_reading_stalls_nobody(owner: Owner) -> None:
    """Megabytes wait for a frozen worker while others are served; it gets them when it thaws."""
    frozen, other = owner.ready(), owner.ready()
    freeze(frozen)
    waiting = [owner.send(frozen, tasks.size_of, bytes(5 * MB)) for _ in range(5)]
    assert frozen.wants_write
    for number in range(200):
        assert owner.run(other, tasks.echo, number) == number
    assert owner.run(other, tasks.size_of, bytes(5 * MB)) == 5 * MB
    assert frozen.wants_write
    frozen.child.send_signal(signal.SIGCONT)
    assert [owner.answer(task) for task in waiting] == [5 * MB] * 5
    until(lambda: not frozen.wants_write)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bytes", "buffer"])
def test_500_mb_in_both_directions_at_once(owner: Owner, kind: str) -> None:
    """The worker writes 500 MB while the parent writes 500 MB to it: both finish."""
    size = 500 * MB
    worker = owner.ready()
    produce = tasks.many_bytes if kind == "bytes" else tasks.large_buffer
    out = owner.send(worker, produce, size)
    with mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE) as untouched:
        # The buffer is a mapping whose pages nobody wrote to: they all are the one page of zeros.
        body = encode((tasks.size_of, (pickle.PickleBuffer(untouched),), {}))
        worker.queue(FrameKind.TASK, 10**6, Encoded(body.body, body.buffers))
        worker.flush()
        assert memoryview(owner.answer(out)).nbytes == size
        assert owner.answer(10**6) == size
        for buffer in body.buffers:
            buffer.release()
        del body


@pytest.mark.slow
def test_unstarted_tasks_are_taken_back(owner: Owner, post: Post, tmp_path: Path) -> None:
    """While a C call holds the GIL, claimed tasks behind it are taken back and never run."""
    worker = owner.ready()
    ran = tmp_path / "ran"
    first = owner.send(worker, tasks.hold_the_gil, post.path, 0.3, claim=True)
    behind = [
        owner.send(worker, tasks.note_and_return, str(ran), str(number), claim=True)
        for number in range(5)
    ]
    post.wait()
    assert worker.take_back() == behind
    assert worker.take_back() == []
    after = owner.send(worker, tasks.note_and_return, str(ran), "after", claim=True)
    assert (owner.answer(first), owner.answer(after)) == ("held", "after")
    assert ran.read_text() == "after\n"
    answered = [e.frame.task for e in owner.told(worker) if isinstance(e, FrameArrived)]
    assert answered == [first, after]


def test_a_task_belongs_to_the_worker_or_to_the_parent(owner: Owner, tmp_path: Path) -> None:
    """Whenever tasks are taken back: each is answered or taken back, never both, never neither."""
    worker = owner.ready()
    ran = tmp_path / "ran"
    for _ in range(20):
        sent = [
            owner.send(worker, tasks.note_and_return, str(ran), str(number), claim=True)
            for number in range(10)
        ]
        taken = worker.take_back()
        kept = [task for task in sent if task not in taken]
        assert taken == sent[len(kept) :]
        assert [owner.answer(task) for task in kept] == [str(n) for n in range(len(kept))]
    last = owner.send(worker, tasks.echo, "last")
    assert owner.answer(last) == "last"
    count = sum(isinstance(event, FrameArrived) for event in owner.told(worker))
    assert (len(ran.read_text().split()) if ran.exists() else 0) == count - 1


def test_tokens_go_round(owner: Owner) -> None:
    """There are 255 tokens and any number of tasks, as long as few are claimed at a time."""
    worker = owner.ready()
    for round_ in range(12):
        sent = [owner.send(worker, tasks.echo, round_, claim=True) for _ in range(100)]
        assert [owner.answer(task) for task in sent] == [round_] * 100


def test_a_task_may_take_its_tokens_back_late(owner: Owner) -> None:
    """Taking back after everything ran gives nothing."""
    worker = owner.ready()
    sent = [owner.send(worker, tasks.echo, number, claim=True) for number in range(5)]
    assert [owner.answer(task) for task in sent] == [0, 1, 2, 3, 4]
    assert worker.take_back() == []


@pytest.mark.parametrize("count", [254, 400])
def test_more_claimed_tasks_than_tokens(owner: Owner, post: Post, gate: Post, count: int) -> None:
    """Every claimed task is answered, however many are sent ahead."""
    worker = owner.ready()
    owner.send(worker, tasks.tell_and_wait, post.path, gate.path)
    post.wait()
    sent = [owner.send(worker, tasks.echo, number, claim=True) for number in range(count)]
    end = owner.send(worker, tasks.echo, "end")
    gate.open()
    assert owner.answer(end) == "end"
    answered = [e.frame.task for e in owner.told(worker) if isinstance(e, FrameArrived)]
    assert answered[1:-1] == sent


def test_descriptors_of_a_worker(owner: Owner) -> None:
    """A worker costs its parent six descriptors at most, all given back at its death."""
    before = descriptors()
    worker = owner.ready()
    assert descriptors() - before <= 6
    worker.kill("the test is over")
    owner.death(worker)
    owner.turn()
    assert descriptors() == before


def descriptors() -> int:
    """Return how many descriptors this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir()) - 1
