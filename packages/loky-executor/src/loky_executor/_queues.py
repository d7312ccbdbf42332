"""Waiting tasks in order of priority, first come first served within one."""

from __future__ import annotations

from collections import deque


class PriorityQueue:
    """Numbers in order. Constant work per call as long as there are few different priorities."""

    def __init__(self) -> None:
        self._by_priority: dict[int, deque[int]] = {}
        self._order: list[int] = []  # the priorities there are, highest first

    def __bool__(self) -> bool:
        return bool(self._order)

    def push(self, task: int, priority: int) -> None:
        """Put a task behind all of its priority."""
        self._queue(priority).append(task)

    def push_front(self, task: int, priority: int) -> None:
        """Put a task before all of its priority: it had its turn already."""
        self._queue(priority).appendleft(task)

    def pop(self) -> int:
        """Take the next task; raises IndexError if there is none."""
        priority = self._order[0]
        queue = self._by_priority[priority]
        task = queue.popleft()
        if not queue:
            del self._by_priority[priority]
            del self._order[0]
        return task

    def clear(self) -> None:
        """Forget all."""
        self._by_priority.clear()
        self._order.clear()

    def _queue(self, priority: int) -> deque[int]:
        queue = self._by_priority.get(priority)
        if queue is None:
            queue = self._by_priority[priority] = deque()
            self._order.append(priority)
            self._order.sort(reverse=True)
        return queue
