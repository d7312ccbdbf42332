"""Tasks that make trouble on purpose: they crash, hang, hold the GIL, eat memory."""

from __future__ import annotations

import ctypes
import os
import time
from pathlib import Path
from typing import Any

from support.executor_gate import pass_gate

_kept: list[object] = []


def hold_the_gil(seconds: int) -> None:
    """Sleep in C with the GIL held: no Python code runs in this process meanwhile."""
    ctypes.PyDLL(None).sleep(seconds)


def sleep_in_python(seconds: float) -> None:
    """Sleep as Python code does."""
    time.sleep(seconds)


def crash(code: int = 1) -> None:
    """End the process at once."""
    os._exit(code)


def crash_if(value: object, bad: object) -> object:
    """End the process if the value is the bad one, else return it."""
    if value == bad:
        os._exit(1)
    return value


def act(value: Any) -> object:
    """Return a number; raise, crash or hang if told so instead."""
    if value == "raise":
        raise ValueError("told to raise")
    if value == "crash":
        os._exit(1)
    if value == "hang":
        time.sleep(60)
    return value


def fail_the_first_times(folder: str, times: int, how: str) -> int:
    """Fail in some way so many times, counted by files; then return the number of calls."""
    calls = len(list(Path(folder).iterdir()))
    Path(folder, f"{calls}-{os.getpid()}").touch()
    if calls < times:
        act(how)
    return calls + 1


def pass_gate_then_crash(port: int) -> None:
    """Wait at a gate, then end the process."""
    pass_gate(port)
    os._exit(1)


def keep_memory(size: int) -> int:
    """Leak so many bytes, which are really there; return the pid."""
    _kept.append(b"x" * size)
    return os.getpid()


def keep_memory_and_wait(size: int) -> None:
    """Have so many bytes until killed."""
    _kept.append(b"x" * size)
    time.sleep(60)


def depth_reached(levels: int) -> int:
    """Run an executor in an executor in an executor; return how deep it went."""
    from loky_executor import ProcessPoolExecutor

    if levels == 0:
        return 0
    with ProcessPoolExecutor(1) as executor:
        return 1 + executor.submit(depth_reached, levels - 1).result(60)


class HangsWhenUnpickled:
    """Sleeps for a minute wherever it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return time.sleep, (60,)


class Hostile:
    """Compares, hashes and shows itself only by raising."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no comparison")

    def __bool__(self) -> bool:
        raise RuntimeError("no truth")

    def __repr__(self) -> str:
        raise RuntimeError("no words")


class HasConnection:
    """Holds an object that holds what cannot be pickled."""

    def __init__(self, lock: object) -> None:
        self.conn = _Connection(lock)


class _Connection:
    def __init__(self, lock: object) -> None:
        self.lock = lock


class WithBadState:
    """Its `__getstate__` does what it is told."""

    def __init__(self, action: Any) -> None:
        self.action = action

    def __getstate__(self) -> object:
        return self.action()
