"""Starting and watching a child on Windows: CreateProcess, a boot pipe that is the lifeline, a job.

Rules:
1. A process is only ever waited for and ended through its handle, never by its number.
2. Only the child's ends of the two pipes are inheritable, and only this child gets them: they are
   named one by one (``handle_list``). The parent's ends never leave this process.
3. No user code runs in the child before it is in its job: it waits for the record, which is
   written after that.
4. Nothing here waits for the child: what does not fit into the boot pipe is written by a thread.

Facts:
- Sockets cannot be inherited reliably (layered providers); ``socket.share`` needs the pid, so the
  record is written when the process is there. The system has duplicated the socket by then: the
  parent may close its own at once (manual of `socket`).
- CreateProcess fails with ERROR_DIRECTORY (267) for the working directory, with other numbers for
  the program; `subprocess` adds no file name.
- An exit code is an unsigned number of 32 bits; a crash gives an NTSTATUS (0xC0000005).
- WaitForSingleObject is not interrupted by Ctrl-C: a long wait of the main thread, which runs its
  handler, is cut into slices.
"""

# ruff: noqa: E402 (the assertion comes before the imports, so that mypy skips those elsewhere)

from __future__ import annotations

import sys

assert sys.platform == "win32"

import marshal
import msvcrt
import os
import signal
import subprocess
import threading
import time
from contextlib import ExitStack, suppress

from . import _capabilities, _cpython, _kernel32
from ._errors import HandoverError
from ._frozen import MARKER, is_frozen
from ._inheritance import REPORT_BYTES, SIZE_BYTES
from ._job import Job
from ._launcher import real_interpreter
from ._order import PACKAGE_HOME
from ._toolhelp import list_processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._order import Order

__all__ = ["WindowsChild", "list_processes", "start"]

# Runs in the child. The record says what else there is; until then only this package is needed.
_BOOT = """\
import sys
if '' in sys.path: sys.path.remove('')
boot, report, home = sys.argv[1:]
sys.path.insert(0, home)
from loky_spawn import _child
sys.path.remove(home)
_child.boot_from(int(boot), int(report))
"""
_BOOT_BYTES = 1 << 16  # of the boot pipe: most records fit, so most children need no thread
_ERROR_DIRECTORY = 267
_KILLED = 9  # the exit code of a child that was killed; the number of SIGKILL elsewhere
_MARSHAL_VERSION = 4
_REPORT_LIMIT = 1 << 20
_SLICE = 0.5  # seconds; how long Ctrl-C may have to wait
_LONG_SLICE = 3600.0  # seconds; WaitForSingleObject counts milliseconds in 32 bits
_STANDARD_OUTPUT, _STANDARD_ERROR = -11, -12


