"""A worker that breaks the protocol is declared broken; the reactor and the others live on."""

from __future__ import annotations

import marshal
import os
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest

from loky_backend import FrameArrived, FrameKind
from support import backend_tasks as tasks
from support.backend_frames import Message, header
from support.backend_owner import Owner, end_of, until

if TYPE_CHECKING:
    from support.backend_post import Post

pytestmark = pytest.mark.faults


@pytest.mark.parametrize(
    "garbage",
    [
        b"OMP: Warning #96: Cannot form a team with 8 threads, using 2 instead\n",
        b"\0" * 1000,
        header()[:2] + b"\xff" * 40,
        header(size=2**64 - 1),
    ],
    ids=["text", "zeros", "unknown kind", "absurd size"],
)
def test_garbage_in_the_channel(owner: Owner, garbage: bytes) -> None:
    """The worker is killed with that reason, the other workers keep working."""
    worker, other = owner.ready(), owner.ready()
    task = owner.send(other, tasks.echo, "before")
    owner.send(worker, tasks.write_and_stay, garbage)
    obituary = owner.death(worker)
    assert (obituary.stage, end_of(obituary)) == ("running", "SIGKILL")
    assert "not a frame" in obituary.reason or "bytes" in obituary.reason
    assert owner.answer(task) == "before"
    assert owner.run(other, tasks.echo, "after") == "after"
    assert owner.run(owner.ready(), tasks.echo, "new") == "new"


def test_garbage_is_quoted_in_the_reason(owner: Owner) -> None:
    """The reason shows the bytes, which tell who wrote them."""
    worker = owner.ready()
    owner.send(worker, tasks.write_and_stay, b"WARNING: libbroken writes to descriptor 5\n")
    assert "WARNING: libbroken" in owner.death(worker).reason


def test_a_frame_that_never_ends(owner: Owner) -> None:
    """A worker that dies in the middle of a frame is dead, not waited for."""
    worker = owner.ready()
    owner.send(worker, tasks.write_to_channel, Message(FrameKind.RESULT, 1).encoded()[:10])
    owner.send(worker, tasks.leave, 4)
    obituary = owner.death(worker)
    assert obituary.exitcode == 4 or "not a frame" in obituary.reason


def test_answers_before_garbage_are_delivered(owner: Owner) -> None:
    """What a worker answered before it wrote garbage counts, as before a crash."""
    worker = owner.ready()
    task = owner.send(worker, tasks.echo, "good")
    assert owner.answer(task) == "good"
    owner.send(worker, tasks.write_and_stay, b"garbage, garbage, garbage, garbage, garbage")
    assert "not a frame" in owner.death(worker).reason


def test_answers_in_one_read_with_garbage_are_delivered(owner: Owner) -> None:
    """The same if the answer and the garbage arrive together."""
    worker = owner.ready()
    answer = Message(FrameKind.RESULT, 77, b"answer").encoded()
    owner.send(
        worker, tasks.write_and_stay, answer + b"garbage, garbage, garbage, garbage, garbage"
    )
    owner.death(worker)
    frames = [event.frame for event in owner.told(worker) if isinstance(event, FrameArrived)]
    assert [frame.task for frame in frames] == [77]


@pytest.mark.parametrize(
    "body",
    [b"", b"not marshal", marshal.dumps(5), marshal.dumps(("a", "b")), marshal.dumps((1, 2, 3, 4))],
    ids=["empty", "text", "number", "short", "no text"],
)
def test_a_broken_failure_of_the_start(body: bytes) -> None:
    """A FAILURE of the start whose body is no failure costs that worker, not the reactor."""
    with Owner() as owner:
        worker, other = owner.ready(), owner.ready()
        data = Message(FrameKind.FAILURE, 0, body).encoded()
        owner.send(worker, tasks.write_to_channel, data)
        owner.send(worker, tasks.leave, 1)
        assert "died while running" in str(owner.death(worker))
        assert owner.run(other, tasks.echo, 1) == 1


@pytest.mark.slow
def test_grandchildren_that_write_for_ever(post: Post) -> None:
    """Death is told although forks of the worker go on writing frames into its channel."""
    with Owner() as owner:
        worker, other = owner.ready(), owner.ready()
        data = Message(FrameKind.RESULT, 1).encoded() * 50
        owner.send(worker, tasks.leave_chatty_grandchildren, post.path, data, 4)
        heard = b""
        while len(heard) < 4:
            heard += post.wait()
        group = worker.child.pid
        stopper = threading.Timer(2, os.killpg, (group, signal.SIGKILL))  # else: for ever
        worker.kill("the test says so")
        until(worker.child.poll)
        task = owner.send(other, tasks.echo, 1)
        stopper.start()
        start = time.monotonic()
        owner.answer(task)
        took = time.monotonic() - start
        stopper.cancel()
        stopper.join()
    assert took < 1
