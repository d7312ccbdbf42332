"""Idle workers leave after the timeout, and come back when they are needed."""

from __future__ import annotations

import os
import threading
import time

import pytest

from loky_reusable import get_reusable_executor
from support.executor_waiting import alive, all_gone, eventually, occupancy

SECONDS = 30


def test_idle_workers_leave() -> None:
    """Workers without work are gone soon after the timeout."""
    pid = get_reusable_executor(1, timeout=0.05).submit(os.getpid).result(SECONDS)
    assert all_gone([pid])


def test_the_next_task_starts_what_it_needs() -> None:
    """An executor whose workers left works like a fresh one, and is the same one."""
    executor = get_reusable_executor(1, timeout=0.01)
    pid = executor.submit(os.getpid).result(SECONDS)
    assert all_gone([pid])
    assert get_reusable_executor(1, timeout=100) is executor
    assert executor.submit(os.getpid).result(SECONDS) != pid


def test_a_timeout_of_zero() -> None:
    """Workers leave as soon as they have nothing to do; no task is lost between."""
    executor = get_reusable_executor(2, timeout=0)
    for number in range(10):
        assert executor.submit(abs, -number).result(SECONDS) == number
    assert eventually(lambda: occupancy(executor) == (0, 0))


def test_a_shorter_timeout_acts_on_workers_that_idle_already() -> None:
    """Asking with a shorter timeout lets those go which have idled that long."""
    pid = get_reusable_executor(1, timeout=1000).submit(os.getpid).result(SECONDS)
    get_reusable_executor(1, timeout=0.01)
    assert all_gone([pid])


def test_without_a_timeout_workers_stay() -> None:
    """None keeps workers for as long as the executor is there."""
    executor = get_reusable_executor(1, timeout=0.01)
    get_reusable_executor(1, timeout=None)
    pid = executor.submit(os.getpid).result(SECONDS)
    for _ in range(3):
        assert executor.submit(os.getpid).result(SECONDS) == pid


def test_the_timeout_is_shorter_than_a_start() -> None:
    """A worker does not count as idle while it starts: no task waits for ever for one."""
    executor = get_reusable_executor(2, timeout=1e-6)
    for number in range(5):
        assert executor.submit(abs, -number).result(SECONDS) == number
        assert eventually(lambda: occupancy(executor) == (0, 0))


class PickledSlowly:
    """Its pickling takes until the test lets it."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.allowed = threading.Event()

    def __reduce__(self) -> tuple[object, ...]:
        self.begun.set()
        assert self.allowed.wait(SECONDS)
        return abs, (-7,)


def test_pickling_takes_longer_than_the_timeout() -> None:
    """The worker there was leaves meanwhile; the task gets another one."""
    executor = get_reusable_executor(1, timeout=0.01)
    pid = executor.submit(os.getpid).result(SECONDS)
    slow = PickledSlowly()
    answers: list[object] = []

    def submit() -> None:
        answers.append(executor.submit(abs, slow).result(SECONDS))

    thread = threading.Thread(target=submit)
    thread.start()
    assert slow.begun.wait(SECONDS)
    assert all_gone([pid])
    slow.allowed.set()
    thread.join(SECONDS)
    assert answers == [7]


@pytest.mark.parametrize("jump", [-1e6, 1e6])
def test_the_wall_clock_jumps(jump: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Setting the time of day, by days, neither ends workers nor keeps them."""
    executor = get_reusable_executor(1, timeout=1000)
    pid = executor.submit(os.getpid).result(SECONDS)
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + jump)
    assert executor.submit(os.getpid).result(SECONDS) == pid
    get_reusable_executor(1, timeout=0.01)
    assert all_gone([pid])


def test_the_monotonic_clock_jumps(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a jump ahead (a machine that slept) idle workers leave, and tasks find others."""
    executor = get_reusable_executor(1, timeout=500)
    pid = executor.submit(os.getpid).result(SECONDS)
    now = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: now() + 1000)
    answers = [executor.submit(abs, -number).result(SECONDS) for number in range(20)]
    assert answers == list(range(20))
    get_reusable_executor(1, timeout=0)
    assert eventually(lambda: occupancy(executor) == (0, 0))
    assert not alive(pid)
    executor.shutdown()
