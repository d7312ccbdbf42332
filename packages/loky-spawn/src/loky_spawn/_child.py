"""All that runs in a child before its entry: lifeline, signals, ``sys.path``, then the call.

Rules:
1. Nothing but `os` and `sys` is imported at the top of what a child loads, not even
   ``__future__``: the cost is paid by every child, and at that moment ``sys.path`` is no place to
   take the standard library from.
2. Nothing from the standard library is taken from the current or the script's folder: a
   ``socket.py`` lying there must not break the child.
3. The lifeline is armed before anything that can take long.

Facts:
- fcntl(2): with O_ASYNC and F_SETOWN on the read end of a pipe the kernel sends the signal named by
  F_SETSIG when the last write end closes, also while a C call holds the GIL. A negative owner
  is a process group, so what the child itself started and left in its group ends too.
- Setting a signal to SIG_IGN discards a pending one (signal(7), POSIX 2.4.3).
- `subprocess` makes the descriptors it passes on inheritable in the child, so each is made
  non-inheritable again: what the entry executes must not hold a channel open.
"""

import os
import sys

from . import _cpython
from ._handover import Handover

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

_SIZE_BYTES = 8
_READ_AT_ONCE = 1 << 30


def boot_from(boot: int, report: int) -> None:
    """Read the record from what was inherited, then do what it says.

    Args:
        boot: the descriptor (POSIX) or handle (Windows) of what holds the record.
        report: the descriptor or handle of what the parent reads after death.
    """
    if sys.platform == "win32":
        from ._inheritance import receive

        record, report = receive(boot, report)
    else:
        import marshal

        size = int.from_bytes(_read(boot, _SIZE_BYTES), "little")
        record = marshal.loads(_read(boot, size))
        os.close(boot)
    main(record, report)


def _read(fd: int, size: int) -> bytes:
    data = os.read(fd, min(size, _READ_AT_ONCE))
    if len(data) == size:
        return data
    parts = [data]
    missing = size - len(data)
    while missing:
        parts.append(os.read(fd, min(missing, _READ_AT_ONCE)))
        if not parts[-1]:
            os._exit(1)  # the parent ended while it was writing: nobody is there to be told
        missing -= len(parts[-1])
    return b"".join(parts)


def main(boot: "dict[str, Any]", report: int) -> None:
    """Prepare this process and call its entry.

    Args:
        boot: what the parent wrote for this child (`Order.boot_record`).
        report: the anonymous file that the parent reads after death, -1 for none.
    """
    if sys.platform != "win32":
        _leave_the_process_group(boot["new_group"])
        hold_lifeline(boot["lifeline"], boot["setsig"])
        _cpython.settle_signals(boot["unblock_interrupt"])
        for fd in (boot["lifeline"], report, *boot["descriptors"], *boot["extra"]):
            os.set_inheritable(fd, False)
        os.ftruncate(report, 0)
    channels = None if boot["shares"] is None else _sockets_from_shares(boot["shares"])
    sys.argv[:] = boot["argv"]
    guard_standard_library(boot["path"])
    handover = Handover(boot["payload"], boot["descriptors"], boot["extra"], report, channels)
    _call_entry(boot["entry"], handover, report)


def _leave_the_process_group(wanted: bool) -> None:
    if sys.platform != "win32" and wanted:
        try:
            os.setpgid(0, 0)
        except PermissionError:  # EPERM: it leads a session already, which is a group of its own
            pass


def hold_lifeline(fd: int, with_setsig: bool) -> None:
    """Have this process (and its process group) killed when the parent's end of `fd` closes."""
    if with_setsig and _arm_lifeline(fd):
        return
    import threading

    threading.Thread(target=_watch_lifeline, args=(fd,), daemon=True, name="loky-lifeline").start()


