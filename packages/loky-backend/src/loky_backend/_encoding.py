"""Objects to bytes and back, the cheapest way that works. User code runs here (`__reduce__`, ...).

The C pickler is tried first, large buffers stay out of band (protocol 5, PEP 574). cloudpickle
takes over where it is needed: the C pickler refused; or the bytes mention ``__main__``, whose
functions and classes the other process cannot import; or a module was registered by value.
"""

from __future__ import annotations

import sys

from . import _cpython
from ._errors import EncodingError
from ._frames import LARGE, MAX_BUFFERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from ._frames import Buffer

    Pickler = Callable[..., bytes]

_PROTOCOL = 5
_INLINE_BELOW = 4096  # a buffer smaller than this costs less inside the pickle than beside it
_REFUSALS = (_cpython.pickle.PicklingError, AttributeError, TypeError)


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
    def large(self) -> bool:
        """Whether some of its buffers are better placed into a segment."""
        return any(len(buffer) >= LARGE for buffer in self.buffers)

    @property
    def size(self) -> int:
        """Bytes in all."""
        return len(self.body) + sum(len(buffer) for buffer in self.buffers)


def encode_whole(value: object) -> bytes:
    """Pickle an object into one piece, buffers included; raises as `encode` does."""
    encoded = encode(value)
    if not encoded.buffers:
        return encoded.body
    import cloudpickle

    whole: bytes = cloudpickle.dumps(value, protocol=_PROTOCOL)
    return whole


def encode(value: object) -> Encoded:
    """Pickle an object.

    Raises:
        EncodingError: neither pickler can; its message says why, its cause is the pickler's error.
        BaseException: whatever the object's own code raised.
    """
    try:
        encoded = _dump(_cpython.pickle.dumps, value)
    except _REFUSALS:
        return _encode_by_value(value)
    if b"__main__" in encoded.body or _registered_by_value():
        return _encode_by_value(value)
    return encoded


def decode(body: Buffer, buffers: Sequence[Buffer] = ()) -> Any:
    """Turn bytes back into the object; raises whatever the object's own code raises."""
    return _cpython.pickle.loads(body, buffers=buffers)


def _encode_by_value(value: object) -> Encoded:
    import cloudpickle

    try:
        return _dump(cloudpickle.dumps, value)
    except _REFUSALS as error:
        message = f"cannot pickle {type(value).__name__}: {type(error).__name__}: {error}"
        raise EncodingError(message) from error


def _registered_by_value() -> bool:
    """Whether the user told cloudpickle to send some modules by value; never imports it."""
    cloudpickle = sys.modules.get("cloudpickle")
    return cloudpickle is not None and bool(cloudpickle.list_registry_pickle_by_value())


def _dump(pickler: Pickler, value: object) -> Encoded:
    views: list[Buffer] = []

    def keep_out(buffer: Any) -> bool:
        try:
            view = buffer.raw()
        except BufferError:  # not contiguous: stays inside the pickle
            return True
        if view.nbytes < _INLINE_BELOW or len(views) >= MAX_BUFFERS:
            return True
        views.append(view)
        return False

    return Encoded(pickler(value, protocol=_PROTOCOL, buffer_callback=keep_out), views)
