"""A worker that is killed at any moment is reported: once, at the right stage, without a hang."""

from __future__ import annotations

import os
import random
import select
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from loky_backend import FrameArrived, WorkerDied, WorkerReady
from support import backend_tasks as tasks
from support.backend_frames import HEAD
from support.backend_owner import PATIENCE, end_of, freeze, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from loky_backend import Obituary, Worker
    from loky_spawn import ChildProcess
    from support.backend_owner import Owner
    from support.backend_post import Post

pytestmark = pytest.mark.faults

MB = 1_000_000


def facts(obituary: Obituary) -> tuple[str, str, str]:
    """Return what every obituary here is compared by."""
    return obituary.stage, end_of(obituary), obituary.reason


def kill(worker: Worker) -> None:
    """Kill a worker as somebody outside does: its owner knows nothing of it."""
    os.kill(worker.child.pid, 9)


def test_while_starting(owner: Owner, post: Post) -> None:
    """SIGKILL while the initializer runs."""
    worker = owner.start((tasks.tell_and_wait, post.path))
    post.wait()
    kill(worker)
    assert facts(owner.death(worker)) == ("starting", "SIGKILL", "")


def test_before_it_began_to_start(owner: Owner) -> None:
    """SIGKILL at once, before the interpreter is up."""
    worker = owner.start()
    kill(worker)
    assert facts(owner.death(worker)) == ("starting", "SIGKILL", "")


def test_while_idle(owner: Owner) -> None:
    """SIGKILL while it waits for tasks."""
    worker = owner.ready()
    kill(worker)
    assert facts(owner.death(worker)) == ("running", "SIGKILL", "")


def test_between_frames(owner: Owner) -> None:
    """SIGKILL after some answers and before others: the answers are there."""
    worker = owner.ready()
    for number in range(3):
        assert owner.run(worker, tasks.echo, number) == number
    kill(worker)
    assert facts(owner.death(worker)) == ("running", "SIGKILL", "")


def test_while_it_runs_a_task(owner: Owner, post: Post) -> None:
    """SIGKILL during a task, with more tasks behind it."""
    worker = owner.ready()
    owner.send(worker, tasks.tell_and_wait, post.path)
    owner.send(worker, tasks.echo, 1)
    post.wait()
    kill(worker)
    assert facts(owner.death(worker)) == ("running", "SIGKILL", "")
    assert not [event for event in owner.told(worker) if isinstance(event, FrameArrived)]


def test_while_draining(owner: Owner, post: Post) -> None:
    """SIGKILL of a worker that was told to stop and still has a task."""
    worker = owner.ready()
    owner.send(worker, tasks.tell_and_wait, post.path)
    owner.stop(worker)
    post.wait()
    kill(worker)
    assert facts(owner.death(worker)) == ("stopping", "SIGKILL", "")


@pytest.mark.slow
def test_while_it_writes_a_large_result(owner: Owner) -> None:
    """SIGKILL in the middle of a 200 MB result: no frame, one death, no hang."""
    worker = owner.start(watch=False)  # nobody reads, so it cannot get to the end
    owner.send(worker, tasks.many_bytes, 200 * MB)
    assert select.select([worker.socket], [], [], PATIENCE)[0]
    until(lambda: len(worker.socket.recv(100, 2)) > HEAD)  # MSG_PEEK: the result began
    kill(worker)
    owner.reactor.add(worker)
    assert facts(owner.death(worker)) == ("running", "SIGKILL", "")
    assert [type(event) for event in owner.told(worker)] == [WorkerReady, WorkerDied]


@pytest.mark.slow
@pytest.mark.parametrize("produce", [tasks.many_bytes, tasks.large_buffer])
def test_at_any_moment_of_a_large_result(owner: Owner, produce: object) -> None:
    """SIGKILL at a random moment around a 40 MB result: it arrived whole or not at all."""
    moments = random.Random(4)
    for _ in range(12):
        worker = owner.ready()
        task = owner.send(worker, produce, 40 * MB)
        killer = threading.Timer(moments.uniform(0, 0.06), kill, (worker,))
        killer.start()
        obituary = owner.death(worker)
        killer.join()
        assert facts(obituary) == ("running", "SIGKILL", "")
        answers = [e.frame for e in owner.told(worker) if isinstance(e, FrameArrived)]
        assert [frame.task for frame in answers] in ([], [task])
        assert [memoryview(owner.answer(task)).nbytes for _ in answers] in ([], [40 * MB])
        owner.forget()


@pytest.mark.slow
def test_while_it_reads_a_large_task(owner: Owner) -> None:
    """SIGKILL with 200 MB half sent: one death, and what was unsent is dropped."""
    worker = owner.ready()
    freeze(worker)
    owner.send(worker, tasks.size_of, bytes(200 * MB))
    assert worker.wants_write
    kill(worker)
    assert facts(owner.death(worker)) == ("running", "SIGKILL", "")
    owner.send(worker, tasks.echo, 1)  # to a dead worker: nothing happens
    assert not worker.wants_write


