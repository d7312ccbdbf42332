"""A worker that sits in a C call with the GIL held: it can be ended, seen into, and relieved."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from loky_backend import WorkerReady
from support import backend_tasks as tasks
from support.backend_owner import PATIENCE, Owner

if TYPE_CHECKING:
    from pathlib import Path

    from support.backend_post import Post

pytestmark = pytest.mark.faults

PARENT = """
import sys
sys.path[:] = {path!r}
from support.backend_owner import Owner
from support import backend_tasks as tasks
with Owner() as owner:
    worker = owner.ready()
    owner.send(worker, tasks.{task}, {post!r})
    print(worker.child.pid, flush=True)
    tasks.wait_for_ever()
"""


@pytest.mark.slow
@pytest.mark.parametrize("task", ["hold_the_gil", "tell_and_wait"])
def test_it_dies_with_its_parent(tmp_path: Path, post: Post, task: str) -> None:
    """SIGKILL of the parent ends the worker at once, whatever the worker is doing."""
    script = PARENT.format(path=sys.path, task=task, post=post.path)
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        worker = os.pidfd_open(pid)
        try:
            post.wait()
            assert select.select([worker], [], [], 0)[0] == []
            start = time.monotonic()
            parent.kill()
            ended, _, _ = select.select([worker], [], [], PATIENCE)
            took = time.monotonic() - start
        finally:
            os.close(worker)
            parent.kill()
    print(f"the worker ended {took * 1000:.1f} ms after its parent's SIGKILL")  # noqa: T201
    assert ended
    assert took < 1


@pytest.mark.slow
def test_its_stacks_are_read_from_outside(owner: Owner, post: Post) -> None:
    """A signal makes it write its Python stacks, which the parent reads while it hangs."""
    worker = owner.ready()
    task = owner.send(worker, tasks.hold_the_gil, post.path, 0.2)
    post.wait()
    assert worker.stacks() == ""
    worker.dump_stacks()
    deadline = time.monotonic() + PATIENCE
    while "_worker_main.py" not in worker.stacks():
        assert not worker.child.wait(0.001)
        assert time.monotonic() < deadline
    assert "in hold_the_gil" in worker.stacks()
    assert "backend_tasks.py" in worker.child.report().decode()
    assert owner.answer(task) == "held"  # a dump harms nothing
    assert owner.run(worker, tasks.echo, 1) == 1


def test_its_stacks_can_be_asked_for_often(owner: Owner, post: Post, gate: Post) -> None:
    """Each dump adds to the report; what `stacks` returns stays small."""
    worker = owner.ready()
    task = owner.send(worker, tasks.tell_and_wait, post.path, gate.path)
    post.wait()
    for _ in range(300):
        worker.dump_stacks()
    gate.open()
    assert owner.answer(task) == "waited"
    assert 0 < len(worker.stacks()) < 20_000


def test_it_can_be_killed(owner: Owner, post: Post) -> None:
    """`kill` does not need its cooperation."""
    worker = owner.ready()
    owner.send(worker, tasks.hold_the_gil, post.path)
    post.wait()
    worker.kill("it was over its time")
    obituary = owner.death(worker)
    assert (obituary.signal, obituary.reason) == ("SIGKILL", "it was over its time")


def test_it_stalls_no_other(owner: Owner, post: Post) -> None:
    """Another worker is served meanwhile."""
    stuck, other = owner.ready(), owner.ready()
    owner.send(stuck, tasks.hold_the_gil, post.path)
    post.wait()
    assert [owner.run(other, tasks.echo, number) for number in range(20)] == list(range(20))
    assert owner.told(stuck) == [WorkerReady(stuck)]


def test_a_dump_before_it_is_ready_is_no_death(owner: Owner) -> None:
    """Asking a starting worker for its stacks does not end it."""
    for _ in range(5):
        worker = owner.start()
        for _ in range(20):
            worker.dump_stacks()
        task = owner.send(worker, tasks.echo, 1)
        owner.send(worker, tasks.leave, 7)
        assert owner.death(worker).exitcode == 7
        assert owner.answer(task) == 1


def test_sigterm_ends_it_too(owner: Owner, post: Post) -> None:
    """A worker has no handler for SIGTERM, so that works without the GIL."""
    worker = owner.ready()
    owner.send(worker, tasks.hold_the_gil, post.path)
    post.wait()
    worker.child.send_signal(signal.SIGTERM)
    assert owner.death(worker).signal == "SIGTERM"
