"""The seats of a pool: under each worker number, first a launch, then a process, then an obituary.

Used by the reactor's thread; but the launcher seats workers, and any thread may look at them or
end them. No lock: every step is one that the interpreter does at once (setting an attribute, a
dictionary's item), ordered so that whoever comes second sees what the first left.
"""

from __future__ import annotations

from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    from loky_backend import Obituary, Reactor, Worker

    from ._tasks import Record

    Entry: TypeAlias = tuple[int, int, "Record | None", bool]  # kind, task, its record, claim

_REMEMBERED_DEATHS = 100


class _Seat:
    __slots__ = ("doom", "outbox", "stacks", "worker")

    def __init__(self) -> None:
        self.worker: Worker | None = None
        self.outbox: deque[Entry] = deque()  # what came before the process was there
        self.doom = ""  # why it is to be killed as soon as it is there
        self.stacks = ""  # what a worker was doing that is ended for it


class Seats:
    """Which worker sits where; and how the last ones died."""

    def __init__(self, reactor: Reactor) -> None:
        self._reactor = reactor
        self._seats: dict[int, _Seat] = {}
        self._deaths: deque[tuple[int, Obituary | None, BaseException | None]] = deque(
            maxlen=_REMEMBERED_DEATHS
        )

    def reserve(self, ident: int) -> None:
        """Make a seat for a worker that is to be started."""
        self._seats[ident] = _Seat()

    def stage(self, ident: int, entry: Entry) -> None:
        """Put a frame into the outbox of a worker; `flush` writes it."""
        seat = self._seats.get(ident)
        if seat is not None:
            seat.outbox.append(entry)

    def flush(self, ident: int) -> list[int]:
        """Hand the outbox of a worker to its channel, if it has one yet.

        Returns:
            Tasks that were cancelled before they were sent.
        """
        seat = self._seats.get(ident)
        dropped: list[int] = []
        if seat is None or seat.worker is None:
            return dropped  # gone, or not there yet: it is flushed when it is
        while seat.outbox:
            kind, task, record, claim = seat.outbox.popleft()
            if record is None:
                seat.worker.queue(kind)
            elif record.begin():
                seat.worker.queue(kind, task, record.encoded, claim)
            else:
                dropped.append(task)
        seat.worker.flush()
        return dropped

    def wanted(self, ident: int) -> bool:
        """Whether the worker of this seat is still to be started."""
        seat = self._seats.get(ident)
        return seat is not None and not seat.doom

    def occupy(self, ident: int, worker: Worker) -> None:
        """Seat a worker that was started; what has waited for it is to be flushed then."""
        seat = self._seats[ident]
        seat.worker = worker
        if seat.doom:  # set before the worker was; `kill` may have missed it
            worker.kill(seat.doom)
        self._reactor.add(worker)

    def failed(self, ident: int, error: BaseException | None) -> None:
        """Remember why the worker of a seat could not be started."""
        self._deaths.append((ident, None, error))
        self._seats.pop(ident, None)

    def vacate(self, worker: Worker, obituary: Obituary) -> None:
        """Remember how the worker of a seat died."""
        seat = self._seats.pop(worker.ident, None)
        if seat is not None and seat.stacks:
            obituary = obituary._replace(stacks=seat.stacks)
        self._deaths.append((worker.ident, obituary, None))

    def kill(self, ident: int, reason: str) -> None:
        """End the worker of a seat, at once or as soon as it is there."""
        seat = self._seats.get(ident)
        if seat is not None:
            seat.doom = reason
            if seat.worker is not None:
                seat.worker.kill(reason)

    def terminate(self, ident: int) -> bool:
        """Send SIGTERM to the worker of a seat; False if there is none yet."""
        seat = self._seats.get(ident)
        if seat is None or seat.worker is None:
            return False
        seat.worker.child.terminate()
        return True

    def keep_stacks(self, worker: Worker) -> None:
        """Remember what a worker was doing: it is about to die for it, though it has gone on."""
        seat = self._seats.get(worker.ident)
        if seat is not None:
            seat.stacks = worker.stacks()

    def forget_segment(self, ident: int, number: int) -> None:
        """Tell a worker that a segment is gone."""
        seat = self._seats.get(ident)
        if seat is not None and seat.worker is not None:
            seat.worker.forget(number)

    def unshare(self, number: int) -> None:
        """Tell all workers that a shared object is gone; a finalizer's call, in any thread."""
        for worker in self.workers():
            worker.unshare(number)

    def any(self) -> bool:
        """Whether any worker is there or being started."""
        return bool(self._seats)

    def take_back(self, ident: int) -> list[int]:
        """Take back the tasks that a worker has not begun, also those not yet written to it."""
        seat = self._seats.get(ident)
        if seat is None:
            return []
        taken = [] if seat.worker is None else seat.worker.take_back()
        taken += [task for _, task, _, claim in seat.outbox if claim]
        seat.outbox = deque(entry for entry in seat.outbox if not entry[3])
        return taken

    def dump_stacks(self, ident: int) -> None:
        """Have a worker write its stacks into its report."""
        seat = self._seats.get(ident)
        if seat is not None and seat.worker is not None:
            seat.worker.dump_stacks()

    def disown(self) -> None:
        """Close this process's copies of all channels, in a forked copy of the parent."""
        for worker in self.workers():
            worker.disown()
        self._seats.clear()

    def workers(self) -> list[Worker]:
        """Return the workers that are there now."""
        return [seat.worker for seat in list(self._seats.values()) if seat.worker is not None]

    def death(self, ident: int | None) -> tuple[Obituary | None, BaseException | None]:
        """Return what is known of a death: its obituary, or what failed its start."""
        for number, obituary, error in reversed(self._deaths):
            if number == ident:
                return obituary, error
        return None, None
