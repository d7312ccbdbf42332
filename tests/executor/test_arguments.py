"""What is refused, where, and with which words."""

from __future__ import annotations

from typing import Any

import pytest

from loky_executor import ProcessPoolExecutor, ShutdownExecutorError, cpu_count

SECONDS = 30


@pytest.mark.parametrize("max_workers", [0, -1, -(10**9)])
def test_max_workers_below_one(max_workers: int) -> None:
    """A pool of less than one worker is a ValueError that names the value."""
    with pytest.raises(ValueError, match=f"max_workers must be at least 1, got {max_workers}"):
        ProcessPoolExecutor(max_workers)


@pytest.mark.parametrize("max_workers", [2.0, "2", True, (1,)])
def test_max_workers_that_is_no_integer(max_workers: Any) -> None:
    """What is no whole number is a TypeError."""
    with pytest.raises(TypeError, match="max_workers must be an integer"):
        ProcessPoolExecutor(max_workers)


def test_max_workers_by_default() -> None:
    """Without a number there may be as many workers as processors."""
    with ProcessPoolExecutor() as executor:
        assert f"at most {cpu_count()} workers" in repr(executor)


def test_a_huge_max_workers_starts_only_what_is_needed() -> None:
    """The limit costs nothing: workers start as tasks need them."""
    with ProcessPoolExecutor(10**6) as executor:
        assert list(executor.map(abs, [-1, -2])) == [1, 2]


@pytest.mark.parametrize("timeout", [-1, -0.001, float("nan")])
def test_a_timeout_that_cannot_be(timeout: float) -> None:
    """A negative timeout or NaN is a ValueError."""
    with pytest.raises(ValueError, match="timeout must be None or at least 0 seconds"):
        ProcessPoolExecutor(1, timeout=timeout)


@pytest.mark.parametrize("timeout", [1e7, 1e18, float("inf")])
def test_a_timeout_of_any_length(timeout: float) -> None:
    """Waiting for months or for ever is what was asked for, and breaks nothing."""
    with ProcessPoolExecutor(1, timeout=timeout) as executor:
        assert executor.submit(abs, -1).result(SECONDS) == 1
        assert executor.submit(abs, -2).result(SECONDS) == 2


def test_an_initializer_that_cannot_be_called() -> None:
    """It is refused at once."""
    with pytest.raises(TypeError, match="initializer must be callable, got 3"):
        ProcessPoolExecutor(1, initializer=3)  # type: ignore[arg-type]


def test_a_task_that_cannot_be_called(single: ProcessPoolExecutor) -> None:
    """Submitting what is not callable is a TypeError at the call."""
    with pytest.raises(TypeError, match="callable, got 3"):
        single.submit(3)  # type: ignore[arg-type]


def test_submit_after_shutdown() -> None:
    """It raises a RuntimeError, as in the standard library."""
    executor = ProcessPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(ShutdownExecutorError, match="cannot schedule new tasks after shutdown"):
        executor.submit(abs, 1)
    with pytest.raises(RuntimeError):
        executor.map(abs, [1])


def test_a_resize_with_a_wrong_argument_changes_nothing(single: ProcessPoolExecutor) -> None:
    """Arguments are checked before anything is changed: no half a resize."""
    pid = single.submit(str, 1).result(SECONDS)
    with pytest.raises(ValueError, match="max_workers"):
        single.resize(0, 0)
    assert single.submit(str, 1).result(SECONDS) == pid
    assert single._pool._machine.idle_timeout is None


def test_the_repr_says_what_it_is_doing() -> None:
    """One line: status, workers, waiting tasks."""
    executor = ProcessPoolExecutor(3)
    assert repr(executor) == (
        "<ProcessPoolExecutor open: 0 busy, 0 idle of at most 3 workers, 0 waiting>"
    )
    executor.shutdown()
    assert repr(executor) == (
        "<ProcessPoolExecutor closing: 0 busy, 0 idle of at most 3 workers, 0 waiting>"
    )
