"""`kill_process_tree`: end a process and everything it started, without psutil, pgrep or taskkill.

Rule: freeze, look again, and only then kill. A process that is stopped starts no other, so once a
look finds nobody new the set is complete.

Fact: Linux gives out process numbers in a circle, so that one which was free a moment ago is the
last to be given again. A descendant is signalled by its number, within milliseconds of the look.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress

from ._platform import list_processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

if sys.platform == "win32":
    _LETHAL = signal.SIGTERM
else:
    _LETHAL = signal.SIGKILL
_NO_SUCH_PROCESS = 87  # ERROR_INVALID_PARAMETER: no process has this number
_LOOKS = 50  # each look freezes one more generation at least; a fork bomb ends here all the same


def kill_process_tree(pid: int) -> None:
    """Kill a process and all its descendants, and what shares the process group it leads.

    Args:
        pid: the root. It must not have been reaped, or the number may be another's.

    Raises:
        ValueError: the number is 1 or less, or this process is in that tree.
        PermissionError: the root belongs to another user.

    Blocks for a few milliseconds (it reads the process table); may be called from any thread. A
    descendant that made a session of its own and whose parents are gone is not found.
    """
    end_tree(pid, lambda number: _signal(pid, number))


def end_tree(pid: int, signal_root: Callable[[int], None]) -> None:
    """Do what `kill_process_tree` does; the root is only reached by `signal_root`.

    Args:
        pid: the root.
        signal_root: sends a signal to it, for those who hold something safer than a number (a
            pidfd, a handle).
    """
    if pid <= 1 or pid == os.getpid():
        raise ValueError(f"will not kill the process tree of pid {pid}")
    known: set[int] = set()
    for _ in range(_LOOKS):
        found = _family(pid, known) - known
        if os.getpid() in found:
            raise ValueError(f"will not kill the process tree of pid {pid}: it holds this process")
        if not found:
            break
        if sys.platform != "win32":
            _signal_each(found, pid, signal_root, signal.SIGSTOP)
        known |= found
    _signal_each(known | {pid}, pid, signal_root, _LETHAL)


def _signal_each(
    members: set[int], root: int, signal_root: Callable[[int], None], number: int
) -> None:
    if root in members:
        with suppress(ProcessLookupError):
            signal_root(number)
    for member in members - {root}:
        with suppress(ProcessLookupError, PermissionError):
            _signal(member, number)


def _family(root: int, known: set[int]) -> set[int]:
    """Return the root (if it runs) and all below it or below what is `known` already."""
    table = list_processes()
    family = {member for member in known | {root} if member in table}
    leads_group = root in table and table[root][1] == root
    grew = True
    while grew:
        relatives = {
            pid
            for pid, (parent, group) in table.items()
            if parent in family or (leads_group and group == root)
        }
        grew = not relatives <= family
        family |= relatives
    return family


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except OSError as error:
        if getattr(error, "winerror", None) != _NO_SUCH_PROCESS:
            raise
        raise ProcessLookupError(error.errno, error.strerror) from error
