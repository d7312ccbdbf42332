"""The tasks of `storm.py`, in a module that workers import, and what each may end with."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import time
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

# What can happen to any task here: its worker is killed, it is cancelled, its executor is ended.
ANYTIME = frozenset({"cancelled", "crashed", "broken", "shut down", "interrupted"})
DEATHS = ("exit", "kill", "abort", "segfault")
SIZES = (0, 1, 4_095, 65_537, 300_000, 1_500_000, 8_000_000)


class StormError(Exception):
    """What tasks raise; cannot be rebuilt from its `args` if it was given two."""

    def __init__(self, first: object, second: object = None) -> None:
        super().__init__(f"{first}" if second is None else f"{first} and {second}")


class Block:
    """Bytes that travel beside the pickle, and know whether they arrived whole."""

    def __init__(self, data: Any, checksum: int) -> None:
        self.data = data
        self.checksum = checksum

    @classmethod
    def of(cls, size: int, filling: int) -> Block:
        """Make a block of so many bytes."""
        data = bytearray(filling.to_bytes(4, "little") * (size // 4 + 1))[:size]
        return cls(data, zlib.crc32(data))

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return Block, (pickle.PickleBuffer(self.data), self.checksum)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Block) and self.checksum == other.checksum == zlib.crc32(
            self.data
        ) == zlib.crc32(other.data)

    __hash__ = None  # type: ignore[assignment]


class Refuses:
    """Raises when it is pickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        raise StormError("not for travel")


class RefusesThere:
    """Raises when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return fail, ("unpickling refused",)


def square(number: int) -> int:
    """Return the square."""
    return number * number


def echo(value: object) -> object:
    """Return what was given."""
    return value


def fail(*arguments: object) -> None:
    """Raise a StormError."""
    raise StormError(*arguments)


def nap(seconds: float, value: object) -> object:
    """Sleep, then return the value."""
    time.sleep(seconds)
    return value


def spin(rounds: int) -> int:
    """Compute; return the number of rounds."""
    return sum(1 for _ in range(rounds))


def die(how: str) -> None:
    """End this process."""
    if how == "exit":
        os._exit(3)
    if how == "segfault":
        import ctypes

        ctypes.string_at(0)
    number = signal.SIGKILL if how == "kill" else signal.SIGABRT
    os.kill(os.getpid(), number)


def hold_the_gil() -> None:
    """Sleep in C with the GIL held, for longer than anybody waits."""
    import ctypes

    ctypes.PyDLL(None).sleep(60)


def leave() -> None:
    """Raise SystemExit."""
    sys.exit(5)


def nest(number: int) -> int:
    """Have the square computed by an executor in this worker."""
    from loky_executor import ProcessPoolExecutor

    with ProcessPoolExecutor(1) as executor:
        return executor.submit(square, number).result(60)


@dataclass(frozen=True)
class Job:
    """One task to be submitted.

    Attributes:
        call: function and arguments.
        ends: how it may end, beside `ANYTIME`.
        value: what it returns, if it does.
        timeout: its time limit in seconds.
    """

    call: tuple[Any, ...]
    ends: frozenset[str]
    value: object = None
    timeout: float | None = None


def _job(value: object, *call: Any, ends: str = "returned", timeout: float | None = None) -> Job:
    return Job(call, frozenset({ends}) | ANYTIME, value, timeout)


def _block(chance: random.Random) -> Job:
    block = Block.of(chance.choice(SIZES), chance.randrange(1 << 32))
    return _job(block, echo, block)


def _square(chance: random.Random) -> Job:
    number = chance.randrange(10**6)
    return _job(number * number, square, number)


def _closure(chance: random.Random) -> Job:
    number = chance.randrange(10**6)
    return _job(number + 1, lambda: number + 1)


def _nest(chance: random.Random) -> Job:
    number = chance.randrange(100)
    return _job(number * number, nest, number)


def _same(*job: Any, ends: str = "returned", timeout: float | None = None) -> Callable[..., Job]:
    """Return a maker of the same task every time: value, function, arguments."""
    return lambda _: _job(*job, ends=ends, timeout=timeout)


KINDS: dict[str, tuple[float, Callable[[random.Random], Job]]] = {
    "square": (60, _square),
    "block": (12, _block),
    "closure": (4, _closure),
    "text": (3, _same("x" * 400_000, echo, "x" * 400_000)),
    "nap": (6, lambda chance: _job("up", nap, chance.random() * 0.02, "up")),
    "spin": (4, _same(20_000, spin, 20_000)),
    "raise": (3, _same(None, fail, "told to", ends="raised")),
    "raise two": (1, _same(None, fail, "this", "that", ends="raised")),
    "leave": (1, _same(None, leave, ends="left")),
    "unpicklable": (1, _same(None, echo, Refuses(), ends="raised")),
    "not unpicklable": (1, _same(None, echo, RefusesThere(), ends="raised")),
    "unpicklable result": (1, _same(None, Refuses, ends="raised")),
    "late": (0.4, _same(None, time.sleep, 60, ends="timed out", timeout=0.05)),
    "stuck": (0.2, _same(None, hold_the_gil, ends="timed out", timeout=0.05)),
    "die": (0.6, lambda chance: _job(None, die, chance.choice(DEATHS), ends="crashed")),
    "nest": (0.15, _nest),
}


def random_job(chance: random.Random) -> Job:
    """Return a task of a random kind."""
    weights = [weight for weight, _ in KINDS.values()]
    [(_, make)] = chance.choices(list(KINDS.values()), weights)
    return make(chance)
