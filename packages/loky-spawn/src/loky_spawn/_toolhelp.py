"""The table of running processes on Windows: who started whom.

Facts:
- A snapshot (CreateToolhelp32Snapshot) names the pid of the starter, which may have ended and whose
  number may be another's now. A process that is younger than its "parent" tells the truth.
- Windows has no process groups that one could list: the group of every process is given as 0.
"""

from __future__ import annotations

import ctypes
import sys
from ctypes import wintypes

from . import _kernel32

assert sys.platform == "win32"

_QUERY_LIMITED_INFORMATION = 0x1000
_SNAP_PROCESS = 2
_INVALID_HANDLE = ctypes.c_void_p(-1).value


class _ProcessEntry(ctypes.Structure):
    _fields_ = (
        ("dwSize", wintypes.DWORD),
        ("cntUsage", wintypes.DWORD),
        ("th32ProcessID", wintypes.DWORD),
        ("th32DefaultHeapID", ctypes.c_size_t),
        ("th32ModuleID", wintypes.DWORD),
        ("cntThreads", wintypes.DWORD),
        ("th32ParentProcessID", wintypes.DWORD),
        ("pcPriClassBase", wintypes.LONG),
        ("dwFlags", wintypes.DWORD),
        ("szExeFile", wintypes.WCHAR * wintypes.MAX_PATH),
    )


_dll = ctypes.WinDLL("kernel32", use_last_error=True)
_FILETIME_POINTER = ctypes.POINTER(wintypes.FILETIME)
_dll.CreateToolhelp32Snapshot.argtypes = (wintypes.DWORD, wintypes.DWORD)
_dll.CreateToolhelp32Snapshot.restype = wintypes.HANDLE
_dll.GetProcessTimes.argtypes = (wintypes.HANDLE, *(_FILETIME_POINTER,) * 4)
_dll.OpenProcess.argtypes = (wintypes.DWORD, wintypes.BOOL, wintypes.DWORD)
_dll.OpenProcess.restype = wintypes.HANDLE
for _name in ("Process32FirstW", "Process32NextW"):
    getattr(_dll, _name).argtypes = (wintypes.HANDLE, ctypes.POINTER(_ProcessEntry))


def list_processes() -> dict[int, tuple[int, int]]:
    """Return pid -> (parent pid, 0) of every process; the parent is 0 where it is gone.

    Raises:
        OSError: the system gives no snapshot (lack of memory).
    """
    parents = _snapshot()
    births = {pid: _birth(pid) for pid in parents}
    table = {}
    for pid, parent in parents.items():
        born, parent_born = births[pid], births.get(parent)
        reused = born is not None and parent_born is not None and born < parent_born
        table[pid] = (0 if reused else parent, 0)
    return table


def _snapshot() -> dict[int, int]:
    handle = _dll.CreateToolhelp32Snapshot(_SNAP_PROCESS, 0)
    if handle in (None, _INVALID_HANDLE):
        raise _kernel32.last_error()
    parents = {}
    entry = _ProcessEntry(dwSize=ctypes.sizeof(_ProcessEntry))
    try:
        more = _dll.Process32FirstW(handle, ctypes.byref(entry))
        while more:
            parents[int(entry.th32ProcessID)] = int(entry.th32ParentProcessID)
            more = _dll.Process32NextW(handle, ctypes.byref(entry))
    finally:
        _kernel32.close_handle(handle)
    return parents


def _birth(pid: int) -> int | None:
    """Return when a process was started, in ticks of 100 ns; None if that may not be known."""
    handle = _dll.OpenProcess(_QUERY_LIMITED_INFORMATION, False, pid)
    if not handle:
        return None
    times = [wintypes.FILETIME() for _ in range(4)]
    try:
        if not _dll.GetProcessTimes(handle, *(ctypes.byref(time) for time in times)):
            return None
    finally:
        _kernel32.close_handle(handle)
    return int(times[0].dwHighDateTime << 32 | times[0].dwLowDateTime)
