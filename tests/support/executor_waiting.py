"""Waiting for what another process does, with a deadline."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PATIENCE = 30.0  # seconds; far more than anything needs, since machines can be busy


def eventually(condition: Callable[[], object], *, within: float = PATIENCE) -> bool:
    """Say whether a condition becomes true in time; looks again and again."""
    deadline = time.monotonic() + within
    pause = 0.0005
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
        pause = min(2 * pause, 0.02)
    return True


def alive(pid: int) -> bool:
    """Say whether a process runs; a zombie does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def all_gone(pids: Iterable[int], *, within: float = PATIENCE) -> bool:
    """Say whether none of these processes runs any more, in time."""
    pids = list(pids)
    return eventually(lambda: not any(alive(pid) for pid in pids), within=within)


def occupancy(executor: object) -> tuple[int, int]:
    """Return (busy, idle or starting) workers as the executor's repr tells it."""
    found = re.search(r"(\d+) busy, (\d+) idle", repr(executor))
    assert found is not None, repr(executor)
    return int(found[1]), int(found[2])
