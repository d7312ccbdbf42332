"""Tasks that get shared objects."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .executor_gate import pass_gate

if TYPE_CHECKING:
    from loky_executor import Shared


def look(handle: Shared[Any]) -> tuple[float, bool, int]:
    """Say what an array is made of, whether it can be written to, and who looked."""
    array = handle.get()
    return float(array.sum()), bool(array.flags.writeable), os.getpid()


def same_object(handle: Shared[Any]) -> tuple[int, int]:
    """Return the identity of the object, and who looked."""
    return id(handle.get()), os.getpid()


def mapped(name: str = "loky-shared") -> int:
    """Count the mappings of shared objects in this process."""
    return Path("/proc/self/maps").read_text(encoding="utf-8").count(name)


def look_behind_gate(port: int, handle: Shared[Any]) -> float:
    """Wait at a gate before looking."""
    pass_gate(port)
    return look(handle)[0]


def give_back(handle: Shared[Any]) -> Shared[Any]:
    """Return the handle itself."""
    return handle


def size_in_whole_list(handles: dict[str, list[Shared[Any]]]) -> int:
    """Count bytes of handles that sit deep in an argument."""
    return sum(len(handle.get()) for handle in handles["all"])


def pass_on(handle: Shared[Any]) -> tuple[float, bool, int]:
    """Give the handle to a worker of a pool in this worker."""
    from loky_executor import ProcessPoolExecutor

    with ProcessPoolExecutor(1) as inner:
        return inner.submit(look, handle).result()


def die_holding(handle: Shared[Any]) -> None:
    """Use the object and die."""
    handle.get()
    os._exit(3)
