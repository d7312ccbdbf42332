"""Where a worker comes to grief: tasks, arguments and results that strike at one exact moment.

All of it is what user code may do: `__reduce__`, `__del__`, `atexit`, threads, a profiler. The last
is how a moment between two lines of the worker's own code is reached: `sys.setprofile` in a task
tells of every call into C that the worker makes afterwards.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
import threading
from pickle import PickleBuffer
from typing import TYPE_CHECKING

from faults.support.ways import SMALL_STACK, strike
from support.executor_gate import pass_gate

if TYPE_CHECKING:
    from types import FrameType

HANGS_END_AFTER = 0.5  # seconds, in a nested pool


class Trap:
    """Strikes where it is unpickled."""

    def __init__(self, way: str, mark: str) -> None:
        self.blow = way, mark

    def __reduce__(self) -> tuple[object, ...]:
        return strike, self.blow


class Bait:
    """Strikes where it is pickled; made in a worker."""

    def __init__(self, way: str, mark: str) -> None:
        self.blow = way, mark

    def __reduce__(self) -> tuple[object, ...]:
        strike(*self.blow)
        return str, ("kept",)


class Farewell:
    """Strikes where it is deleted; arrives as a text, so it is only deleted in the worker."""

    def __init__(self, way: str, mark: str) -> None:
        self.blow = way, mark

    def __del__(self) -> None:
        strike(*self.blow)

    def __reduce__(self) -> tuple[object, ...]:
        return str, ("kept",)


def strike_at(event: str, call: str, function: str, blow: tuple[str, str], count: int = 1) -> None:
    """Strike at the n-th event of a call into C by a function, in this thread, from now on."""
    left = count

    def look(frame: FrameType, what: str, called: object) -> None:
        nonlocal left
        if what != event or frame.f_code.co_name != function:
            return
        if getattr(called, "__name__", "") == call:
            left -= 1
            if left == 0:
                sys.setprofile(None)
                strike(*blow)

    sys.setprofile(look)


def keep(value: object, *_: object) -> object:
    """Return the first argument."""
    return value


def keep_at_gate(value: object, port: int) -> object:
    """Wait at a gate, then return the first argument."""
    pass_gate(port)
    return value


def collect_at_gate(value: object, port: int) -> object:
    """Wait at a gate, collect garbage, then return the first argument."""
    pass_gate(port)
    gc.collect()
    return value


def return_bait(way: str, mark: str) -> Bait:
    """Return what strikes when it is pickled."""
    return Bait(way, mark)


def write_small(way: str, mark: str) -> str:
    """Return a small result; strike when it is about to be written."""
    strike_at("c_call", "write", "send", (way, mark))
    return "kept"


def write_large(size: int, way: str, mark: str) -> list[PickleBuffer]:
    """Return so many bytes in 2000 pieces, which take four writes; strike after the second."""
    strike_at("c_return", "writev", "send", (way, mark), 2)
    return [PickleBuffer(bytes(size // 2000)) for _ in range(2000)]


def write_placed(size: int, way: str, mark: str) -> PickleBuffer:
    """Return so many bytes beside the stream; strike when their descriptor was sent."""
    strike_at("c_return", "sendmsg", "send_fds", (way, mark))
    return PickleBuffer(bytes(size))


def strike_later(port: int, way: str, mark: str) -> object:
    """Wait at a gate, then strike."""
    pass_gate(port)
    return strike(way, mark)


def strike_at_claim(port: int, way: str, mark: str) -> str:
    """Wait at a gate; strike when the next task of the batch is about to be claimed."""
    pass_gate(port)
    strike_at("c_call", "read", "next_token", (way, mark))
    return "kept"


def strike_when_recalled(port: int, way: str, mark: str) -> str:
    """Wait at a gate; strike when the next task of the batch turns out to be taken back."""
    pass_gate(port)
    strike_at("c_exception", "read", "next_token", (way, mark))
    return "kept"


def return_farewell(port: int, way: str, mark: str) -> Farewell:
    """Wait at a gate; return what strikes when it is deleted, after it was sent."""
    pass_gate(port)
    return Farewell(way, mark)


def lurk(port: int, way: str, mark: str) -> int:
    """Leave a thread behind that waits at a gate and then strikes; return the pid.

    Garbage is collected when the test says so, not when it happens to be due: see `apart`.
    """
    gc.disable()
    threading.stack_size(SMALL_STACK)
    threading.Thread(target=strike_later, args=(port, way, mark), daemon=True).start()
    threading.stack_size(0)
    return os.getpid()


def leave_in_anger(way: str, mark: str) -> int:
    """Have this process strike when it exits; return the pid."""
    atexit.register(strike, way, mark)
    return os.getpid()


def strike_in_nested(way: str, mark: str) -> object:
    """Have a worker of a pool in this worker strike."""
    from loky_executor import ProcessPoolExecutor

    timeout = HANGS_END_AFTER if way in {"loop", "SIGSTOP"} else None
    with ProcessPoolExecutor(1) as inner:
        return inner.options(timeout=timeout).submit(strike, way, mark).result()


def strike_around_nested(port: int, way: str, mark: str) -> object:
    """Strike in a worker while the pool in it is busy; both wait at the gate first."""
    from loky_executor import ProcessPoolExecutor

    inner = ProcessPoolExecutor(1)
    inner.submit(pass_gate, port)
    return strike_later(port, way, mark)
