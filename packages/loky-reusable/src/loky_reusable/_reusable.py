"""`get_reusable_executor`: the one executor of the process, and when another takes its place.

Rule: nothing blocks or runs user code under the lock of a slot, which is held for one assignment.
"""

from __future__ import annotations

import itertools
import logging
import os
import threading
from typing import Any

from loky_executor import ProcessPoolExecutor, cpu_count

from ._sameness import same

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_log = logging.getLogger("loky_reusable")
_numbers = itertools.count(0)


class ReusableExecutor(ProcessPoolExecutor):
    """The executor that `get_reusable_executor` returns.

    Attributes:
        executor_id: a number of its own; another executor has a higher one.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.executor_id = next(_numbers)


class _Slot:
    """Holds the executor of a process, or of a thread."""

    def __init__(self) -> None:
        self.lock = threading.Lock()  # guards `held`; held for one assignment
        self.held: tuple[ReusableExecutor, dict[str, Any]] | None = None


class _ThreadSlots(threading.local):
    def __init__(self) -> None:
        self.slot = _Slot()


_of_process = _Slot()
_of_threads = _ThreadSlots()


def _start_afresh() -> None:
    global _of_process, _of_threads  # noqa: PLW0603 - a lock of the parent may be held for ever here
    _of_process = _Slot()
    _of_threads = _ThreadSlots()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_afresh)


def get_reusable_executor(  # noqa: PLR0917 - the order of loky 3.7, which existing code relies on
    max_workers: int | None = None,
    context: Any = None,
    timeout: float | None = 10,
    kill_workers: bool = False,
    reuse: bool | str = "auto",
    job_reducers: Mapping[type, Callable[[Any], Any]] | None = None,
    result_reducers: Mapping[type, Callable[[Any], Any]] | None = None,
    initializer: Callable[..., object] | None = None,
    initargs: tuple[Any, ...] = (),
    env: Mapping[str, str | None] | None = None,
    *,
    scope: str = "process",
    **further: Any,
) -> ReusableExecutor:
    """Return the executor of this process, made or resized as asked.

    Args:
        max_workers: the most worker processes at a time; None means `cpu_count()`, or with
            ``reuse=True`` what the executor there is has.
        context: accepted for existing code; see `ProcessPoolExecutor`.
        timeout: seconds after which a worker without work leaves; None means it stays.
        kill_workers: if another executor takes the place of the one there is, kill that one's
            workers instead of letting it finish.
        reuse: "auto": the one there is, unless other arguments are asked for; True: the one there
            is, whatever is asked for; False: a new one.
        job_reducers: exact type -> reducer, for tasks.
        result_reducers: exact type -> reducer, for results.
        initializer: called as ``initializer(*initargs)`` in each worker before its first task.
        initargs: arguments of the initializer.
        env: changes to the environment of the workers.
        scope: "process": one executor for all threads; "thread": one for each.
        **further: other arguments of `ProcessPoolExecutor`.

    Returns:
        The executor there is, resized at once, or a new one; always one that takes tasks. One that
        was replaced keeps serving those who hold it, and lets its workers go when they are idle.

    Raises:
        ValueError: reuse or scope is unknown, or an argument is out of its range.

    Does not wait for tasks or workers (with `kill_workers`: for their end). Any thread.
    """
    slot = _slot_for(reuse, scope)
    wanted = further | {
        "context": context,
        "job_reducers": job_reducers,
        "result_reducers": result_reducers,
        "initializer": initializer,
        "initargs": tuple(initargs),
        "env": None if env is None else dict(env),
    }
    while True:
        found = slot.held
        if found is not None and _fits(found, wanted, reuse):
            size = max_workers
            if size is None:
                size = found[0].max_workers if reuse is True else cpu_count()
            found[0].resize(size, timeout)
            if found[0].usable:
                return found[0]
            continue
        fresh = ReusableExecutor(max_workers, timeout=timeout, **wanted)
        with slot.lock:
            placed = slot.held is found
            if placed:
                slot.held = (fresh, wanted)
        if placed:
            if found is not None and kill_workers:
                found[0].shutdown(wait=True, kill_workers=True)
            elif found is not None:
                found[0].retire()
            return fresh
        fresh.shutdown(wait=False)  # another thread was faster


def _slot_for(reuse: bool | str, scope: str) -> _Slot:
    if not (isinstance(reuse, bool) or reuse == "auto"):
        raise ValueError(f"reuse must be True, False or 'auto', got {reuse!r}")
    if scope not in ("process", "thread"):
        raise ValueError(f"scope must be 'process' or 'thread', got {scope!r}")
    return _of_process if scope == "process" else _of_threads.slot


def _fits(
    found: tuple[ReusableExecutor, dict[str, Any]], wanted: dict[str, Any], reuse: bool | str
) -> bool:
    executor, arguments = found
    if not executor.usable:
        _log.debug("a new executor: the old one is broken or shut down")
        return False
    if isinstance(reuse, bool):
        return reuse
    if arguments.keys() == wanted.keys():
        changed = [name for name in wanted if not same(arguments[name], wanted[name])]
    else:
        changed = sorted(arguments.keys() ^ wanted.keys())
    if changed:
        _log.debug("a new executor: other %s", ", ".join(changed))
    return not changed
