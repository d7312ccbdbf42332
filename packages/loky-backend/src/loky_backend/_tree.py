"""`kill_process_tree`: end a process with all it started, given in any of the usual ways."""

from __future__ import annotations

from loky_spawn import kill_process_tree as kill_tree_of_pid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def kill_process_tree(pid_or_process: Any, use_psutil: bool = True) -> None:
    """Kill a process and all its descendants, and reap it if the object given can.

    Args:
        pid_or_process: a pid, or an object with a ``pid`` (of `subprocess`, `multiprocessing`,
            psutil, or `loky_spawn.ChildProcess`).
        use_psutil: accepted for code written for loky; makes no difference, since the process
            table is read without psutil, pgrep or taskkill.

    Raises:
        TypeError: it is neither.
        ValueError: the pid is this process, 0, 1 or negative.

    Blocks for some milliseconds. A process that is gone already is no error; any thread.
    """
    del use_psutil
    pid = getattr(pid_or_process, "pid", pid_or_process)
    if isinstance(pid, bool) or not isinstance(pid, int):
        raise TypeError(f"neither a pid nor a started process: {pid_or_process!r}")
    kill_tree_of_pid(pid)
    for reap in ("join", "wait"):
        method = getattr(pid_or_process, reap, None)
        if callable(method):
            method()
            break
