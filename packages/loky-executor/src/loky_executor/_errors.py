"""The errors users of an executor meet; each is also the standard class they already catch."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    Execution: TypeAlias = Literal["not started", "may have run"]


class ExecutorError(Exception):
    """Root of everything this package raises on purpose."""

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(
    kind: type[ExecutorError], args: tuple[object, ...], facts: dict[str, object]
) -> ExecutorError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(facts)
    return error


class ShutdownExecutorError(ExecutorError, RuntimeError):
    """A task was submitted to an executor that was shut down."""


class WorkersKilledError(ShutdownExecutorError):
    """The executor was told to kill its workers while this task was with one of them."""

    execution: Execution = "may have run"
