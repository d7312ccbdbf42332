"""What runs in a worker for a chunk of a `map`: item by item, each with an outcome of its own."""

from __future__ import annotations

from loky_backend import decode, describe_failure, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, TypeAlias

    # (True, value), or (False, body of a FAILURE frame)
    Outcome: TypeAlias = tuple[bool, Any]


def run_chunk(function: Callable[..., Any], items: Iterable[tuple[Any, ...]]) -> Any:
    """Call a function with each item's arguments.

    Returns:
        The outcomes as one pickle; or as they are, if they carry large buffers. An item that
        raises, or whose result cannot be pickled, does not take its neighbours with it.
    """
    outcomes = [_run(function, arguments) for arguments in items]
    try:
        encoded = encode(outcomes)
    except Exception:  # noqa: BLE001 - which of them cannot be pickled is found one by one
        outcomes = [_picklable(outcome) for outcome in outcomes]
        encoded = encode(outcomes)
    return outcomes if encoded.buffers else encoded.body


def _run(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Outcome:
    try:
        return True, function(*arguments)
    except BaseException as error:  # noqa: BLE001 - it is the outcome of this item
        return False, describe_failure(error, "run")


def _picklable(outcome: Outcome) -> Outcome:
    try:
        encode(outcome)
    except Exception as error:  # noqa: BLE001 - it is the outcome of this item
        return False, describe_failure(error, "encode")
    return outcome


def outcomes_of(answer: Any) -> list[Outcome]:
    """Return the outcomes that `run_chunk` sent; in the parent."""
    outcomes: list[Outcome] = decode(answer) if isinstance(answer, bytes) else answer
    return outcomes
