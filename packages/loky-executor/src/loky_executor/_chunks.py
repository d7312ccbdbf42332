"""What runs in a worker for a chunk of a `map`: item by item, each with an outcome of its own."""

from __future__ import annotations

from loky_backend import decode, describe_failure, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, TypeAlias

    from loky_backend import Shared

    # What the items came to, and by position the FAILURE bodies of those that failed.
    Outcomes: TypeAlias = tuple[list[Any], dict[int, Any]]


def call_shared(function: Shared[Callable[..., Any]], *arguments: Any) -> Any:
    """Call a function that comes as a handle: each worker decodes it once."""
    return function.get()(*arguments)


def run_chunk(function: Any, items: Sequence[Any], starred: bool) -> Any:
    """Call a function, or what a handle stands for, with each item; with its parts if `starred`.

    Returns:
        The outcomes as one pickle; or as they are, if they carry large buffers. An item that
        raises, or whose result cannot be pickled, does not take its neighbours with it.
    """
    values: list[Any] = []
    failures: dict[int, Any] = {}
    call = function if callable(function) else function.get()
    for item in items:
        try:
            values.append(call(*item) if starred else call(item))
        except BaseException as error:  # noqa: BLE001 - it is the outcome of this item
            failures[len(values)] = describe_failure(error, "run")
            values.append(None)
    try:
        encoded = encode((values, failures))
    except Exception:  # noqa: BLE001 - which of them cannot be pickled is found one by one
        _fail_those_that_cannot_be_pickled(values, failures)
        encoded = encode((values, failures))
    return (values, failures) if encoded.buffers else encoded.body


def _fail_those_that_cannot_be_pickled(values: list[Any], failures: dict[int, Any]) -> None:
    for position, value in enumerate(values):
        try:
            encode(value)
        except Exception as error:  # noqa: BLE001 - it is the outcome of this item
            failures[position] = describe_failure(error, "encode")
            values[position] = None


def outcomes_of(answer: Any) -> Outcomes:
    """Return the outcomes that `run_chunk` sent; in the parent."""
    outcomes: Outcomes = decode(answer) if isinstance(answer, bytes) else answer
    return outcomes
