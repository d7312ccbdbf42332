"""What a pool is told once, when it is made."""

from __future__ import annotations

from typing import NamedTuple

from ._machine import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from loky_backend import Inheritance


class PoolSettings(NamedTuple):
    """Settings of a pool, checked already.

    Attributes:
        machine: those of the scheduler.
        idle_timeout: seconds after which a worker without work leaves; None for never.
        initializer: the initializer and its arguments, encoded; None for none.
        inheritance: the descriptors that the initializer's arguments need in workers.
        env: changes to the environment of workers.
        job_reducers: exact type -> reducer, for tasks; not empty: only the feeder encodes.
        pickling: how workers pickle their answers (`loky_backend.pack_settings`).
        start_timeout: seconds a worker may take to get ready; None for any.
        memory_limit: bytes of its own a worker may have; None for any.
        leak_limit: bytes a worker may grow by after its first task; None for any.
        refused: turns what pickling a task raised into what its future raises; None for the same.
    """

    machine: Settings = Settings()
    idle_timeout: float | None = None
    initializer: bytes | None = None
    inheritance: Inheritance | None = None
    env: Mapping[str, str | None] | None = None
    job_reducers: Mapping[type, Callable[[Any], Any]] | None = None
    pickling: bytes | None = None
    start_timeout: float | None = None
    memory_limit: int | None = None
    leak_limit: int | None = None
    refused: Callable[[BaseException], BaseException] | None = None
