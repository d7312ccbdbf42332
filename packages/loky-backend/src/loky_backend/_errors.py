"""The errors of this package: one root; leaves are also the standard class users catch."""

from __future__ import annotations

from . import _cpython

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._obituary import Obituary


class BackendError(Exception):
    """Root of everything this package raises on purpose."""

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(
    kind: type[BackendError], args: tuple[object, ...], facts: dict[str, object]
) -> BackendError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(facts)
    return error


class ProtocolError(BackendError, ValueError):
    """A stream is not made of frames: the other side is broken, or is not one of ours."""


class SharedMemoryError(BackendError, OSError):
    """The memory of a shared object cannot be opened here."""


class WorkerDiedError(BackendError, RuntimeError):
    """A worker process ended while it was needed.

    Attributes:
        obituary: how it died.
    """

    def __init__(self, obituary: Obituary) -> None:
        super().__init__(str(obituary))
        self.obituary = obituary


class WorkerStartError(BackendError, RuntimeError):
    """A worker could not be started, or died before it was ready.

    Attributes:
        obituary: how it died; None if there never was a process.
    """

    def __init__(self, message: str, obituary: Obituary | None = None) -> None:
        super().__init__(message)
        self.obituary = obituary


class EncodingError(BackendError, _cpython.pickle.PicklingError, TypeError):
    """An object cannot be pickled.

    Attributes:
        path: where in the task the culprit sits, such as ``args[1].conn.lock``.
    """

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(message)
        self.path = path


class PicklerChoiceError(BackendError, ImportError):
    """The pickler that was asked for (`set_loky_pickler`, ``LOKY_PICKLER``) cannot be used."""


class DecodingError(BackendError, _cpython.pickle.UnpicklingError, ValueError):
    """Bytes of the other side cannot be turned into objects here; the cause says why."""


class RemoteTraceback(BackendError):  # noqa: N818 - what it is called in the field
    """The cause of a task's exception: the traceback in the worker, as text."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'
