"""Idle workers leave after the timeout, and come back when they are needed."""

from __future__ import annotations

import os

from loky_reusable import get_reusable_executor
from support.executor_waiting import all_gone, eventually, occupancy

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
