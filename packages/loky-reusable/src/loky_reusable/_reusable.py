"""`get_reusable_executor`: the one executor of the process, and when another takes its place.

Rule: nothing blocks or runs user code under the lock of a slot, which is held for one assignment.
"""

from __future__ import annotations

import itertools
import logging
import operator
import os
import threading
from typing import Any

from loky_executor import cpu_count

from ._pool_executor import ProcessPoolExecutor
from ._sameness import same
from ._tracing import is_tracing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeAlias

    Held: TypeAlias = "tuple[ReusableExecutor, dict[str, Any]]"
    Reducers: TypeAlias = Mapping[type, Callable[[Any], Any]]

_log = logging.getLogger("loky_reusable")
_numbers = itertools.count(0)
_unset = object()


class ReusableExecutor(ProcessPoolExecutor):
    """The executor that `get_reusable_executor` returns.

    Args:
        max_workers: as for `ProcessPoolExecutor`.
        context: likewise.
        timeout: likewise.
        executor_id: its number; None for the next free one.
        job_reducers: as for `ProcessPoolExecutor`; likewise those that follow.
        result_reducers: see there.
        initializer: see there.
        initargs: see there.
        env: see there.
        **further: other arguments of `ProcessPoolExecutor`.

    Attributes:
        executor_id: a number of its own; another executor has a higher one.

    A subclass has executors of its own: `SubClass.get_reusable_executor` never gives, resizes or
    replaces those of another class.
    """

    def __init__(  # noqa: PLR0917 - the order of loky 3.7
        self,
        max_workers: int | None = None,
        context: Any = None,
        timeout: float | None = None,
        executor_id: int | None = None,
        job_reducers: Reducers | None = None,
        result_reducers: Reducers | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        env: Mapping[str, str | None] | None = None,
        **further: Any,
    ) -> None:
        super().__init__(
            max_workers,
            job_reducers,
            result_reducers,
            timeout,
            context,
            initializer,
            initargs,
            env,
            **further,
        )
        self.executor_id = next(_numbers) if executor_id is None else executor_id
        self._asked_timeout = timeout
        self._asked_workers = super().max_workers
        self._submit_resize_lock = threading.RLock()  # joblib takes it; nothing here needs it

    def resize(self, max_workers: int, timeout: Any = _unset) -> None:
        """Change how many workers there may be, and, if given, when idle ones leave.

        Args:
            max_workers: the most workers from now on; surplus ones leave when their task is done.
            timeout: seconds after which a worker without work leaves; None means it stays.

        Does not block; nothing is lost. Any thread.
        """
        if timeout is _unset:
            timeout = self._asked_timeout
        super().resize(max_workers, timeout)
        self._asked_workers = operator.index(max_workers)
        self._asked_timeout = timeout

    @property
    def max_workers(self) -> int:
        """The most workers it may have, as asked for last; the scheduler follows in a moment."""
        return self._asked_workers

    def _resize(self, max_workers: int | None) -> None:
        """Resize, as code written for loky 3.7 calls it."""
        if max_workers is None:
            raise ValueError("cannot resize to max_workers=None: say how many")
        self.resize(max_workers)

    @classmethod
    def get_reusable_executor(  # noqa: PLR0917 - the order of loky 3.7
        cls,
        max_workers: int | None = None,
        context: Any = None,
        timeout: float | None = 10,
        kill_workers: bool = False,
        reuse: bool | str = "auto",
        job_reducers: Reducers | None = None,
        result_reducers: Reducers | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        env: Mapping[str, str | None] | None = None,
        *,
        scope: str | None = None,
        **further: Any,
    ) -> tuple[Any, bool]:
        """Return the executor of this class, and whether it was there before.

        Args: those of the function `get_reusable_executor`, but for

            scope: None means "process" for `ReusableExecutor` itself, and "thread" for a subclass,
                whose users (joblib) end their executor when something fails in their thread.

        Returns:
            The executor, and whether it is an earlier one.

        Raises:
            ValueError: reuse or scope is unknown, or an argument is out of its range.
        """
        if scope is None:
            scope = "process" if cls is ReusableExecutor else "thread"
        wanted = further | {
            "context": context,
            "job_reducers": job_reducers,
            "result_reducers": result_reducers,
            "initializer": initializer,
            "initargs": tuple(initargs),
            "env": None if env is None else dict(env),
        }
        slot = _slot_for(cls, reuse, scope)
        return slot.take(cls, max_workers, timeout, kill_workers, reuse=reuse, wanted=wanted)


