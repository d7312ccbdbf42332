"""`loky.backend.reduction`: which pickler is used, and the reducers it knows."""

from pickle import loads

from loky_reusable import (
    dump,
    dumps,
    get_loky_pickler,
    get_loky_pickler_name,
    register,
    set_loky_pickler,
)

__all__ = [
    "dump",
    "dumps",
    "get_loky_pickler",
    "get_loky_pickler_name",
    "loads",
    "register",
    "set_loky_pickler",
]
