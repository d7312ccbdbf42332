"""The only platform switch of this package."""

import sys

if sys.platform == "win32":
    from ._win32 import (
        Wire,
        dump_stacks_on,
        receive_descriptor,
        send_descriptor,
        unwatch_death,
        watch_death,
    )
else:
    from ._posix import (
        Wire,
        dump_stacks_on,
        receive_descriptor,
        send_descriptor,
        unwatch_death,
        watch_death,
    )

__all__ = [
    "Wire",
    "dump_stacks_on",
    "receive_descriptor",
    "send_descriptor",
    "unwatch_death",
    "watch_death",
]