class WindowsChild:
    """A running child: its process handle, its job, its lifeline and its report pipe."""

    def __init__(self, popen: subprocess.Popen[bytes], lifeline: int, report: int) -> None:
        self.pid = popen.pid
        self.exitcode: int | None = None
        self.sentinel = _kernel32.duplicate_handle(_cpython.process_handle(popen))
        popen.returncode = 0  # tells Popen that somebody else looks after the process
        self._dead = False
        self._released = False
        self._lock = threading.Lock()  # guards what can be closed; no user code runs under it
        self._lifeline = lifeline
        self._report = report
        self._reported = b""
        self._job: Job | None = None

    def take_into_job(self) -> bool:
        """Put the child into a job that ends with this process; say whether that was possible."""
        if not _capabilities.has("job"):
            return False
        job = Job()
        if job.take_in(self.sentinel):
            self._job = job
        else:
            job.close()
        return self._job is not None

    def poll(self) -> bool:
        with self._lock:
            if not self._dead and not self._released and _kernel32.wait_for(self.sentinel, 0):
                self._dead, self.exitcode = True, _kernel32.exit_code(self.sentinel)
            return self._dead or self._released

    def wait(self, timeout: float | None) -> bool:
        deadline = None if timeout is None else time.monotonic() + timeout
        in_main = threading.current_thread() is threading.main_thread()
        longest = _SLICE if in_main else _LONG_SLICE
        while not self.poll():
            remaining = longest if deadline is None else deadline - time.monotonic()
            if remaining <= 0:
                return False
            _kernel32.wait_for(self.sentinel, min(remaining, longest))
        return True

    def send_signal(self, number: int) -> None:
        """End the process with this exit code; the two console events are delivered as such.

        A console event reaches the child only if it leads a process group and shares this
        process's console; a refusal is an OSError.
        """
        with self._lock:
            if self._dead or self._released:
                return
            if number in (signal.CTRL_C_EVENT, signal.CTRL_BREAK_EVENT):
                os.kill(self.pid, number)  # its handle is open: the number is still its own
            else:
                _kernel32.terminate_process(self.sentinel, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(_KILLED)

    def kill_group(self) -> None:
        """Kill what is left in the child's job: all it started, whoever its parent is now."""
        with self._lock:
            if self._job is not None and not self._released:
                self._job.terminate(_KILLED)

    def report(self) -> bytes:
        with self._lock:
            if self._released:
                return b""
            waiting = _kernel32.bytes_waiting(msvcrt.get_osfhandle(self._report))
            if waiting and len(self._reported) < _REPORT_LIMIT:
                self._reported += os.read(self._report, waiting)
            return self._reported.rpartition(b"\0")[2]

    def clear_report(self) -> None:
        """Do nothing: what was written to a pipe cannot be taken back."""

    def release(self, spare_group: bool = False) -> None:
        """Give every handle back, and kill a child that still runs.

        Args:
            spare_group: leave what else is in its job alone.
        """
        with self._lock:
            if self._released:
                return
            self._released = True
            with suppress(OSError):  # nothing that could be done about it; the job ends it as well
                _kernel32.terminate_process(self.sentinel, _KILLED)
            if self._job is not None:
                if spare_group:
                    self._job.let_go()
                self._job.close()
            os.close(self._lifeline)
            os.close(self._report)
            _kernel32.close_handle(self.sentinel)


def start(order: Order) -> WindowsChild:
    """Create the process for an order, and hand it what it is to get.

    Raises:
        OSError: from the operating system: with ``filename`` for the program or the directory,
            without for lack of processes, handles or memory.
        HandoverError: a channel cannot be shared with another process.
    """
    with ExitStack() as always, ExitStack() as on_error:
        boot, writer = _kernel32.create_pipe(_BOOT_BYTES)
        always.callback(_kernel32.close_handle, boot)
        lifeline = _descriptor(writer, os.O_WRONLY)
        on_error.callback(os.close, lifeline)
        reader, report = _kernel32.create_pipe(REPORT_BYTES)
        always.callback(_kernel32.close_handle, report)
        reports = _descriptor(reader, os.O_RDONLY)
        on_error.callback(os.close, reports)
        _kernel32.never_block(report)
        popen = _execute(order, boot, report)
        on_error.callback(_abandon, popen)
        child = WindowsChild(popen, lifeline, reports)
        on_error.pop_all()
    try:
        _deliver(child, lifeline, order)
    except BaseException:
        child.release()
        raise
    return child


def _descriptor(handle: int, flags: int) -> int:
    """Wrap a handle, which belongs to the descriptor from then on."""
    try:
        return msvcrt.open_osfhandle(handle, flags)
    except OSError:  # EMFILE: the C runtime has no more descriptors
        _kernel32.close_handle(handle)
        raise


def _abandon(popen: subprocess.Popen[bytes]) -> None:
    popen.kill()
    popen.wait()


def _execute(order: Order, boot: int, report: int) -> subprocess.Popen[bytes]:
    """Create the process with the two handles, without a window where there is no console."""
    program, launcher = (order.python, None) if is_frozen() else real_interpreter(order.python)
    flags = 0 if _kernel32.has_console() else subprocess.CREATE_NO_WINDOW
    if order.new_group:
        flags |= subprocess.CREATE_NEW_PROCESS_GROUP
    for handle in (boot, report):
        os.set_handle_inheritable(handle, True)
    try:
        return subprocess.Popen(
            _command(order, program, boot, report),
            stdin=subprocess.DEVNULL,
            stdout=_output(_STANDARD_OUTPUT),
            stderr=_output(_STANDARD_ERROR),
            env=_environment(order, launcher),
            cwd=order.cwd,
            creationflags=flags,
            startupinfo=subprocess.STARTUPINFO(lpAttributeList={"handle_list": [boot, report]}),
        )
    except OSError as error:
        raise _named(error, order) from error


def _command(order: Order, program: str, boot: int, report: int) -> list[str]:
    if is_frozen():
        return [program, MARKER, str(boot), str(report)]
    return [program, *order.flags, "-c", _BOOT, str(boot), str(report), PACKAGE_HOME]


def _output(number: int) -> int | None:
    """Return what to give as output: this process's, or the null device where it has none."""
    return None if _kernel32.is_standard_handle_usable(number) else subprocess.DEVNULL


def _environment(order: Order, launcher: str | None) -> dict[str, str] | None:
    """Return the child's environment; None for that of this process."""
    variable = _cpython.LAUNCHER_VARIABLE
    if launcher is None and variable not in (order.env or os.environ):
        return None if order.env is None else dict(order.env)
    environment = dict(os.environ if order.env is None else order.env)
    environment.pop(variable, None)
    if launcher is not None:
        environment[variable] = launcher
    return environment


def _named(error: OSError, order: Order) -> OSError:
    """Return the error with the file name that `subprocess` leaves out."""
    refused = {2: order.python, 3: order.python, 5: order.python, _ERROR_DIRECTORY: order.cwd}
    # Not an executable; a path or command line too long; an executable for another machine.
    refused |= dict.fromkeys((193, 206, 216), order.python)
    winerror = error.winerror or 0
    if error.filename is not None or refused.get(winerror) is None:
        return error
    return OSError(error.errno, error.strerror, refused[winerror], winerror)


def _deliver(child: WindowsChild, lifeline: int, order: Order) -> None:
    """Write the record the child boots from; a child that died already is no error here."""
    in_job = child.take_into_job()
    shares = []
    for position, channel in enumerate(order.channels):
        try:
            shares.append(channel.share(child.pid))
        except OSError as error:
            if child.wait(_SLICE):
                return
            raise HandoverError(f"channels[{position}]", f"cannot be shared: {error}") from error
    record = order.boot_record(job=in_job, shares=shares or None)
    data = marshal.dumps(record, _MARSHAL_VERSION)
    data = len(data).to_bytes(SIZE_BYTES, "little") + data
    if len(data) <= _BOOT_BYTES:
        with suppress(OSError):  # EINVAL, EPIPE: the child is gone
            os.write(lifeline, data)
    else:
        copy = os.dup(lifeline)
        try:
            threading.Thread(target=_feed, args=(copy, data), daemon=True).start()
        except RuntimeError:  # no more threads
            os.close(copy)
            raise


def _feed(fd: int, data: bytes) -> None:
    """Write a large record; a child that dies before it has read it is no error here."""
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(fd, view[: 1 << 20]) :]
    except OSError:  # EINVAL, EPIPE: the child is gone
        pass
    finally:
        os.close(fd)
