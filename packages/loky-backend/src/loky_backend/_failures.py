"""How an exception travels: so that whatever happens the user reads what it was.

The body of a FAILURE frame is a `marshal` of plain values (type name, repr of the arguments,
formatted traceback, notes) and, if it could be made, the pickle of the exception itself.
"""

from __future__ import annotations

import marshal

from . import _cpython
from ._encoding import decode, encode_whole
from ._errors import DecodingError, RemoteTraceback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ._pieces import Buffer

_REPR_LIMIT = 2000
_MOST_STEPS = 100


def describe_failure(error: BaseException, stage: str) -> bytes:
    """Return the body of a FAILURE frame. Runs user code; never raises.

    Args:
        error: what was raised, with its traceback.
        stage: "decode", "run" or "encode".
    """
    kind = _safely(lambda: f"{type(error).__module__}.{type(error).__qualname__}", "exception")
    facts = (
        stage,
        kind,
        _safely(lambda: repr(error.args)[:_REPR_LIMIT], "repr"),
        _traceback(error, kind),
        _notes(error),
    )
    return marshal.dumps((*facts, _pickled(error)))


def _safely(make: Callable[[], str], what: str) -> str:
    """Return the text that user code makes, or what it raised instead."""
    try:
        return make()
    except BaseException as problem:  # noqa: BLE001 - a __repr__ or property may do anything
        return f"<{what} raised {type(problem).__name__}>"


def _notes(error: BaseException) -> list[str]:
    try:
        return [str(note) for note in getattr(error, "__notes__", ()) if type(note) is str]
    except BaseException:  # noqa: BLE001 - an attribute of that name that is no list of notes
        return []


def _traceback(error: BaseException, kind: str) -> str:
    try:
        import traceback

        return "".join(traceback.format_exception(type(error), error, error.__traceback__))
    except BaseException as problem:  # noqa: BLE001 - a __str__ that raises; no free descriptor
        return _bare_traceback(error, kind, problem)


def _bare_traceback(error: BaseException, kind: str, problem: BaseException) -> str:
    """Return what can be had without an import, a file, or (if it fails) the user's `__str__`."""
    lines = ["Traceback (most recent call last):\n"]
    step = error.__traceback__
    while step is not None and len(lines) <= _MOST_STEPS:
        code = step.tb_frame.f_code
        lines.append(f'  File "{code.co_filename}", line {step.tb_lineno}, in {code.co_name}\n')
        step = step.tb_next
    said = _safely(lambda: f"{error}"[:_REPR_LIMIT], "str")
    why = f"{type(problem).__name__}: " + _safely(lambda: f"{problem}"[:_REPR_LIMIT], "str")
    lines.append(f"{kind}: {said}\n(no more of its traceback can be shown: {why})\n")
    return "".join(lines)


def _pickled(error: BaseException) -> bytes | None:
    """Return the pickle of an exception, or None if it would not come back whole."""
    try:
        body = encode_whole(error)
        decode(body)  # one whose class needs two arguments fails here, at home
    except BaseException:  # noqa: BLE001 - it is told in words instead
        return None
    return body


def describe_loss(task: int, error: Exception) -> bytes:
    """Return the body of a FAILURE frame for an answer that arrived and cannot be had here.

    Args:
        task: the task's id.
        error: why; one of the operating system's or of this package's own. Runs no user code.
    """
    message = f"the result of task {task} cannot be read here: {type(error).__name__}: {error}"
    lost = DecodingError(message)
    kind = "loky_backend.DecodingError"
    pickled = _cpython.pickle.dumps(lost, 5)
    return marshal.dumps(("result", kind, repr(lost.args), f"{kind}: {message}\n", [], pickled))


def failure_text(body: Buffer) -> str:
    """Return the traceback a FAILURE frame tells of; runs no user code, never raises."""
    try:
        return _facts(body)[3]
    except Exception as error:  # noqa: BLE001 - what a broken worker sent; marshal raises anything
        return f"(what it sent of its failure cannot be read: {type(error).__name__}: {error})"


def _facts(body: Buffer) -> tuple[str, str, str, str, list[str], bytes | None]:
    """Return what the body of a FAILURE frame says; raises anything if it is none."""
    stage, kind, arguments, text, notes, pickled = marshal.loads(body)
    for word in (stage, kind, arguments, text, *notes):
        if type(word) is not str:
            raise TypeError(f"{type(word).__name__} where a text was due")
    return stage, kind, arguments, text, notes, pickled


def rebuild_failure(body: Buffer) -> BaseException:
    """Return the exception a FAILURE frame tells of; its cause is the remote traceback.

    Runs user code (unpickling). An exception that cannot be rebuilt becomes a `DecodingError` that
    says what it was.
    """
    try:
        stage, kind, arguments, text, notes, pickled = _facts(body)
    except Exception as problem:  # noqa: BLE001 - as above
        broken = DecodingError("the worker failed, and what it sent of that cannot be read")
        broken.__cause__ = problem
        return broken
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
    known = _notes(error)
    for note in notes:
        if note not in known:
            _add_note(error, note)
    error.__cause__ = RemoteTraceback(text)
    return error


def _add_note(error: BaseException, note: str) -> None:
    """Add a note as PEP 678 does; before 3.11 nothing prints it but the attribute is there."""
    try:
        if hasattr(error, "add_note"):
            error.add_note(note)
        else:
            error.__dict__.setdefault("__notes__", []).append(note)
    except Exception:  # noqa: BLE001 - an exception with a `__notes__` of its own keeps that
        pass
