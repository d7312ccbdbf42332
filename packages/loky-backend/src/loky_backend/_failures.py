"""How an exception travels: so that whatever happens the user reads what it was.

The body of a FAILURE frame is a `marshal` of plain values (type name, repr of the arguments,
formatted traceback, notes) and, if it could be made, the pickle of the exception itself.
"""

from __future__ import annotations

import marshal

from ._encoding import decode, encode_whole
from ._errors import DecodingError, RemoteTraceback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._frames import Buffer

_REPR_LIMIT = 2000


def describe_failure(error: BaseException, stage: str) -> bytes:
    """Return the body of a FAILURE frame. Runs user code; never raises.

    Args:
        error: what was raised, with its traceback.
        stage: "decode", "run" or "encode".
    """
    import traceback

    try:
        lines = traceback.format_exception(type(error), error, error.__traceback__)
        text = "".join(lines)
    except BaseException as problem:  # noqa: BLE001 - a __str__ that raises or exits
        text = f"{type(error).__name__} (its traceback cannot be shown: {type(problem).__name__})\n"
    notes = getattr(error, "__notes__", ())
    notes = [str(note) for note in notes if type(note) is str]
    return marshal.dumps(
        (
            stage,
            f"{type(error).__module__}.{type(error).__qualname__}",
            _safe_repr(error.args),
            text,
            notes,
            _pickled(error),
        )
    )


def _safe_repr(value: object) -> str:
    try:
        return repr(value)[:_REPR_LIMIT]
    except BaseException as problem:  # noqa: BLE001 - a __repr__ may do anything
        return f"<repr raised {type(problem).__name__}>"


def _pickled(error: BaseException) -> bytes | None:
    """Return the pickle of an exception, or None if it would not come back whole."""
    try:
        body = encode_whole(error)
        decode(body)  # one whose class needs two arguments fails here, at home
    except BaseException:  # noqa: BLE001 - it is told in words instead
        return None
    return body


def failure_text(body: Buffer) -> str:
    """Return the traceback a FAILURE frame tells of; runs no user code."""
    text: str = marshal.loads(body)[3]
    return text


def rebuild_failure(body: Buffer) -> BaseException:
    """Return the exception a FAILURE frame tells of; its cause is the remote traceback.

    Runs user code (unpickling). An exception that cannot be rebuilt becomes a `DecodingError` that
    says what it was.
    """
    stage, kind, arguments, text, notes, pickled = marshal.loads(body)
    error: BaseException | None = None
    reason = "it could not be pickled"
    if pickled is not None:
        try:
            error = decode(pickled)
        except BaseException as problem:  # noqa: BLE001 - it is told in words instead
            reason = f"unpickling raised {type(problem).__name__}: {problem}"
    if not isinstance(error, BaseException):
        what = {"decode": "decoding the task", "encode": "encoding the result"}.get(stage, "it")
        error = DecodingError(f"{what} raised {kind}{arguments} in the worker ({reason})")
    known = getattr(error, "__notes__", [])
    for note in notes:
        if note not in known:
            _add_note(error, note)
    error.__cause__ = RemoteTraceback(text)
    return error


def _add_note(error: BaseException, note: str) -> None:
    """Add a note as PEP 678 does; before 3.11 nothing prints it but the attribute is there."""
    if hasattr(error, "add_note"):
        error.add_note(note)
    else:
        error.__dict__.setdefault("__notes__", []).append(note)
