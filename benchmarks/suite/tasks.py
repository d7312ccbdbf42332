"""The tasks that every contender runs; importable by a worker, and importing nothing heavy."""

from __future__ import annotations

import os
import time


def empty(*_: object) -> None:
    """Do nothing."""


def echo(value: object) -> object:
    """Give the argument back."""
    return value


def ends(array: object) -> float:
    """Read the first and the last item, so that the array has to be there."""
    return float(array[0]) + float(array[-1])  # type: ignore[index]


def ends_of_shared(handle: object) -> float:
    """Do the same with an array that comes as a handle of ours."""
    return ends(handle.get())  # type: ignore[attr-defined]


def pid(seconds: float = 0.0) -> int:
    """Say which process this is, after a while."""
    time.sleep(seconds)
    return os.getpid()


def die() -> None:
    """End the worker as a crash in C would."""
    os._exit(1)


def work(seconds: float) -> None:
    """Sleep if it is long, compute if it is short: short sleeps are not exact."""
    if seconds > 0.01:
        time.sleep(seconds)
        return
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def wait_for(path: str) -> None:
    """Hold a worker until the file exists."""
    while not os.path.exists(path):  # noqa: PTH110 - pathlib costs each worker its import
        time.sleep(0.01)