class _Slot:
    """Holds the executor of a class, for a process or for a thread."""

    def __init__(self) -> None:
        self.lock = threading.Lock()  # guards `held`; held for one assignment
        self.held: Held | None = None

    def take(
        self,
        cls: type[ReusableExecutor],
        max_workers: int | None,
        timeout: float | None,
        kill_workers: bool,
        *,
        reuse: bool | str,
        wanted: dict[str, Any],
    ) -> tuple[ReusableExecutor, bool]:
        """Return the executor there is, resized, if it fits; else put a new one in its place."""
        while True:
            found = self.held
            if found is not None and _fits(found, wanted, reuse):
                size = max_workers
                if size is None:
                    size = found[0].max_workers if reuse is True else cpu_count()
                found[0].resize(size, timeout)
                if found[0].usable:
                    return found[0], True
                continue
            fresh = cls(max_workers, timeout=timeout, **wanted)
            if self._place((fresh, wanted), found):
                if found is not None and kill_workers:
                    found[0].shutdown(wait=True, kill_workers=True)
                elif found is not None:
                    found[0].retire()
                return fresh, False
            fresh.shutdown(wait=False)  # another thread was faster

    def _place(self, new: Held, found: Held | None) -> bool:
        with self.lock:
            if self.held is not found:
                return False
            self.held = new
            return True


class _ThreadSlots(threading.local):
    def __init__(self) -> None:
        self.slots: dict[type, _Slot] = {}


_of_process: dict[type, _Slot] = {}
_of_threads = _ThreadSlots()


def _start_afresh() -> None:
    """After a fork: what the parent has is not ours, and its locks may be held for ever here."""
    global _of_process, _of_threads  # noqa: PLW0603 - read at each call
    _of_process = {}
    _of_threads = _ThreadSlots()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_afresh)


def get_reusable_executor(  # noqa: PLR0917 - the order of loky 3.7, which existing code relies on
    max_workers: int | None = None,
    context: Any = None,
    timeout: float | None = 10,
    kill_workers: bool = False,
    reuse: bool | str = "auto",
    job_reducers: Reducers | None = None,
    result_reducers: Reducers | None = None,
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
        **further: other arguments of `loky_executor.ProcessPoolExecutor`.

    Returns:
        The executor there is, resized at once, or a new one; always one that takes tasks. One that
        was replaced keeps serving those who hold it, and lets its workers go when they are idle.
        Why there is a new one is logged at debug level by the logger ``loky_reusable``.

    Raises:
        ValueError: reuse or scope is unknown, or an argument is out of its range.

    Does not wait for tasks or workers (with `kill_workers`: for their end). Any thread.
    """
    executor: ReusableExecutor
    executor, _is_reused = ReusableExecutor.get_reusable_executor(
        max_workers,
        context,
        timeout,
        kill_workers,
        reuse,
        job_reducers,
        result_reducers,
        initializer,
        initargs,
        env,
        scope=scope,
        **further,
    )
    return executor


def _slot_for(cls: type, reuse: bool | str, scope: object) -> _Slot:
    if not (isinstance(reuse, bool) or (isinstance(reuse, str) and reuse == "auto")):
        raise ValueError(f"reuse must be True, False or 'auto', got {reuse!r}")
    if scope not in ("process", "thread"):
        raise ValueError(f"scope must be 'process' or 'thread', got {scope!r}")
    slots = _of_process if scope == "process" else _of_threads.slots
    return slots.setdefault(cls, _Slot())


def _fits(found: Held, wanted: dict[str, Any], reuse: bool | str) -> bool:
    """Say whether the executor there is will do; the reason why not is logged."""
    executor, arguments = found
    if not executor.usable:
        _log.debug("a new executor: executor %d is broken or shut down", executor.executor_id)
        return False
    if isinstance(reuse, bool):
        if not reuse:
            _log.debug("a new executor: asked for with reuse=False")
        return reuse
    changed = [
        name
        for name in sorted(arguments.keys() | wanted.keys())
        if not same(arguments.get(name, _unset), wanted.get(name, _unset))
    ]
    if executor.traced != is_tracing():
        changed.append("tracing")
    if changed:
        _log.debug("a new executor: other %s", ", ".join(changed))
    return not changed
