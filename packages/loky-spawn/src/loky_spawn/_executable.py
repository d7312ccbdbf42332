"""Which interpreter a child runs, and with which flags: those of the parent."""

from __future__ import annotations

import os
import sys

from . import _cpython
from ._errors import InterpreterError

# Names in sys.flags and the letter of each on the command line; a flag of value n is given n times.
_FLAG_LETTERS = (
    ("debug", "d"),
    ("optimize", "O"),
    ("dont_write_bytecode", "B"),
    ("no_user_site", "s"),
    ("no_site", "S"),
    ("ignore_environment", "E"),
    ("isolated", "I"),
    ("verbose", "v"),
    ("bytes_warning", "b"),
    ("safe_path", "P"),
)

_chosen: str | None = None


def set_executable(path: str | os.PathLike[str] | None) -> None:
    """Choose the interpreter for children that are started from now on.

    Args:
        path: the interpreter; None goes back to `sys.executable`.

    Raises:
        TypeError: the path is neither a string nor path-like.

    Does not block; may be called from any thread. Needed where Python is embedded in another
    program and `sys.executable` is empty or names that program.
    """
    global _chosen  # noqa: PLW0603 (one setting of the process; a string is set in one step)
    _chosen = None if path is None else os.fspath(path)


def get_executable() -> str:
    """Return the interpreter a child would be started with.

    Returns:
        The path given to `set_executable`, else `sys.executable`.

    Raises:
        InterpreterError: there is none: `sys.executable` is empty or None.
    """
    path = _chosen or sys.executable
    if not path:
        raise InterpreterError(
            None,
            None,
            f"sys.executable is {sys.executable!r}, as it is where Python is embedded",
            "Name an interpreter with loky_spawn.set_executable(path).",
        )
    return path


def interpreter_flags() -> list[str]:
    """Return the command-line flags that give a child the settings of this interpreter.

    `sys.flags` and `sys.warnoptions` say what holds now; ``-u`` is not among the flags and shows
    only in that standard output writes through.
    """
    flags = []
    for name, letter in _FLAG_LETTERS:
        count = int(getattr(sys.flags, name, 0))
        if count:
            flags.append("-" + letter * count)
    if getattr(sys.__stdout__, "write_through", False):
        flags.append("-u")
    flags.extend(f"-W{option}" for option in sys.warnoptions)
    for option, value in _cpython.x_options().items():
        flags += ["-X", option if value is True else f"{option}={value}"]
    return flags
