"""`Job`: a Windows job object that holds a child and all it starts, and kills them when it closes.

Facts (Microsoft's "Job Objects"):
- JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE: when the last handle of the job closes, the kernel ends every
  process in it. This process holds the only one and the kernel closes it however this process ends,
  so a child dies with its parent even in the middle of a C call.
- A process started by one in a job is in that job. Jobs nest since Windows 8; before, a process in
  a job cannot be put into another (ERROR_ACCESS_DENIED).
- JOB_OBJECT_LIMIT_BREAKAWAY_OK lets a child start a process outside on purpose
  (CREATE_BREAKAWAY_FROM_JOB), which would fail without it.
"""

from __future__ import annotations

import ctypes
import sys
from ctypes import wintypes

from . import _kernel32

assert sys.platform == "win32"

_EXTENDED_LIMIT_INFORMATION = 9
_BREAKAWAY_OK = 0x0800
_KILL_ON_JOB_CLOSE = 0x2000


class _BasicLimits(ctypes.Structure):
    _fields_ = (
        ("PerProcessUserTimeLimit", wintypes.LARGE_INTEGER),
        ("PerJobUserTimeLimit", wintypes.LARGE_INTEGER),
        ("LimitFlags", wintypes.DWORD),
        ("MinimumWorkingSetSize", ctypes.c_size_t),
        ("MaximumWorkingSetSize", ctypes.c_size_t),
        ("ActiveProcessLimit", wintypes.DWORD),
        ("Affinity", ctypes.c_size_t),
        ("PriorityClass", wintypes.DWORD),
        ("SchedulingClass", wintypes.DWORD),
    )


class _ExtendedLimits(ctypes.Structure):
    _fields_ = (
        ("BasicLimitInformation", _BasicLimits),
        ("IoInfo", ctypes.c_ulonglong * 6),
        ("ProcessMemoryLimit", ctypes.c_size_t),
        ("JobMemoryLimit", ctypes.c_size_t),
        ("PeakProcessMemoryUsed", ctypes.c_size_t),
        ("PeakJobMemoryUsed", ctypes.c_size_t),
    )


_dll = ctypes.WinDLL("kernel32", use_last_error=True)
_dll.AssignProcessToJobObject.argtypes = (wintypes.HANDLE, wintypes.HANDLE)
_dll.CreateJobObjectW.argtypes = (wintypes.LPVOID, wintypes.LPCWSTR)
_dll.CreateJobObjectW.restype = wintypes.HANDLE
_dll.SetInformationJobObject.argtypes = (
    wintypes.HANDLE,
    ctypes.c_int,
    wintypes.LPVOID,
    wintypes.DWORD,
)
_dll.TerminateJobObject.argtypes = (wintypes.HANDLE, wintypes.UINT)


class Job:
    """A job object without a name. Whoever makes it closes it.

    Raises:
        OSError: the system has no such job objects.
    """

    def __init__(self) -> None:
        handle = _dll.CreateJobObjectW(None, None)
        if not handle:
            raise _kernel32.last_error()
        self._handle = int(handle)
        if not self._limit(_KILL_ON_JOB_CLOSE | _BREAKAWAY_OK):
            error = _kernel32.last_error()
            self.close()
            raise error

    def _limit(self, flags: int) -> bool:
        limits = _ExtendedLimits()
        limits.BasicLimitInformation.LimitFlags = flags
        size = ctypes.sizeof(limits)
        return bool(
            _dll.SetInformationJobObject(
                self._handle, _EXTENDED_LIMIT_INFORMATION, ctypes.byref(limits), size
            )
        )

    def let_go(self) -> None:
        """Have `close` leave the processes in the job alone, as far as the system lets us."""
        self._limit(_BREAKAWAY_OK)

    def take_in(self, process: int) -> bool:
        """Put a process into the job; False if the system refuses (a job that does not nest)."""
        return bool(_dll.AssignProcessToJobObject(self._handle, process))

    def terminate(self, code: int) -> None:
        """End every process in the job."""
        if not _dll.TerminateJobObject(self._handle, code):
            raise _kernel32.last_error()

    def close(self) -> None:
        """Close the job, which kills what is still in it."""
        _kernel32.close_handle(self._handle)
