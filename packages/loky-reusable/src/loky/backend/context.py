"""`loky.backend.context`: contexts of `multiprocessing`, and how many processors there are."""

from loky_backend import LokyContext, LokyInitMainContext
from loky_reusable import (
    START_METHODS,
    cpu_count,
    get_context,
    get_start_method,
    set_start_method,
)

__all__ = [
    "START_METHODS",
    "LokyContext",
    "LokyInitMainContext",
    "cpu_count",
    "get_context",
    "get_start_method",
    "set_start_method",
]