def _arm_lifeline(fd: int) -> bool:
    """Leave it to the kernel; False if the kernel only claims to be able to."""
    if sys.platform == "win32":
        raise AssertionError("a lifeline is a pipe of a POSIX system")
    import fcntl

    setsig: int = getattr(fcntl, "F_SETSIG", -1)  # Linux has it, by this name
    flags = fcntl.fcntl(fd, fcntl.F_GETFL)
    try:
        fcntl.fcntl(fd, fcntl.F_SETOWN, -os.getpid() if _leads_a_group() else os.getpid())
        fcntl.fcntl(fd, setsig, 9)
        fcntl.fcntl(fd, fcntl.F_SETFL, flags | os.O_ASYNC | os.O_NONBLOCK)
    except OSError:  # EINVAL
        fcntl.fcntl(fd, fcntl.F_SETFL, flags)
        return False
    try:
        if not os.read(fd, 1):  # the parent ended before the signal was armed
            os._exit(1)
    except BlockingIOError:
        pass
    return True


def _watch_lifeline(fd: int) -> None:
    try:
        os.read(fd, 1)
    except OSError:  # EBADF: the entry closed all descriptors it found
        return
    if sys.platform != "win32" and _leads_a_group():
        os.killpg(os.getpid(), 9)
    os.kill(os.getpid(), 9)


def _leads_a_group() -> bool:
    return sys.platform != "win32" and os.getpgrp() == os.getpid()


def _sockets_from_shares(shares: "Sequence[bytes]") -> "tuple[socket.socket, ...]":
    if sys.platform != "win32":
        raise AssertionError("sockets are handed over by descriptor on POSIX")
    import socket

    return tuple(socket.fromshare(share) for share in shares)


class _StandardLibraryFirst:
    """A finder that takes standard-library names from where the interpreter itself has them."""

    def __init__(self, finder: "Any", folders: "list[str]") -> None:
        self._finder = finder
        self._folders = folders

    def find_spec(
        self, name: str, path: "Sequence[str] | None", target: "ModuleType | None" = None
    ) -> "ModuleSpec | None":
        if path is not None or name not in sys.stdlib_module_names:
            return None
        spec: ModuleSpec | None = self._finder.find_spec(name, self._folders, target)
        return spec


def guard_standard_library(path: "list[str]") -> None:
    """Set ``sys.path`` to the parent's, yet find standard-library modules where they belong.

    The folders searched first are those that the interpreter started with (less the current
    folder), so what ``PYTHONPATH`` shadows on purpose stays shadowed.
    """
    try:
        here = os.getcwd()
    except OSError:  # the folder was removed
        here = ""
    own = [folder for folder in sys.path if folder not in ("", here)]
    for place, finder in enumerate(sys.meta_path):
        if getattr(finder, "__name__", "") == "PathFinder":
            sys.meta_path.insert(place, _StandardLibraryFirst(finder, own))
            break
    sys.path[:] = path


def _call_entry(entry: str, handover: Handover, report: int) -> None:
    stage = "import"
    try:
        function = resolve(entry)
        stage = "call"
        function(handover)
    except SystemExit:
        raise
    except BaseException:
        _record(report, stage)
        raise


def resolve(entry: str) -> "Callable[[Handover], object]":
    """Import the function an entry names."""
    module_name, _, function_name = entry.partition(":")
    __import__(module_name)
    found: Any = sys.modules[module_name]
    for part in function_name.split("."):
        found = getattr(found, part)
    function: Callable[[Handover], object] = found
    return function


def _record(report: int, stage: str) -> None:
    """Leave the traceback of the error being handled where the parent can read it."""
    if report < 0:
        return
    import traceback

    if sys.platform == "win32":
        from ._inheritance import leave

        leave(report, stage, traceback.format_exc())
        return
    text = f"{stage}\n{traceback.format_exc()}".encode("utf-8", "backslashreplace")
    try:
        os.ftruncate(report, 0)
        os.lseek(report, 0, os.SEEK_SET)
        while text:
            text = text[os.write(report, text) :]
    except OSError:  # the entry closed the file, or no memory is left: standard error has it too
        pass
