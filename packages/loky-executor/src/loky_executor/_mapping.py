"""`map`: many calls of one function, sent in chunks, each item with an outcome of its own."""

from __future__ import annotations

import itertools
import sys
import time
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as FuturesTimeoutError
from queue import Empty, SimpleQueue
from typing import Any

from loky_backend import encode, rebuild_failure

from ._chunks import call_shared, outcomes_of, run_chunk
from ._errors import ExecutorError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ._future import TaskFuture
    from ._plan import MapPlan

    Submit = Callable[..., TaskFuture[Any]]
    Items = tuple[Any, ...]

# From so many items per worker on, "auto" sends them in so many chunks per worker.
_SINGLE_UP_TO = 500
_CHUNKS_PER_WORKER = 100
_PROGRESS_EVERY = 0.1
_WORTH_SHARING = 256  # bytes; what can be imported by name is smaller


def start_map(
    submit: Submit,
    function: Callable[..., Any],
    iterables: tuple[Iterable[Any], ...],
    plan: MapPlan,
) -> Iterator[Any]:
    """Submit the first tasks now, and return an iterator over the results."""
    starred = len(iterables) != 1
    # The shortest ends it, as with the builtin.
    items = zip(*iterables) if starred else iter(iterables[0])  # noqa: B905
    run = _Run(submit, _by_name(function, plan), plan, starred)
    if plan.buffersize is None:
        everything = list(items)
        run.size = plan.chunksize or _auto_chunksize(len(everything), plan.workers)
        run.total = len(everything)
        run.source = iter(everything)
        run.submit_up_to(None)
    else:
        run.size = min(plan.chunksize or 1, plan.buffersize)
        run.source = items
        run.submit_up_to(plan.buffersize)
    return run.results()


def _by_name(function: Callable[..., Any], plan: MapPlan) -> Any:
    """Return a handle of a function whose pickle is more than its name: it is pickled once."""
    if not plan.by_name:
        return function
    try:
        encoded = encode(function)
    except Exception:  # noqa: BLE001 - the tasks will tell, each in its turn
        return function
    if encoded.size < _WORTH_SHARING:
        return function
    from loky_backend import share_encoded

    return share_encoded(encoded, writable=True)


def _auto_chunksize(count: int, workers: int) -> int:
    if count <= _SINGLE_UP_TO * workers:
        return 1
    return max(1, count // (_CHUNKS_PER_WORKER * workers))


class _Run:
    """One `map` under way; used by the thread that iterates."""

    def __init__(self, submit: Submit, function: Any, plan: MapPlan, starred: bool) -> None:
        self._starred = starred  # items are tuples of arguments, not the one argument
        self._submit = submit
        self._function = function
        self._plan = plan
        self.source: Iterator[Any] = iter(())
        self.size = 1
        self.total: int | None = None
        self._waiting: dict[TaskFuture[Any], Items] = {}  # in the order of submission
        self._finished: SimpleQueue[TaskFuture[Any]] = SimpleQueue()  # unless ordered
        self._in_flight = 0  # items submitted whose results were not consumed
        self._done = 0
        self._told = 0.0

    def submit_up_to(self, most: int | None) -> None:
        """Submit chunks until so many items are in flight, or the source is empty."""
        while most is None or self._in_flight < most:
            room = self.size if most is None else min(self.size, most - self._in_flight)
            chunk = tuple(itertools.islice(self.source, room))
            if not chunk:
                return
            self._in_flight += len(chunk)
            future = self._send(chunk)
            self._waiting[future] = chunk
            if not self._plan.ordered:
                future.add_done_callback(self._finished.put)  # type: ignore[arg-type]

    def _send(self, chunk: Items) -> TaskFuture[Any]:
        if len(chunk) > 1:
            return self._submit(run_chunk, self._function, chunk, self._starred)
        arguments = chunk[0] if self._starred else chunk
        if callable(self._function):
            return self._submit(self._function, *arguments)
        return self._submit(call_shared, self._function, *arguments)

    def results(self) -> Iterator[Any]:
        """Yield the results; cancels what has not started if the consumer stops early."""
        try:
            while self._waiting:
                values, errors = self._outcomes(*self._next())
                # Nothing here holds on to a result that was handed out: the last one to use it is
                # the consumer.
                values.reverse()
                if errors or self._plan.progress:
                    yield from self._one_by_one(values, errors)
                else:
                    self._in_flight -= len(values)
                    while values:
                        yield values.pop()
                if self._plan.buffersize is not None:
                    self.submit_up_to(self._plan.buffersize)
        finally:
            for future in self._waiting:
                future.cancel()

    def _one_by_one(self, values: list[Any], errors: dict[int, BaseException]) -> Iterator[Any]:
        for position in range(len(values)):
            self._in_flight -= 1
            self._count()
            if position not in errors:
                yield values.pop()
                continue
            values.pop()
            if self._plan.on_error == "return":
                yield errors.pop(position)
            elif self._plan.on_error == "raise":
                raise errors.pop(position)

    def _next(self) -> tuple[TaskFuture[Any], Items]:
        if self._plan.ordered:
            future = next(iter(self._waiting))
        else:
            try:
                left = self._time_left()  # 0 is no timeout for `get`: see `_workshop`
                future = self._finished.get(block=left != 0, timeout=left)
            except Empty:
                raise FuturesTimeoutError from None
        return future, self._waiting.pop(future)

    def _outcomes(
        self, future: TaskFuture[Any], chunk: Items
    ) -> tuple[list[Any], dict[int, BaseException]]:
        """Return what the items of a chunk came to, and by position the errors among it."""
        try:
            answer = future.result(self._time_left())
        except BaseException as error:  # of the item, of the chunk, or ours
            if not _is_told_by(future, error):  # time is up, or Ctrl-C struck here
                future.cancel()
                raise
            retold = isinstance(error, (ExecutorError, CancelledError))
            if len(chunk) > 1 and retold and self._may_go_on():
                return self._again(chunk)
            return [None] * len(chunk), dict.fromkeys(range(len(chunk)), error)
        if len(chunk) == 1:
            return [answer], {}
        values, failures = outcomes_of(answer)
        return values, {at: rebuild_failure(body) for at, body in failures.items()}

    def _again(self, chunk: Items) -> tuple[list[Any], dict[int, BaseException]]:
        """Do a chunk item by item: one crashed the worker, the others must not suffer."""
        values: list[Any] = []
        errors: dict[int, BaseException] = {}
        for item in chunk:
            (value,), error = self._outcomes(self._send((item,)), (item,))
            errors.update({len(values): error[0]} if error else {})
            values.append(value)
        return values, errors

    def _may_go_on(self) -> bool:
        owner = getattr(self._submit, "__self__", None)
        return bool(getattr(owner, "usable", False))

    def _time_left(self) -> float | None:
        deadline = self._plan.deadline
        return None if deadline is None else max(0.0, deadline - time.monotonic())

    def _count(self) -> None:
        self._done += 1
        if self._plan.progress:
            now = time.monotonic()
            if now - self._told > _PROGRESS_EVERY or self._done == self.total:
                self._told = now
                of = "" if self.total is None else f"/{self.total}"
                print(f"\r{self._done}{of}", end="", file=sys.stderr, flush=True)  # noqa: T201


def _is_told_by(future: TaskFuture[Any], error: BaseException) -> bool:
    """Whether an error that `result` raised is how the task ended."""
    return future.done() and (future.cancelled() or future.exception() is error)
