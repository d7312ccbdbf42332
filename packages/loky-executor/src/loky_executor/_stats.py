"""Where the time goes: cheap counters per task, and what they say in words."""

from __future__ import annotations

from time import perf_counter
from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from loky_backend import Frame


class Stats(NamedTuple):
    """A snapshot of what a pool has done; all times are sums in seconds over all tasks answered.

    Attributes:
        submitted: tasks taken.
        answered: tasks answered by a worker, with a result or an exception.
        failed: tasks that ended without an answer of a worker (crashes, time limits, shutdown).
        bytes_sent: size of the encoded tasks.
        bytes_received: size of the encoded answers.
        encode: pickling tasks, in the parent.
        queue: between submit and being sent to a worker, encoding included.
        decode: unpickling tasks, in the workers.
        run: running them.
        result: pickling their results, in the workers.
        transfer: the rest between being sent and being answered: channels, waiting behind the task
            before, and waking up.
    """

    submitted: int
    answered: int
    failed: int
    bytes_sent: int
    bytes_received: int
    encode: float
    queue: float
    decode: float
    run: float
    result: float
    transfer: float


class Ledger:
    """The counters of one pool. Threads add without a lock: a rare lost count does no harm."""

    def __init__(self) -> None:
        self.submitted = 0
        self.completed = 0
        self.failed = 0
        self._bytes_sent = 0
        self._bytes_received = 0
        self._encode = 0.0
        self._queue = 0.0
        self._decode = 0.0
        self._run = 0.0
        self._result = 0.0
        self._away = 0.0

    def encoded(self, seconds: float, size: int) -> None:
        """Count one task that was turned into bytes."""
        self._encode += seconds
        self._bytes_sent += size

    def answered(self, submitted: float, sent: float, frame: Frame) -> None:
        """Count one answer to a task that was submitted and sent at these times."""
        decode, run, result = frame.times
        self.completed += 1
        self._bytes_received += len(frame.body) + sum(map(len, frame.buffers))
        self._queue += sent - submitted
        self._away += perf_counter() - sent
        self._decode += decode
        self._run += run
        self._result += result

    def snapshot(self) -> Stats:
        """Return the counters as they are."""
        inside = self._decode + self._run + self._result
        return Stats(
            submitted=self.submitted,
            answered=self.completed,
            failed=self.failed,
            bytes_sent=self._bytes_sent,
            bytes_received=self._bytes_received,
            encode=self._encode,
            queue=self._queue,
            decode=self._decode,
            run=self._run,
            result=self._result,
            transfer=max(0.0, self._away - inside),
        )


_LARGE_TASK = 1 << 20  # bytes
_ADVICE = {
    "encode": "pickling the arguments: send less, or large arrays instead of many small objects",
    "decode": "unpickling the arguments in the workers: send less, or let the workers load it",
    "run": "running the tasks: that is what a pool is for",
    "result": "pickling the results: return less, or reduce it in the task",
    "transfer": "channels and wake-ups: the tasks are small; map sends many at a time",
}


def explain(stats: Stats, workers: int) -> str:
    """Say in words where the time of a pool went.

    Args:
        stats: what it has done.
        workers: how many workers it may have.
    """
    if not stats.answered:
        return "No task has been answered yet."
    parts = {name: getattr(stats, name) for name in _ADVICE}
    total = sum(parts.values()) or 1e-9
    lines = [f"{stats.answered} tasks on at most {workers} workers took {total:.3g} s of work:"]
    for name, seconds in sorted(parts.items(), key=lambda item: -item[1]):
        share = 100 * seconds / total
        if share >= 1:
            lines.append(f"  {share:3.0f} % {_ADVICE[name]}")
    each = stats.run / stats.answered
    lines.append(
        f"A task ran {each * 1e6:,.0f} us on average, carried "
        f"{stats.bytes_sent / stats.answered:,.0f} bytes there and "
        f"{stats.bytes_received / stats.answered:,.0f} bytes back, "
        f"and waited {stats.queue / stats.answered * 1e3:,.1f} ms for a worker."
    )
    if stats.bytes_sent / stats.answered >= _LARGE_TASK:
        lines.append(
            "Tasks carry much: what many of them have in common goes to workers once by share()."
        )
    return "\n".join(lines)
