"""`loky.backend.queues`: queues between processes."""

from queue import Full

from loky_reusable import Queue, SimpleQueue

__all__ = ["Full", "Queue", "SimpleQueue"]
