"""What becomes of pools when the interpreter exits or the process forks.

At exit every pool finishes the tasks it has, as in `concurrent.futures`, and its workers leave.
When Ctrl-C ended the program nobody wants to wait: then workers are killed. The public way to act
before the interpreter refuses new threads and processes: a non-daemon thread that waits for the
main thread. One serves all pools of the process.

Facts:
- Since Python 3.12 neither threads nor processes can be started in `atexit` callbacks (gh-104690).
- The interpreter notes the exception that ended the main thread in `sys.last_exc` (3.12) and
  `sys.last_type`, before it waits for threads. At a prompt (`sys.ps1`) it may be one of long ago.
- `threading` marks the main thread as ended first, then joins the non-daemon threads.
- Some programs (``viztracer program.py``) run the `atexit` callbacks themselves, before the main
  thread has ended. They come last registered first; that of `weakref.finalize`, registered by its
  first object, would kill the workers.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import weakref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._pool import Pool

_pools: dict[int, weakref.ref[Pool]] = {}
_watching = threading.Lock()  # held for ever by the one watcher


def watch(pool: Pool) -> None:
    """Have a pool closed and waited for at the exit of the interpreter."""
    key = id(pool)
    _pools[key] = weakref.ref(pool, lambda _: _pools.pop(key, None))
    if _watching.acquire(blocking=False):
        threading.Thread(target=_watch, name="loky-exit-watcher", daemon=False).start()
        weakref.finalize(pool, int).detach()  # registers its callback now, if it has not yet
        atexit.register(_close_all)


def _living() -> list[Pool]:
    return [pool for reference in list(_pools.values()) if (pool := reference()) is not None]


def _watch() -> None:
    threading.main_thread().join()
    _close_all()


def _close_all() -> None:
    interrupted = _ended_by_ctrl_c()
    while pools := [pool for pool in _living() if not pool.ended.is_set()]:
        for pool in pools:
            pool.shut_down(cancel=interrupted, kill=interrupted)
        for pool in pools:
            pool.join()


def _ended_by_ctrl_c() -> bool:
    kind = getattr(sys, "last_type", None)
    return (
        isinstance(kind, type) and issubclass(kind, KeyboardInterrupt) and not hasattr(sys, "ps1")
    )


def _start_afresh() -> None:
    global _watching  # noqa: PLW0603 - the lock of the parent may be held for ever here
    _watching = threading.Lock()
    for pool in _living():
        pool.disown()
    _pools.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_afresh)
