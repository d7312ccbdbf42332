"""An object as bytes, on its way from one process to another."""

from __future__ import annotations

from ._frames import LARGE
from ._pieces import nbytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._pieces import Buffer


class Encoded:
    """An object as bytes.

    Attributes:
        body: the pickle.
        buffers: its out-of-band buffers, contiguous, views of the object's own memory.
        segment: (number, positions) if large ones of them were placed into a segment, else None.
    """

    __slots__ = ("body", "buffers", "segment")

    def __init__(self, body: bytes, buffers: Sequence[Buffer] = ()) -> None:
        self.body = body
        self.buffers = buffers
        self.segment: tuple[int, frozenset[int]] | None = None

    @property
    def size(self) -> int:
        """Bytes in all."""
        return len(self.body) + sum(map(nbytes, self.buffers))

    @property
    def large(self) -> bool:
        """Whether some of its buffers are better placed into a segment."""
        return any(nbytes(buffer) >= LARGE for buffer in self.buffers)
