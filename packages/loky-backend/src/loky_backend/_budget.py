"""How often workers may be replaced before a supervisor gives up, as Erlang's restart intensity."""

from __future__ import annotations

from collections import deque


class RestartBudget:
    """Allows so many restarts within so many seconds, as long as nothing useful gets done.

    Args:
        restarts: how many are allowed.
        seconds: within which time.

    The idea is that of the "maximum restart intensity" of Erlang/OTP supervisors. Not thread-safe.
    """

    def __init__(self, restarts: int = 10, seconds: float = 60.0) -> None:
        self.restarts = restarts
        self.seconds = seconds
        self._times: deque[float] = deque()

    def spend(self, now: float) -> bool:
        """Take note of a crash at the time `now` (seconds); False if it was one too many."""
        self._times.append(now)
        while now - self._times[0] > self.seconds:
            self._times.popleft()
        return len(self._times) <= self.restarts

    def refill(self) -> None:
        """Take note that a task was completed: whatever crashes, it is no crash loop."""
        self._times.clear()
