"""Resizing at random while tasks run: nothing is lost, nothing waits, nobody warns."""

from __future__ import annotations

import random
import threading
import time
import warnings
from concurrent.futures import wait
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loky_reusable import get_reusable_executor
from support import executor_tasks as tasks
from support.executor_gate import pass_gate
from support.executor_waiting import eventually, occupancy

if TYPE_CHECKING:
    from support.executor_gate import Gate

SECONDS = 60
LARGEST = 4

steps = st.lists(
    st.one_of(
        st.tuples(st.just("resize"), st.integers(1, LARGEST)),
        st.tuples(st.just("submit"), st.integers(1, 40)),
        st.tuples(st.just("timeout"), st.sampled_from([0.0, 0.001, 0.02, 10.0])),
        st.tuples(st.just("collect"), st.just(0)),
    ),
    max_size=25,
)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(steps)
def test_every_task_is_answered_once(steps: list[tuple[str, float]]) -> None:
    """Whatever the order of resizes, submissions and idle timeouts, in one executor."""
    size, timeout = 2, 10.0
    first = get_reusable_executor(size, timeout=timeout)
    futures = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for action, value in steps:
            if action == "resize":
                size = int(value)
            elif action == "timeout":
                timeout = value
            executor = get_reusable_executor(size, timeout=timeout)
            assert executor is first
            assert executor.max_workers == size
            if action == "submit":
                number = len(futures)
                futures += [
                    (n, executor.submit(tasks.with_pid, n))
                    for n in range(number, number + int(value))
                ]
            elif action == "collect":
                wait([future for _, future in futures], SECONDS)
        answers = [(n, future.result(SECONDS)[0]) for n, future in futures]
    assert all(asked == answered for asked, answered in answers)
    assert eventually(lambda: sum(occupancy(first)) <= size)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_threads_that_resize_and_submit(seed: int) -> None:
    """Four threads ask for different sizes; each gets the answers to its own tasks."""
    lost: list[object] = []

    def work(number: int) -> None:
        dice = random.Random(1000 * seed + number)
        for _ in range(15):
            executor = get_reusable_executor(dice.randint(1, LARGEST), timeout=dice.choice([0, 5]))
            asked = [dice.randint(0, 10**6) for _ in range(dice.randint(1, 20))]
            answered = list(executor.map(tasks.with_pid, asked))
            if [value for value, _ in answered] != asked:
                lost.append((number, asked, answered))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert not any(thread.is_alive() for thread in threads)
    assert lost == []


def test_resizing_waits_for_nobody(gate: Gate) -> None:
    """With all workers busy, growing and shrinking return in far less time than a task takes."""
    executor = get_reusable_executor(2)
    futures = [executor.submit(pass_gate, gate.port, number) for number in range(2)]
    gate.arrivals(2)
    begun = time.monotonic()
    for size in (1, 3, 1, 2):
        assert get_reusable_executor(size) is executor
    elapsed = time.monotonic() - begun
    assert not any(future.done() for future in futures)
    gate.open()
    assert [future.result(SECONDS) for future in futures] == [0, 1]
    assert elapsed < 5  # they would have waited for the gate, which opens afterwards


def test_growing_starts_nothing_without_work() -> None:
    """A larger size is a permission: processes start when there are tasks for them."""
    executor = get_reusable_executor(1)
    assert executor.submit(abs, -1).result(SECONDS) == 1
    get_reusable_executor(LARGEST)
    assert executor.submit(abs, -1).result(SECONDS) == 1
    assert len(executor.workers()) == 1


def test_resize_as_joblib_calls_it() -> None:
    """`_resize(n)` keeps the idle timeout; None is refused."""
    executor = get_reusable_executor(1, timeout=1000)
    pid = executor.submit(tasks.with_pid, 0).result(SECONDS)[1]
    executor._resize(2)
    assert executor.max_workers == 2
    with pytest.raises(ValueError, match="max_workers=None"):
        executor._resize(None)
    executor._resize(1)
    assert executor.submit(tasks.with_pid, 0).result(SECONDS)[1] == pid
