"""The claim tokens of one worker, as its parent counts them.

A task sent ahead comes with one byte in the worker's claim channel; the worker runs the task if the
next byte it reads there is the task's own, and the parent takes tasks back by reading bytes first.

Rules:
1. A number is given again only when the worker has passed the frame that carried it before, so
   that no frame finds the token of another: `Claims` knows so by the answers, which come in the
   order of the frames. What was taken back is not answered, a later task is.
2. A token that the channel does not take is no token: its task goes unclaimed, and is not lost.

Facts:
- unix(7) on Linux accounts some 770 bytes for each byte sent alone: 277 of them fill a channel.
"""

from __future__ import annotations

import errno
from contextlib import suppress
from threading import get_ident

from ._platform import send_descriptor

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

_NUMBERS = 255
_LATER = (errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS, errno.ENOMEM, errno.ETOOMANYREFS)


class Claims:
    """The tokens that are under way.

    `send` is called by one thread at a time, the one that writes to the worker; `passed` by the
    reactor's; `take_back` by any.

    Args:
        ends: ours to write to, and a copy of the worker's end to take back from; none on Windows.

    Attributes:
        under_way: False if `passed` and `sent_unclaimed` need not be called now. (If the reactor
            sets it to False while a token is sent, all before that were passed: the window is
            nearly empty, and the next token sets it again.)
    """

    def __init__(self, ends: tuple[socket.socket, ...]) -> None:
        self._ends = ends
        self._sent: dict[int, tuple[int, int]] = {}  # token -> (task, segment lent for it)
        self._issued = 0  # tokens given so far
        self._over = 0  # how many of them the worker has passed for certain
        self.under_way = False
        self._marks: dict[int, int] = {}  # task -> what its answer makes of `_over`
        self._recalled: dict[int, int] = {}  # task -> how often the worker is still to skip it
        self._taking: set[int] = set()  # threads that are in `take_back`

    def send(self, task: int, lent: int, descriptor: int) -> int:
        """Send the token of a task; return it, or -1 if there is none to be had now.

        Args:
            task: the task's id.
            lent: number of the segment that its frame lends, -1 for none.
            descriptor: goes with the token, -1 for none.

        Raises:
            OSError: the worker is dying, or was closed.
        """
        if self._issued - self._over >= _NUMBERS or not self._ends:
            return -1
        token = self._issued % _NUMBERS
        self._sent[token] = (task, lent)
        self._marks[task] = self._issued + 1
        data = bytes((token,))
        try:
            if descriptor >= 0:
                send_descriptor(self._ends[0], data, descriptor)
            else:
                self._ends[0].send(data)
        except OSError as error:
            if error.errno not in _LATER:
                raise
            del self._sent[token], self._marks[task]
            return -1
        self._issued += 1
        self.under_way = True
        return token

    def send_for(self, batch: list[tuple[int, bool]]) -> list[int]:
        """Send the tokens of several small tasks in one go.

        Args:
            batch: (task id, whether it is to have a token), in the order in which they are sent.

        Returns:
            For each its token, or -1 if it has none.

        Raises:
            OSError: the worker is dying, or was closed.
        """
        room = _NUMBERS - (self._issued - self._over) if self._ends else 0
        wanting = [task for task, claim in batch if claim][:room]
        issued = self._issued
        tokens = [(issued + i) % _NUMBERS for i in range(len(wanting))]
        # Noted before they are sent: from then on `take_back` may find them in the channel.
        for token, task in zip(tokens, wanting, strict=True):
            self._sent[token] = (task, -1)
        count = self._send(bytes(tokens)) if tokens else 0
        for token in tokens[count:]:
            del self._sent[token]
        self._issued = issued + count
        self.under_way = self.under_way or count > 0
        given = dict(zip(wanting[:count], tokens, strict=False))
        for task, claim in batch:
            issued += claim and task in given
            if self.under_way:
                self._marks[task] = issued
        return [given.get(task, -1) if claim else -1 for task, claim in batch]

    def _send(self, tokens: bytes) -> int:
        """Send tokens; return how many the channel took."""
        try:
            return self._ends[0].send(tokens)
        except OSError as error:
            if error.errno not in _LATER:
                raise
            return 0

    def sent_unclaimed(self, task: int) -> None:
        """Take note of a task without token: its answer, too, says how far the worker is."""
        self._marks[task] = self._issued

    def passed(self, task: int) -> None:
        """Take note of the answer to a task."""
        over = self._marks.pop(task, 0)
        if over > self._over:
            self._over = over
            if over == self._issued:
                self.under_way = False
                self._marks.clear()  # tasks without a token: their answers say no more than this

    def take_back(self) -> list[tuple[int, int]]:
        """Take back the tokens that the worker has not read; return (task, segment) of each."""
        taken = []
        self._taking.add(get_ident())
        try:
            if len(self._ends) == 2:
                with suppress(OSError):  # BlockingIOError: no token is left
                    while data := self._ends[1].recv(256):
                        taken += [self._sent.pop(token) for token in data]
            for task, _ in taken:
                self._marks.pop(task, None)
                self._note_recall(task, 1)
        finally:
            self._taking.discard(get_ident())
        return taken

    def _note_recall(self, task: int, change: int) -> int:
        left = self._recalled.get(task, 0) + change
        if left:
            self._recalled[task] = left
        else:
            self._recalled.pop(task, None)
        return left

    def skipped(self, task: int) -> bool:
        """Take note that the worker did not run a task; False if it was to. The reactor's.

        1. A thread takes a token back. 2. The worker finds none, and says so. 3. That is read here.
        4. The thread notes whose token it was. So nothing is held against the worker while any
        thread is taking tokens: below zero means that the note is still to come.
        """
        return self._note_recall(task, -1) >= 0 or bool(self._taking)
