"""A clock that stands still until a task moves it: what a coarse clock shows for quick tasks."""

from __future__ import annotations

_now = 0.0


def read() -> float:
    """Return what it shows."""
    return _now


def time_tasks_by_it() -> None:
    """Initializer: have a worker measure its tasks by this clock."""
    import loky_backend._worker_main as worker

    worker.perf_counter = read  # type: ignore[assignment]


def advance(seconds: float) -> None:
    """Move it on."""
    global _now
    _now += seconds


def advance_and_fail(seconds: float) -> None:
    """Move it on, and raise LookupError."""
    advance(seconds)
    raise LookupError("after some time")


class UnpickledSlowly:
    """It takes three seconds to find out that this cannot be unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return advance_and_fail, (3.0,)


class PickledSlowly:
    """Likewise for pickling."""

    def __reduce__(self) -> tuple[object, ...]:
        advance_and_fail(3.0)
        return ()
