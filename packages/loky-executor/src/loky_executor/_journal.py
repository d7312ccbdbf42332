"""What threads of a pool have to say: log records that cannot end the thread that writes them."""

from __future__ import annotations

import logging

_log = logging.getLogger("loky_executor")


def note(level: int, message: str, *facts: object, with_traceback: bool = False) -> None:
    """Write a log record; what a handler, a filter or a `__repr__` of the user raises is dropped.

    Args:
        level: of the record.
        message: with placeholders for the facts.
        facts: what goes into them.
        with_traceback: add the exception being handled.
    """
    try:
        _log.log(level, message, *facts, exc_info=with_traceback)
    except BaseException:  # noqa: BLE001 - there is nobody left to be told
        pass
