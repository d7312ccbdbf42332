"""Classes and functions that tests of picklers send."""

from __future__ import annotations

import pickle
import threading
from typing import Any


class Locked:
    """An object that cannot be pickled, since it has a lock."""

    def __init__(self) -> None:
        self.name = "x"
        self.lock = threading.Lock()


class Slotted:
    """The same with slots."""

    __slots__ = ("inner",)

    def __init__(self, inner: object) -> None:
        self.inner = inner


class Arguments:
    """An object that is rebuilt from arguments."""

    def __init__(self, inner: object) -> None:
        self.inner = inner

    def __reduce__(self) -> tuple[Any, ...]:
        return Arguments, (self.inner,)


class Nasty:
    """An object whose every inspection raises."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError("no reduction")

    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    def __getattr__(self, name: str) -> object:
        raise RuntimeError("no attributes")


class Ring:
    """An object that refers to itself, and to a lock far away."""

    def __init__(self) -> None:
        self.me = self
        self.many = list(range(1000))
        self.last = [Locked()]


class Temperature:
    """An object that a reducer may send as something else."""

    def __init__(self, degrees: float) -> None:
        self.degrees = degrees


def warmer(temperature: Temperature) -> tuple[Any, ...]:
    """Reduce a temperature to a warmer one."""
    return Temperature, (temperature.degrees + 1,)


def colder(temperature: Temperature) -> tuple[Any, ...]:
    """Reduce a temperature to a colder one."""
    return Temperature, (temperature.degrees - 1,)


class Pickler(pickle._Pickler):  # type: ignore[name-defined,misc]
    """A pickler in Python that counts its dumps; the module is one for `set_loky_pickler`."""

    dumps = 0

    def dump(self, obj: object) -> None:
        """Count, then pickle."""
        type(self).dumps += 1
        super().dump(obj)
