"""How exceptions travel, whatever their own methods do; no process is needed."""

from __future__ import annotations

import marshal

import pytest

from loky_backend import DecodingError, RemoteTraceback, describe_failure, rebuild_failure
from loky_backend._failures import failure_text
from support import backend_tasks as tasks


def raised(error: BaseException) -> BaseException:
    """Return an exception with a traceback."""
    try:
        raise error
    except BaseException as caught:
        return caught


def travelled(error: BaseException, stage: str = "run") -> BaseException:
    """Return what becomes of an exception on the other side."""
    return rebuild_failure(describe_failure(raised(error), stage))


def test_an_exception_comes_back_with_its_traceback() -> None:
    """Type and arguments are the same; the cause holds the traceback."""
    error = travelled(KeyError("a", 1))
    assert (type(error), error.args) == (KeyError, ("a", 1))
    assert isinstance(error.__cause__, RemoteTraceback)
    assert "in raised" in str(error.__cause__)
    assert "KeyError: ('a', 1)" in str(error.__cause__)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit("x")])
def test_exceptions_that_are_no_errors(error: BaseException) -> None:
    """What ends a program elsewhere is an answer here."""
    back = travelled(error)
    assert (type(back), back.args) == (type(error), error.args)


def test_a_class_with_two_required_arguments() -> None:
    """An exception that its pickle cannot rebuild is told in words."""
    error = travelled(tasks.TwoArgumentsError("smoke", "home"))
    assert type(error) is DecodingError
    assert "support.backend_tasks.TwoArgumentsError('smoke at home',)" in str(error)
    assert "TwoArgumentsError: smoke at home" in str(error.__cause__)


@pytest.mark.parametrize("how", [ValueError, SystemExit, KeyboardInterrupt, RecursionError])
@pytest.mark.parametrize("where", ["__str__", "__repr__", "__reduce__"])
def test_hostile_methods(where: str, how: type[BaseException]) -> None:
    """Whatever `__str__`, `__repr__` and `__reduce__` raise, the user reads what it was."""
    error = travelled(tasks.hostile(where, how))
    text = f"{type(error).__name__} {error.__cause__}"
    assert "HostileError" in text
    assert isinstance(error.__cause__, RemoteTraceback)


def test_notes_travel() -> None:
    """Notes come back once each, whether or not the exception can be rebuilt."""
    for error in (ValueError("a"), tasks.TwoArgumentsError("a", "b")):
        error.__notes__ = ["first", "second"]  # type: ignore[attr-defined]
        assert travelled(error).__notes__ == ["first", "second"]  # type: ignore[attr-defined]


def test_notes_that_are_no_strings_are_left_out() -> None:
    """A list of notes may hold anything; what is text travels."""
    error = tasks.TwoArgumentsError("a", "b")
    error.__notes__ = ["text", 5, b"bytes"]  # type: ignore[attr-defined]
    assert travelled(error).__notes__ == ["text"]  # type: ignore[attr-defined]


class NotesRaiseError(Exception):
    """An exception whose notes cannot be had."""

    @property
    def __notes__(self) -> list[str]:
        """Raise."""
        raise RuntimeError("no notes")


class ArgumentsRaiseError(Exception):
    """An exception whose arguments cannot be had."""

    @property
    def args(self) -> tuple[object, ...]:  # type: ignore[override]
        """Raise."""
        raise RuntimeError("no arguments")


def _with_notes(notes: object) -> BaseException:
    error = ValueError("x")
    error.__notes__ = notes  # type: ignore[attr-defined]
    return error


@pytest.mark.parametrize(
    "error",
    [_with_notes(5), _with_notes(None), NotesRaiseError("x"), ArgumentsRaiseError("x")],
    ids=["notes=5", "notes=None", "notes raise", "args raise"],
)
def test_attributes_that_are_not_what_they_should_be(error: BaseException) -> None:
    """`describe_failure` never raises."""
    body = describe_failure(raised(error), "run")
    assert type(error).__name__ in failure_text(body)


def test_surrogates_travel() -> None:
    """Text that cannot be encoded (a file name with odd bytes) does not stop an exception."""
    error = travelled(tasks.TwoArgumentsError("\udcff", "\ud800"))
    assert type(error) is DecodingError


def test_a_pickle_that_breaks_on_this_side() -> None:
    """An exception that is rebuilt there and not here is told in words."""
    facts = list(marshal.loads(describe_failure(raised(ValueError("kept")), "run")))
    facts[5] = b"\x80\x05cno_such_module_here\nThing\n."
    error = rebuild_failure(marshal.dumps(tuple(facts)))
    assert type(error) is DecodingError
    assert "builtins.ValueError('kept',)" in str(error)
    assert "ModuleNotFoundError" in str(error)
    assert "ValueError: kept" in str(error.__cause__)


def test_a_pickle_of_something_else() -> None:
    """What comes back and is no exception is not raised."""
    facts = list(marshal.loads(describe_failure(raised(ValueError("kept")), "run")))
    facts[5] = b"\x80\x05K\x01."
    assert "ValueError('kept',)" in str(rebuild_failure(marshal.dumps(tuple(facts))))


@pytest.mark.parametrize(
    ("stage", "words"), [("decode", "decoding the task"), ("encode", "encoding the result")]
)
def test_the_stage_is_named(stage: str, words: str) -> None:
    """The message says where it was raised if that was not the task."""
    assert words in str(travelled(tasks.TwoArgumentsError("a", "b"), stage))


def test_long_arguments_are_cut() -> None:
    """The `repr` of huge arguments does not travel whole."""
    error = tasks.TwoArgumentsError("a", "b")
    error.args = ("x" * 1_000_000,)
    assert len(str(travelled(error))) < 5000


def test_causes_are_in_the_traceback() -> None:
    """The chain of causes in the worker can be read here."""
    error = ValueError("outer")
    error.__cause__ = raised(KeyError("inner"))
    assert "KeyError: 'inner'" in str(travelled(error).__cause__)
