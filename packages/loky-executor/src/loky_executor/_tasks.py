"""The tasks of a pool: what to call, the future to answer, the bytes while they are needed.

Rules:
1. Whoever takes a record out of the table answers its future; nobody else does.
2. Nothing here is called with a lock held; encoding is user code.
"""

from __future__ import annotations

import itertools
import sys
from concurrent.futures import CancelledError, InvalidStateError
from time import perf_counter
from typing import Any

from loky_backend import FrameKind, SegmentPool, encode

from ._future import EncodedFailure, EncodedResult, TaskFuture

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from loky_backend import Encoded, Frame, Memory

    from ._future import Owner
    from ._settings import PoolSettings
    from ._stats import Ledger


class Record:
    """One task."""

    __slots__ = ("call", "encoded", "future", "lent", "sent", "submitted")

    def __init__(self, call: tuple[Any, ...], future: TaskFuture[Any], now: float) -> None:
        self.call: tuple[Any, ...] | None = call
        self.future = future
        self.encoded: Encoded | None = None
        self.lent: tuple[Memory, ...] = ()  # shared objects it names
        self.submitted = now
        self.sent = 0.0

    def begin(self) -> bool:
        """Mark the future as running; False if it was cancelled."""
        self.sent = perf_counter()
        return self.future.start()


class TaskTable:
    """All tasks of a pool that are not answered."""

    def __init__(
        self,
        owner: Owner,
        ledger: Ledger,
        segments: SegmentPool,
        settings: PoolSettings,
        unshare: Callable[[int], None],
    ) -> None:
        self._owner = owner
        self._ledger = ledger
        self._segments = segments
        self._reducers = settings.job_reducers
        self._refused = settings.refused
        self._unshare = unshare  # told when a shared object is gone that a task had named
        self._records: dict[int, Record] = {}
        self._numbers = itertools.count(1)

    def add(self, call: tuple[Any, ...]) -> TaskFuture[Any]:
        """Make the record and the future of a new task."""
        task = next(self._numbers)
        future: TaskFuture[Any] = TaskFuture(self._owner, task)
        self._records[task] = Record(call, future, perf_counter())
        return future

    def get(self, task: int) -> Record | None:
        """Return the record of a task that is not answered."""
        return self._records.get(task)

    def take(self, task: int) -> Record | None:
        """Take the record of a task that is to be answered now; only one caller gets it."""
        record = self._records.pop(task, None)
        if record is not None:
            self._let_go(record)
        return record

    def _let_go(self, record: Record) -> None:
        if record.encoded is not None and record.encoded.segment is not None:
            self._segments.release(record.encoded.segment[0], record)

    def encode(self, task: int, *, in_segments: bool = True) -> BaseException | None:
        """Turn a task into bytes; if that fails answer its future, and return the error."""
        record = self._records.get(task)
        call = record.call if record is not None else None
        if record is None or call is None:
            return None  # cancelled meanwhile
        begun = perf_counter()
        try:
            if "loky_backend._sharing" not in sys.modules:
                encoded = encode(call, self._reducers)
            else:
                encoded = self._encode_lending(record, call)
            if in_segments and encoded.large:
                encoded.segment = self._segments.place(encoded.buffers, record)
        except BaseException as error:  # noqa: BLE001 - user code: pickling may raise, or exit
            self.fail(task, error if self._refused is None else self._refused(error))
            return error
        record.encoded = encoded
        record.call = None
        if task not in self._records:  # taken while it was encoded
            self._let_go(record)
        self._ledger.encoded(perf_counter() - begun, encoded.size)
        return None

    def _encode_lending(self, record: Record, call: tuple[Any, ...]) -> Encoded:
        from loky_backend import encode_lending  # somebody has shared something: it is loaded

        encoded, record.lent = encode_lending(call, self._reducers)
        for memory in record.lent:
            memory.borrowers[self._unshare] = None
        return encoded

    def answer(self, frame: Frame) -> None:
        """Answer a task with what its worker sent; nothing if it was answered otherwise."""
        record = self.take(frame.task)
        if record is None:
            return
        self._ledger.answered(record.submitted, record.sent, frame)
        try:
            if frame.kind == FrameKind.RESULT:
                record.future.set_result(EncodedResult(frame))
            else:
                record.future.set_exception(EncodedFailure(frame))
        except InvalidStateError:  # somebody else set it: their doing, their result
            pass

    def fail(self, task: int, error: BaseException) -> None:
        """Answer a task with an error; nothing if it was answered otherwise."""
        record = self.take(task)
        if record is None:
            return
        self._ledger.failed += 1
        try:
            if record.future.start():
                record.future.set_exception(error)
        except InvalidStateError:  # somebody else set it
            pass

    def cancel(self, task: int) -> None:
        """Answer a task that never ran with a cancellation."""
        record = self.take(task)
        if record is None or record.future.cancel():
            return
        try:  # it was sent once and taken back: its future says "running" and cannot be cancelled
            record.future.set_exception(CancelledError(f"task {task} was cancelled"))
        except InvalidStateError:  # somebody else set it
            pass

    def fail_all(self, make_error: Callable[[int], BaseException]) -> None:
        """Answer every task with an error of its own."""
        for task in list(self._records):
            self.fail(task, make_error(task))

    def disown(self) -> None:
        """Give up every task, in a forked copy of the process: nobody answers them there."""
        records, self._records = self._records, {}
        for record in records.values():
            record.future.disown()
