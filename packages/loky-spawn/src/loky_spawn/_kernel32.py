"""The Win32 calls this package makes, each as a typed function that raises `OSError` when refused.

Facts (Microsoft's documentation of each function):
- A call through `ctypes.WinDLL` releases the GIL while it runs.
- CreatePipe: without security attributes neither end is inherited. A write that fits into what is
  left of the buffer does not block.
- SetNamedPipeHandleState works on anonymous pipes too; the mode belongs to the end, whoever holds
  it. With PIPE_NOWAIT a write into a full pipe fails at once.
- TerminateProcess on a process that has ended: ERROR_ACCESS_DENIED.
- GetConsoleProcessList: 0 in a process without a console, also where there is no window.
"""

from __future__ import annotations

import ctypes
import math
import sys
from ctypes import wintypes

assert sys.platform == "win32"

_dll = ctypes.WinDLL("kernel32", use_last_error=True)  # one of our own: argtypes are per object

_DUPLICATE_SAME_ACCESS = 2
_HANDLE_POINTER = ctypes.POINTER(wintypes.HANDLE)
_INVALID_HANDLE = ctypes.c_void_p(-1).value
_PIPE_NOWAIT = 1
_WAIT_OBJECT_0 = 0

_SIGNATURES = {
    "CloseHandle": (wintypes.HANDLE,),
    "CreatePipe": (_HANDLE_POINTER, _HANDLE_POINTER, wintypes.LPVOID, wintypes.DWORD),
    "DuplicateHandle": (
        wintypes.HANDLE,
        wintypes.HANDLE,
        wintypes.HANDLE,
        _HANDLE_POINTER,
        wintypes.DWORD,
        wintypes.BOOL,
        wintypes.DWORD,
    ),
    "GetConsoleProcessList": (wintypes.LPDWORD, wintypes.DWORD),
    "GetExitCodeProcess": (wintypes.HANDLE, wintypes.LPDWORD),
    "GetHandleInformation": (wintypes.HANDLE, wintypes.LPDWORD),
    "PeekNamedPipe": (
        wintypes.HANDLE,
        wintypes.LPVOID,
        wintypes.DWORD,
        wintypes.LPDWORD,
        wintypes.LPDWORD,
        wintypes.LPDWORD,
    ),
    "SetNamedPipeHandleState": (
        wintypes.HANDLE,
        wintypes.LPDWORD,
        wintypes.LPDWORD,
        wintypes.LPDWORD,
    ),
    "TerminateProcess": (wintypes.HANDLE, wintypes.UINT),
    "WaitForSingleObject": (wintypes.HANDLE, wintypes.DWORD),
}
for _name, _types in _SIGNATURES.items():
    getattr(_dll, _name).argtypes = _types
_dll.GetCurrentProcess.restype = wintypes.HANDLE
_dll.GetStdHandle.restype = wintypes.HANDLE
_dll.WaitForSingleObject.restype = wintypes.DWORD


def last_error() -> OSError:
    """Return the error of the last call of this thread, as the `OSError` that fits its number."""
    return ctypes.WinError(ctypes.get_last_error())


def _check(done: int) -> None:
    if not done:
        raise last_error()


def close_handle(handle: int) -> None:
    """Give a handle back."""
    _check(_dll.CloseHandle(handle))


def create_pipe(size: int) -> tuple[int, int]:
    """Return the handles (read end, write end) of an anonymous pipe with a buffer of `size`."""
    read_end, write_end = wintypes.HANDLE(), wintypes.HANDLE()
    _check(_dll.CreatePipe(ctypes.byref(read_end), ctypes.byref(write_end), None, size))
    return int(read_end.value or 0), int(write_end.value or 0)


def never_block(pipe_end: int) -> None:
    """Let a write into a full pipe fail instead of wait."""
    mode = wintypes.DWORD(_PIPE_NOWAIT)
    _check(_dll.SetNamedPipeHandleState(pipe_end, ctypes.byref(mode), None, None))


def bytes_waiting(pipe_end: int) -> int:
    """Return how many bytes can be read from a pipe now; 0 also when its writer is gone."""
    waiting = wintypes.DWORD()
    _dll.PeekNamedPipe(pipe_end, None, 0, None, ctypes.byref(waiting), None)
    return waiting.value


def duplicate_handle(handle: int) -> int:
    """Return a second handle for the same thing; not inheritable."""
    here = _dll.GetCurrentProcess()
    copy = wintypes.HANDLE()
    _check(
        _dll.DuplicateHandle(
            here, handle, here, ctypes.byref(copy), 0, False, _DUPLICATE_SAME_ACCESS
        )
    )
    return int(copy.value or 0)


def wait_for(handle: int, seconds: float) -> bool:
    """Wait for a handle to be signalled, `seconds` at most; say whether it is."""
    milliseconds = max(0, math.ceil(seconds * 1000))
    return bool(_dll.WaitForSingleObject(handle, milliseconds) == _WAIT_OBJECT_0)


def exit_code(process: int) -> int:
    """Return the exit code of a process that has ended, an unsigned number of 32 bits."""
    code = wintypes.DWORD()
    _check(_dll.GetExitCodeProcess(process, ctypes.byref(code)))
    return code.value


def terminate_process(process: int, code: int) -> None:
    """End a process at once; nothing if it has ended."""
    if not _dll.TerminateProcess(process, code) and not wait_for(process, 0):
        raise last_error()


def has_console() -> bool:
    """Say whether this process has a console, visible or not."""
    return bool(_dll.GetConsoleProcessList((wintypes.DWORD * 1)(), 1))


def is_standard_handle_usable(number: int) -> bool:
    """Say whether a standard handle (-10 input, -11 output, -12 error) is there and open."""
    handle = _dll.GetStdHandle(wintypes.DWORD(number))
    if handle in (None, _INVALID_HANDLE):
        return False
    return bool(_dll.GetHandleInformation(handle, ctypes.byref(wintypes.DWORD())))
