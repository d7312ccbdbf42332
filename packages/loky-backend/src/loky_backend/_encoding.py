"""Objects to bytes and back, the cheapest way that works. User code runs here (`__reduce__`, ...).

The C pickler is tried first, large buffers stay out of band (protocol 5, PEP 574). Whatever needs
more than that goes up the ladder (`_ladder`): what the C pickler refused; bytes that mention
``__main__``, whose functions and classes the other process cannot import; objects of
`multiprocessing`; modules registered by value; a pickler or reducers that the user chose.
"""

from __future__ import annotations

import sys

from . import _cpython
from ._encoded import Encoded
from ._frames import MAX_BUFFERS
from ._picklers import any_by_value, choice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Protocol

    from ._picklers import Reducers
    from ._pieces import Buffer

    class Writable(Protocol):
        """A file to write bytes to."""

        def write(self, data: bytes, /) -> object:
            """Take the bytes."""


_PROTOCOL = 5
_INLINE_BELOW = 4096  # a buffer smaller than this costs less inside the pickle than beside it
# RuntimeError: too deep a recursion, and what multiprocessing says of locks.
_REFUSALS = (_cpython.pickle.PicklingError, AttributeError, TypeError, RuntimeError)
_dumps = _cpython.pickle.dumps
_modules = sys.modules


def encode(value: object, reducers: Reducers | None = None) -> Encoded:
    """Pickle an object, large buffers out of band.

    Args:
        value: anything. A tuple (function, args, kwargs) is a call, and errors name its parts so.
        reducers: exact type -> function that returns what ``__reduce__`` would; they come before
            those of `register`. None for none.

    Returns:
        The bytes, with views of the object's memory: do not change it before they are sent.

    Raises:
        EncodingError: no pickler can; names the path to the culprit, its cause is the pickler's
            error.
        PicklerChoiceError: ``LOKY_PICKLER`` names nothing usable.
        BaseException: whatever the object's own code raised.

    Does not block, but for what the object's own code does. Any thread, several at once.
    """
    views: list[Buffer] = []

    def keep_out(buffer: Any) -> bool:  # the pickler's `buffer_callback`; True: stays in the pickle
        try:
            view = buffer.raw()
        except BufferError:  # not contiguous
            return True
        if view.nbytes < _INLINE_BELOW or len(views) >= MAX_BUFFERS:
            return True
        views.append(view)
        return False

    by_value = False
    if not reducers and not choice.special:
        try:
            body = _dumps(value, _PROTOCOL, buffer_callback=keep_out)
        except _REFUSALS:
            pass
        else:
            by_value = b"__main__" in body
            if not by_value and not _needs_more(body):
                return Encoded(body, views)
    from ._ladder import climb

    return Encoded(climb(value, reducers, (views, keep_out), by_value=by_value), views)


def encode_whole(value: object, reducers: Reducers | None = None) -> bytes:
    """Pickle an object into one piece, buffers included.

    Args:
        value: anything.
        reducers: as for `encode`.

    Returns:
        A pickle that needs nothing beside it.

    Raises:
        EncodingError, PicklerChoiceError, BaseException: as `encode`.

    Does not block, but for what the object's own code does. Any thread, several at once.
    """
    by_value = False
    if not reducers and not choice.special:
        try:
            body = _dumps(value, _PROTOCOL)
        except _REFUSALS:
            pass
        else:
            by_value = b"__main__" in body
            if not by_value and not _needs_more(body):
                return body
    from ._ladder import climb

    return climb(value, reducers, None, by_value=by_value)


def decode(body: Buffer, buffers: Sequence[Buffer] = ()) -> Any:
    """Turn bytes back into the object.

    Args:
        body: the pickle.
        buffers: its out-of-band buffers, in order; the object keeps the memory of those it uses,
            so arrays are writable if these are.

    Returns:
        The object.

    Raises:
        BaseException: whatever the object's own code raised.

    Does not block, but for what the object's own code does. Any thread, several at once.
    """
    return _cpython.pickle.loads(body, buffers=buffers)


def dumps(value: object, reducers: Reducers | None = None) -> bytes:
    """Pickle an object as workers' arguments are; the same as `encode_whole`.

    Args:
        value: anything.
        reducers: as for `encode`.

    Returns:
        A pickle that any unpickler reads, if cloudpickle is installed there.

    Raises:
        EncodingError, PicklerChoiceError, BaseException: as `encode`.

    Does not block, but for what the object's own code does. Any thread, several at once.
    """
    return encode_whole(value, reducers)


def dump(value: object, file: Writable, reducers: Reducers | None = None) -> None:
    """Pickle an object into a file.

    Args:
        value: anything.
        file: open for writing bytes; stays the caller's to close.
        reducers: as for `encode`.

    Raises:
        EncodingError, PicklerChoiceError, BaseException: as `encode`; nothing was written then.
        OSError: the file does not take it.

    Blocks as the file does. Any thread.
    """
    file.write(encode_whole(value, reducers))


def loads(data: Buffer) -> Any:
    """Turn the bytes of `dumps` back into the object.

    Args:
        data: one whole pickle. Only from a source you trust: unpickling runs code.

    Returns:
        The object.

    Raises:
        BaseException: whatever the object's own code raised.

    Does not block, but for what the object's own code does. Any thread, several at once.
    """
    return _cpython.pickle.loads(data)


def _needs_more(body: bytes) -> bool:
    """Whether the C pickler's bytes would not do; imports nothing that is not loaded already."""
    if "multiprocessing.connection" in _modules and (
        b"multiprocessing.connection" in body or b"multiprocessing.managers" in body
    ):
        return True
    return "cloudpickle" in _modules and any_by_value()