@pytest.mark.slow
def test_at_any_moment_of_a_large_task(owner: Owner) -> None:
    """SIGKILL at random moments while it reads 40 MB."""
    moments = random.Random(5)
    data = bytes(40 * MB)
    for _ in range(12):
        worker = owner.ready()
        owner.send(worker, tasks.size_of, data)
        time.sleep(moments.uniform(0, 0.04))  # the moment is random by intent
        kill(worker)
        assert facts(owner.death(worker)) == ("running", "SIGKILL", "")


@pytest.mark.slow
def test_at_any_moment_of_a_start(owner: Owner) -> None:
    """SIGKILL at random moments of the start: one death each, before or after READY."""
    moments = random.Random(6)
    for _ in range(25):
        worker = owner.start()
        time.sleep(moments.uniform(0, 0.05))  # the moment is random by intent
        kill(worker)
        stage, by, reason = facts(owner.death(worker))
        assert stage in ("starting", "running")
        assert (by, reason) == ("SIGKILL", "")


def test_a_frozen_worker_can_be_killed(owner: Owner) -> None:
    """SIGKILL ends a worker that SIGSTOP has stopped, and its owner's reason is told."""
    worker = owner.ready()
    freeze(worker)
    worker.kill("it was needed no more")
    worker.kill("a second reason changes nothing")
    assert facts(owner.death(worker)) == ("running", "SIGKILL", "it was needed no more")


def test_results_before_a_crash_are_delivered_before_the_death(owner: Owner) -> None:
    """Everything a worker sent before it died comes before its death, in order."""
    worker = owner.ready()
    sent = [owner.send(worker, tasks.echo, bytes(1000)) for _ in range(300)]
    sent.append(owner.send(worker, tasks.many_bytes, 3 * MB))
    owner.send(worker, tasks.leave, 3)
    assert owner.death(worker).exitcode == 3
    told = owner.told(worker)
    assert [event.frame.task for event in told if isinstance(event, FrameArrived)] == sent
    assert isinstance(told[-1], WorkerDied)


def test_a_grandchild_that_holds_the_descriptors_delays_nothing(owner: Owner, post: Post) -> None:
    """Death is told although a fork of the worker holds its end of the channel."""
    worker = owner.ready()
    owner.send(worker, tasks.leave_a_grandchild, post.path)
    grandchild = int(post.wait())
    try:
        obituary = owner.death(worker)
        assert (obituary.exitcode, obituary.stage) == (9, "running")
        os.kill(grandchild, 0)  # it is still there
    finally:
        os.kill(grandchild, signal.SIGKILL)


@pytest.mark.slow
def test_a_worker_that_closes_its_channel_is_killed(owner: Owner) -> None:
    """One that closed its channel and lives on is given a second, then it is killed."""
    worker, other = owner.ready(), owner.ready()
    owner.send(worker, tasks.close_the_channel)
    assert owner.run(other, tasks.echo, 1) == 1
    obituary = owner.death(worker)
    assert (obituary.stage, end_of(obituary)) == ("running", "SIGKILL")
    assert "closed its channel" in obituary.reason


def test_an_owner_that_stops_kills_its_workers(owner: Owner, post: Post) -> None:
    """`stop` ends the reactor and with it every worker, also one that is busy."""
    idle, busy = owner.ready(), owner.ready()
    owner.send(busy, tasks.tell_and_wait, post.path)
    post.wait()
    owner.reactor.stop()
    assert owner.reactor.join(PATIENCE)
    assert idle.child.poll()
    assert busy.child.poll()
    late = owner.start()  # `add` after the end closes it
    assert late.child.poll()


@pytest.mark.parametrize("clean", [True, False])
def test_programs_a_task_started(owner: Owner, post: Post, clean: bool) -> None:
    """They live on if their worker stopped as it was told, and end with one that was killed."""
    worker = owner.ready()
    pid = owner.run(worker, tasks.leave_a_program, post.path, ["sleep", "1000"])
    program = os.pidfd_open(pid)
    try:
        if clean:
            owner.stop(worker)
        else:
            worker.kill("the test says so")
        owner.death(worker)
        owner.turn()
        gone, _, _ = select.select([program], [], [], 0.05 if clean else PATIENCE)
        assert bool(gone) is not clean
    finally:
        signal.pidfd_send_signal(program, signal.SIGKILL)
        os.close(program)


def test_deaths_that_threads_tell(
    owner: Owner, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows, where `select` takes no process: all answers, then the death, and soon."""
    from loky_backend import _reactor

    def watch(
        _selector: object, child: ChildProcess, _key: object, tell: Callable[[], None]
    ) -> None:
        threading.Thread(target=lambda: child.wait() and tell()).start()

    monkeypatch.setattr(_reactor, "watch_death", watch)
    monkeypatch.setattr(_reactor, "unwatch_death", lambda _selector, _child: None)
    test_results_before_a_crash_are_delivered_before_the_death(owner)
    if sys.platform != "win32":
        test_a_grandchild_that_holds_the_descriptors_delays_nothing(owner, post)
