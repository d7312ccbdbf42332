"""Tasks, arguments and exceptions that workers import by name; imports nothing heavy."""

from __future__ import annotations

import os
import sys


class TwoArgumentsError(Exception):
    """Cannot be rebuilt from `args`: its constructor wants two, and hands up one."""

    def __init__(self, first: object, second: object) -> None:
        super().__init__(f"{first} and {second}")


class RefusesToPickle:
    """An argument or result whose pickling raises."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error or ValueError("not for travel")

    def __reduce__(self) -> tuple[object, ...]:
        raise self.error


class RefusesToUnpickle:
    """Pickles, and raises wherever it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return fail, ("unpickling refused",)


class ClosesDownWhenUnpickled:
    """Ends the process that unpickles it."""

    def __reduce__(self) -> tuple[object, ...]:
        return os._exit, (3,)


def fail(message: str) -> None:
    """Raise a ValueError."""
    raise ValueError(message)


def fail_with_cause() -> None:
    """Raise one exception from another."""
    try:
        {}["missing"]
    except KeyError as error:
        raise LookupError("outer") from error


def raise_two_arguments() -> None:
    """Raise an exception that cannot be rebuilt."""
    raise TwoArgumentsError("this", "that")


def raise_system_exit() -> None:
    """Leave, as a program would."""
    sys.exit("bye")


def raise_keyboard_interrupt() -> None:
    """Raise what Ctrl-C raises."""
    raise KeyboardInterrupt


def return_unpicklable() -> object:
    """Return what no pickler takes."""
    return (number for number in range(3))


def return_refusal() -> object:
    """Return what cannot be unpickled."""
    return RefusesToUnpickle()


def environment_value(name: str) -> str | None:
    """Return a variable of the worker's environment."""
    return os.environ.get(name)


_prepared: list[object] = []


def prepare(*values: object) -> None:
    """Serve as an initializer: remember the values."""
    _prepared.append(values)


def prepared() -> list[object]:
    """Return what the initializer remembered."""
    return _prepared


def with_pid(value: object) -> tuple[object, int]:
    """Return the value, and which process had it."""
    return value, os.getpid()


_unpickled = 0


class Counting:
    """A function that says how often it was pickled here, and unpickled in its process."""

    def __init__(self, *, broken: bool = False) -> None:
        self.pickled = 0
        self.broken = broken

    def __reduce__(self) -> tuple[object, ...]:
        self.pickled += 1
        return _rebuild_counting, (self.broken, "x" * 1000)

    def __call__(self, value: object) -> tuple[int, object]:
        """Return how often one was unpickled here, and the value."""
        return _unpickled, value


def _rebuild_counting(broken: bool, _ballast: str) -> Counting:
    global _unpickled
    if broken:
        raise ValueError("cannot be rebuilt")
    _unpickled += 1
    return Counting()
