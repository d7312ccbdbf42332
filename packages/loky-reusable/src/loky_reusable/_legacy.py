"""Names of loky 3.7 whose spelling differs one row below: the same work.

Nothing here is needed by new code.
"""

from __future__ import annotations

import os
import signal
import traceback

import loky_executor as executor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

MAX_DEPTH = int(os.environ.get("LOKY_MAX_DEPTH", "10"))
CURRENT_DEPTH = int(os.environ.get("LOKY_WORKER_DEPTH", "0"))
EXTRA_QUEUED_CALLS = 1


def register(type_: type, reduce_function: Callable[[Any], Any]) -> None:
    """Have all objects of exactly this type pickled by a function; see `loky_backend.register`."""
    executor.register(type_, reduce_function)


def set_loky_pickler(loky_pickler: str | None = None) -> None:
    """Choose the pickler of this process; see `loky_backend.set_loky_pickler`."""
    executor.set_loky_pickler(loky_pickler)


def dumps(
    obj: Any,
    reducers: Mapping[type, Callable[[Any], Any]] | None = None,
    protocol: int | None = None,
) -> bytes:
    """Return the pickle of an object; `protocol` makes no difference, since the newest is used."""
    del protocol
    return executor.dumps(obj, reducers)


def dump(
    obj: Any,
    file: Any,
    reducers: Mapping[type, Callable[[Any], Any]] | None = None,
    protocol: int | None = None,
) -> None:
    """Write the pickle of an object to a file; `protocol` as for `dumps`."""
    del protocol
    executor.dump(obj, file, reducers)


def kill_process_tree(process: Any, use_psutil: bool = True) -> None:
    """Kill a process with all it started, and reap it; see `loky_backend.kill_process_tree`."""
    executor.kill_process_tree(process, use_psutil)


def get_exitcodes_terminated_worker(processes: Mapping[Any, Any]) -> str:
    """Return the exit codes of those processes that have ended, as ``{SIGKILL(-9), EXIT(1)}``."""
    codes = [process.exitcode for process in processes.values()]
    return "{" + ", ".join(_named(code) for code in codes if code is not None) + "}"


def _named(code: int) -> str:
    if code >= 0:
        return f"EXIT({code})"
    try:
        return f"{signal.Signals(-code).name}({code})"
    except ValueError:
        return f"UNKNOWN({code})"


class CarriedException:
    """An exception that is returned; its pickle becomes the exception, with its traceback as cause.

    Attributes:
        exc: the exception.
        tb: its formatted traceback.
    """

    def __init__(self, exc: BaseException) -> None:
        self.exc = exc
        lines = traceback.format_exception(type(exc), exc, exc.__traceback__)
        self.tb = "".join(lines)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_exception, (self.exc, self.tb)


def _rebuild_exception(exc: BaseException, tb: str) -> BaseException:
    exc.__cause__ = executor.RemoteTraceback(tb)
    return exc
