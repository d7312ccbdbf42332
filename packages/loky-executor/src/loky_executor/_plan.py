"""How a `map` is to be done: its keywords, checked."""

from __future__ import annotations

import time
from typing import NamedTuple

from . import _arguments as check


class MapPlan(NamedTuple):
    """What `_mapping` needs to know.

    Attributes:
        workers: how many workers there may be.
        by_name: whether the function may be pickled here, once; else the feeder pickles it with
            each task.
        deadline: when to give up, by `time.monotonic`; None for never.
        chunksize: items per task; None to choose.
        buffersize: how many items may be read ahead of the consumer; None: all at once.
        ordered: results in the order of the items, or as they come.
        on_error: "raise", "return" or "skip".
        progress: whether to say on standard error how far it is.
    """

    workers: int
    by_name: bool
    deadline: float | None
    chunksize: int | None
    buffersize: int | None
    ordered: bool
    on_error: str
    progress: bool


def plan_map(
    workers: int,
    by_name: bool,
    *,
    timeout: float | None = None,
    chunksize: int | str | None = "auto",
    buffersize: int | None = None,
    ordered: bool = True,
    on_error: str = "raise",
    progress: bool = False,
) -> MapPlan:
    """Check the keywords of a `map`.

    Raises:
        TypeError: a keyword is unknown, or a value of the wrong type.
        ValueError: a value is out of its range.
    """
    seconds = check.checked_seconds("timeout", timeout)
    automatic = chunksize in ("auto", None)
    return MapPlan(
        workers=workers,
        by_name=by_name,
        deadline=None if seconds is None else time.monotonic() + seconds,
        chunksize=None if automatic else check.checked_count("chunksize", chunksize),
        buffersize=check.checked_optional_count("buffersize", buffersize),
        ordered=bool(ordered),
        on_error=check.checked_choice("on_error", on_error, ("raise", "return", "skip")),
        progress=bool(progress),
    )
