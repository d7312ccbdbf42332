"""Queues with reducers, as in `loky.backend.queues`: `multiprocessing`'s, with bytes inside.

An object is pickled in `put`, so what cannot be pickled raises there and not in a thread that
nobody hears; lambdas and what is defined in ``__main__`` pass.
"""

from __future__ import annotations

from multiprocessing import queues

from loky_executor import encode_whole, get_context, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeAlias

    Reducers: TypeAlias = Mapping[type, Callable[[Any], Any]]

__all__ = ["Queue", "SimpleQueue"]


class Queue(queues.Queue):  # type: ignore[type-arg]
    """A queue between processes.

    Args:
        maxsize: the most objects in it; 0 for any.
        reducers: exact type -> reducer, for what is put.
        ctx: the context of its locks; None for "loky".
    """

    def __init__(self, maxsize: int = 0, reducers: Reducers | None = None, ctx: Any = None) -> None:
        super().__init__(maxsize, ctx=ctx or get_context("loky"))
        self.reducers = reducers

    def __getstate__(self) -> Any:
        return super().__getstate__(), self.reducers

    def __setstate__(self, state: Any) -> None:
        super().__setstate__(state[0])
        self.reducers = state[1]

    def put(self, obj: Any, block: bool = True, timeout: float | None = None) -> None:
        """Put an object; blocks while the queue is full, raises `queue.Full` after `timeout`."""
        super().put(encode_whole(obj, self.reducers), block, timeout)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Take an object; blocks while there is none, raises `queue.Empty` after `timeout`."""
        return loads(super().get(block, timeout))


class SimpleQueue(queues.SimpleQueue):  # type: ignore[type-arg]
    """A pipe with a lock at each end.

    Args:
        reducers: exact type -> reducer, for what is put.
        ctx: the context of its locks; None for "loky".
    """

    def __init__(self, reducers: Reducers | None = None, ctx: Any = None) -> None:
        super().__init__(ctx=ctx or get_context("loky"))
        self.reducers = reducers

    def __getstate__(self) -> Any:
        return super().__getstate__(), self.reducers

    def __setstate__(self, state: Any) -> None:
        super().__setstate__(state[0])
        self.reducers = state[1]

    def put(self, obj: Any) -> None:
        """Put an object; blocks while the pipe is full."""
        super().put(encode_whole(obj, self.reducers))

    def get(self) -> Any:
        """Take an object; blocks while there is none."""
        return loads(super().get())
