"""The errors of this package: one root, leaves that are also the standard class users catch.

Every error carries its facts as attributes and survives pickling with them.
"""

from __future__ import annotations


class SpawnError(Exception):
    """Root of everything this package raises on purpose."""

    _facts: tuple[str, ...] = ()  # the attributes that a copy made by pickling has too

    def __reduce__(self) -> tuple[object, ...]:
        facts = {name: getattr(self, name) for name in self._facts}
        return _rebuild, (type(self), self.args, self.__dict__ | facts)


def _rebuild(
    kind: type[SpawnError], args: tuple[object, ...], facts: dict[str, object]
) -> SpawnError:
    error = kind.__new__(kind, *args)
    error.args = args
    for name, value in facts.items():
        setattr(error, name, value)
    return error


class InterpreterError(SpawnError, OSError):
    """The interpreter could not be executed.

    Attributes:
        path: what was to be executed; None if nothing was known.
        errno: the operating system's error number; None if it was not asked.
    """

    _facts = ("path", "errno")

    def __init__(self, path: str | None, errno: int | None, reason: str, advice: str) -> None:
        super().__init__(f"cannot start a Python child with {path!r}: {reason}. {advice}")
        self.path = path
        self.errno = errno

    def __str__(self) -> str:
        return str(self.args[0])


class WorkingDirectoryError(SpawnError, OSError):
    """The working directory asked for does not exist or may not be entered.

    Attributes:
        path: the directory.
        errno: the operating system's error number.
    """

    _facts = ("path", "errno")

    def __init__(self, path: str, errno: int | None, reason: str) -> None:
        super().__init__(f"cannot start a child in the directory cwd={path!r}: {reason}")
        self.path = path
        self.errno = errno

    def __str__(self) -> str:
        return str(self.args[0])


class EntryError(SpawnError, ValueError):
    """The entry is not of the form ``"package.module:function"``.

    Attributes:
        entry: the value given.
    """

    def __init__(self, entry: object) -> None:
        super().__init__(
            f"entry must be a string of the form 'package.module:function', got {entry!r}"
        )
        self.entry = entry


class HandoverError(SpawnError, TypeError, ValueError):
    """Something to be handed to the child is of the wrong type, closed, or not allowed there.

    Attributes:
        argument: the name of the argument of `spawn`.
    """

    def __init__(self, argument: str, reason: str) -> None:
        super().__init__(f"{argument}: {reason}")
        self.argument = argument


class ChildFailedError(SpawnError, RuntimeError):
    """The child ended by something else than the return of its entry.

    Attributes:
        entry: the entry it was started with.
        pid: its process id.
        exitcode: its exit code, negative for a signal, None if somebody else reaped it.
        stage: "start" if the process ended before it came to its entry (what was executed is no
            Python, or it was killed early), "import" if the entry could not be imported, "call"
            if it raised, "exit" otherwise.
        traceback: the child's own traceback as text, "" if it left none.
    """

    def __init__(
        self, entry: str, pid: int, exitcode: int | None, stage: str, traceback: str
    ) -> None:
        what = {
            "start": "was never reached: the process ended first. Is the interpreter a Python?",
            "import": "could not be imported in the child",
            "call": "raised in the child",
        }.get(stage, "did not return")
        text = f"entry {entry!r} {what} (pid {pid}, exit code {exitcode})"
        super().__init__(f"{text}\n\n{traceback}" if traceback else text)
        self.entry = entry
        self.pid = pid
        self.exitcode = exitcode
        self.stage = stage
        self.traceback = traceback
