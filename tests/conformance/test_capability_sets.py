"""Whatever a system lacks: workers answer, die and are replaced as everywhere else."""

from __future__ import annotations

import os
import pickle
import select
import selectors
import sys
from typing import TYPE_CHECKING

import pytest

from loky_executor import ProcessPoolExecutor, TaskTimeoutError, TerminatedWorkerError
from loky_spawn import has_capability
from support import backend_tasks as tasks
from support.executor_gate import Gate, pass_gate
from support.executor_waiting import all_gone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loky_executor import Shared

SECONDS = 20
LARGE = 3_000_000  # bytes; far above what is sent beside the stream where there is a way
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="signals, /proc, named pipes")


@pytest.fixture
def gate() -> Iterator[Gate]:
    """Give a gate for tasks to wait at."""
    made = Gate()
    yield made
    made.open()


def test_what_is_switched_off_is_not_there(without: str) -> None:
    """Each name counts for itself, and the others stay."""
    assert [name for name in without.split(",") if name and has_capability(name)] == []


@posix_only
def test_the_reactor_selects_with_what_there_is(without: str) -> None:
    """With epoll or kqueue, else with poll, else with select."""
    from loky_backend import Reactor

    reactor = Reactor(lambda events: None, lambda error: None)
    kind = type(reactor._selector)
    reactor.start()
    reactor.stop()
    assert reactor.join(SECONDS)
    names = without.split(",")
    best = selectors.DefaultSelector
    assert kind is (selectors.SelectSelector if "poll" in names else best)


@posix_only
def test_without_epoll_it_is_poll(without: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only the best way is missing, the second is taken."""
    from loky_backend import Reactor
    from loky_spawn import _capabilities

    if "poll" in without.split(","):
        pytest.skip("poll is off, too")
    monkeypatch.setitem(_capabilities._known, "epoll", False)
    monkeypatch.setitem(_capabilities._known, "kqueue", False)
    reactor = Reactor(lambda events: None, lambda error: None)
    assert type(reactor._selector) is selectors.PollSelector
    reactor.start()
    reactor.stop()
    assert reactor.join(SECONDS)


@posix_only
def test_a_child_is_started_watched_and_killed() -> None:
    """Its death makes the sentinel ready, however it is watched."""
    from support.spawn_tools import running

    with running("sleep") as (child, channel):
        assert channel.recv(1) == b"!"
        assert child.wait(0) is False
        child.kill()
        assert select.select([child.sentinel], [], [], SECONDS)[0]
        assert child.wait(SECONDS)
        assert child.exitcode == -9


@posix_only
def test_a_worker_says_how_it_died() -> None:
    """After a crash in C the obituary has the signal and the Python stacks."""
    from support.backend_owner import Owner

    with Owner() as owner:
        worker = owner.ready()
        assert owner.run(worker, tasks.pid) == worker.child.pid
        owner.send(worker, tasks.segfault)
        obituary = owner.death(worker)
    assert obituary.exitcode == -11
    assert "segfault" in obituary.stacks


@posix_only
def test_tasks_are_taken_back(tmp_path: object) -> None:
    """What a busy worker has not begun comes back, and the worker does not run it."""
    from support.backend_owner import Owner
    from support.backend_post import Post

    post, free = Post(tmp_path), Post(tmp_path, "gate")  # type: ignore[arg-type]
    with Owner() as owner:
        worker = owner.ready()
        busy = owner.send(worker, tasks.tell_and_wait, post.path, free.path, claim=True)
        later = [owner.send(worker, tasks.pid, claim=True) for _ in range(3)]
        post.wait()
        assert worker.take_back() == later
        free.open()
        owner.answer(busy)
        assert owner.run(worker, tasks.pid) == worker.child.pid
    post.close()
    free.close()


def test_large_buffers_travel_both_ways(without: str) -> None:
    """They arrive whole and writable; beside the stream where descriptors can be passed."""
    data = bytearray(os.urandom(1000) * (LARGE // 1000))
    with ProcessPoolExecutor(1) as executor:
        for _ in range(3):  # the first goes by the stream in any case
            future = executor.submit(tasks.echo, pickle.PickleBuffer(data))
            back = memoryview(future.result(SECONDS))  # type: ignore[arg-type]
            assert back == data
            back[:1] = b"x"
        segments = executor.submit(count_segments).result(SECONDS)
        del back, future
    lacking = {"memfd", "scm_rights"} & set(without.split(","))
    expected = sys.platform == "linux" and not lacking
    assert (segments > 0) == expected


def count_segments() -> int:
    """Return how many descriptors of segments this process has."""
    if sys.platform != "linux":
        return 0
    folder = "/proc/self/fd"
    names = []
    for name in os.listdir(folder):  # noqa: PTH208
        try:
            names.append(os.readlink(f"{folder}/{name}"))  # noqa: PTH115
        except FileNotFoundError:  # that of the listing itself
            continue
    return sum("loky-segment" in name for name in names)


@pytest.mark.faults
def test_a_crash_costs_one_task(gate: Gate) -> None:
    """The task that killed its worker gets an error; its neighbour and the next one do not."""
    with ProcessPoolExecutor(2, on_crash="isolate") as executor:
        neighbour = executor.submit(pass_gate, gate.port, "fine")
        gate.arrivals()
        crash = executor.submit(os._exit, 3)
        assert isinstance(crash.exception(SECONDS), TerminatedWorkerError)
        gate.open()
        assert neighbour.result(SECONDS) == "fine"
        assert executor.submit(abs, -1).result(SECONDS) == 1


@pytest.mark.faults
def test_a_task_over_its_time_is_ended(gate: Gate) -> None:
    """Its worker is killed, and another one goes on."""
    with ProcessPoolExecutor(1, on_crash="isolate") as executor:
        executor.submit(abs, -1).result(SECONDS)
        hanging = executor.options(timeout=0.1).submit(pass_gate, gate.port)
        assert isinstance(hanging.exception(SECONDS), TaskTimeoutError)
        assert executor.submit(abs, -1).result(SECONDS) == 1


def test_killed_workers_are_gone(gate: Gate) -> None:
    """`shutdown(kill_workers=True)` ends them in the middle of a task."""
    executor = ProcessPoolExecutor(2)
    futures = [executor.submit(pass_gate, gate.port) for _ in range(2)]
    pids = gate.arrivals(2)
    executor.shutdown(kill_workers=True)
    assert all(future.done() for future in futures)
    assert all_gone(pids)


def _length(handle: Shared[bytes]) -> int:
    return len(handle.get())


def test_shared_objects_arrive() -> None:
    """By name where there is a memfd, else as a copy."""
    with ProcessPoolExecutor(1) as executor:
        for size in (10, LARGE):
            with executor.share(bytes(size)) as handle:
                assert executor.submit(_length, handle).result(SECONDS) == size
