"""Starting and watching a child on POSIX: one fork+exec, one lifeline, one way to see it die.

Rules:
1. A pid is never signalled after it was reaped: signals go through the pidfd, or under the lock
   that reaping takes. Nor is its process group: a dead child stays a zombie until `release`.
2. Every descriptor made here is above the standard streams, not inheritable, and closed on every
   way out.
3. A forked copy of the parent touches neither the child nor the lock of a handle, which another
   thread may have held at the fork.

Facts:
- `subprocess.Popen` with ``pass_fds`` uses vfork+exec and reports a failed exec as OSError with
  the errno and the file name; it closes every other descriptor but the standard streams.
- memfd_create(2): an anonymous file; parent and child share its offset, so the parent reads the
  report with pread.
- setpgid(2), kill(2): while any process has a number as its group, no new process is given it.
"""

# ruff: noqa: E402 (the assertion comes before the imports, so that mypy skips those elsewhere)

from __future__ import annotations

import sys

assert sys.platform != "win32"

import errno
import marshal
import os
import select
import signal
import subprocess
import threading
import time
from collections import deque
from contextlib import ExitStack, suppress

from . import _capabilities
from ._descriptors import (
    anonymous_file,
    copy_above_standard_streams,
    make_pipe,
    stream_is_usable,
    write_all,
)
from ._frozen import MARKER, is_frozen
from ._interrupts import interrupt_held_back
from ._lifelines import close_lifeline, make_lifeline
from ._order import PACKAGE_HOME
from ._sentinel import ExitSentinel, open_sentinel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ._order import Order

# Runs in the child. Only this package is looked up in its home, which may be the script's folder;
# zlib is what an import from an archive needs, so it is fetched while the home is not yet there.
_BOOT = """\
import os, sys
path = sys.path[:] = [folder for folder in sys.path if folder]
boot, report, home = sys.argv[1:]
if not os.path.isdir(home): import zlib
sys.path[:] = [home]
from loky_spawn import _child
sys.path[:] = path
_child.boot_from(int(boot), int(report))
"""
_NOT_BOOTED = b"start\n"  # what the report says until the child empties it
_REPORT_LIMIT = 1 << 20
_MARSHAL_VERSION = 4
_SIZE_BYTES = 8

# Children that were let go of before they were dead: killed, and reaped by a later `start`.
_unburied: deque[ExitSentinel] = deque()
os.register_at_fork(after_in_child=_unburied.clear)


class PosixChild:
    """A child: its pid, its sentinel, its lifeline and its report file."""

    def __init__(self, pid: int, lifeline: int, report: int, *, own_group: bool) -> None:
        self.pid = pid
        self.exitcode: int | None = None
        self._dead = False
        self._released = False
        self._owner = os.getpid()
        # Guards all that changes here, and the sentinel. Reentrant: a signal handler may kill the
        # child while the thread that it interrupts is looking at it.
        self._lock = threading.RLock()
        self._lifeline = lifeline
        self._report = report
        self._own_group = own_group
        # None once released. It closes its descriptor when the last who waits has let go of it.
        self._sentinel: ExitSentinel | None = open_sentinel(pid)

    @property
    def sentinel(self) -> int:
        sentinel = self._sentinel
        return -1 if sentinel is None else sentinel.fd

    def poll(self) -> bool:
        if self._owner != os.getpid():
            return False
        with self._lock:
            return self._look()

    def wait(self, timeout: float | None) -> bool:
        if self._owner != os.getpid():
            return False
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._lock:
            sentinel = self._sentinel
            if self._look() or sentinel is None:
                return True
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            ready = sentinel.wait(left)
            if self.poll() or (ready and self._released):
                return True
            if deadline is not None and time.monotonic() >= deadline:
                return False
            if ready:
                time.sleep(0.001)  # a kqueue tells of the exit a moment before it can be reaped

    def _look(self) -> bool:
        """Find out whether it is dead, or was let go of; the lock is held."""
        if not self._dead and self._sentinel is not None:
            self._dead, self.exitcode = self._sentinel.look()
        return self._dead or self._released

    def send_signal(self, number: int) -> None:
        if self._owner == os.getpid():
            with self._lock:
                if not self._look() and self._sentinel is not None:
                    self._sentinel.send_signal(number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def kill_group(self) -> None:
        """Kill what is in the child's own process group, also when the child itself is dead."""
        if self._owner == os.getpid():
            with self._lock:
                self._kill_group()

    def _kill_group(self) -> None:
        self._look()
        if self._own_group and self._sentinel is not None and self._sentinel.holds_pid:
            with suppress(ProcessLookupError, PermissionError):  # none yet; EPERM: zombies, macOS
                os.killpg(self.pid, signal.SIGKILL)

    def report(self) -> bytes:
        if self._owner != os.getpid():
            return b""
        with self._lock:
            return b"" if self._released else os.pread(self._report, _REPORT_LIMIT, 0)

    def clear_report(self) -> None:
        if self._owner == os.getpid():
            with self._lock:
                if not self._released:
                    os.ftruncate(self._report, 0)
                    os.lseek(self._report, 0, os.SEEK_SET)  # the child's offset, too

    def release(self, spare_group: bool = False) -> None:
        """Kill the child and its group if they run, and close every descriptor.

        Args:
            spare_group: leave the group alone.
        """
        if self._owner != os.getpid():
            return
        with interrupt_held_back(), self._lock:
            if not self._released:
                self._released = True
                if not spare_group:
                    self._kill_group()
                self._release()

    def _release(self) -> None:
        close_lifeline(self._lifeline)
        os.close(self._report)
        if self._sentinel is not None:
            if not self._dead:
                self._sentinel.send_signal(signal.SIGKILL)
            _bury_or_keep(self._sentinel)
        self._sentinel = None


def start(order: Order) -> PosixChild:
    """Execute the interpreter for an order.

    Raises:
        OSError: from the operating system: with ``filename`` for the program or the directory,
            without for lack of processes, descriptors or memory.

    The caller holds SIGINT back, so that Ctrl-C strikes neither this nor a half-started Python.
    """
    _bury_leftovers()
    with ExitStack() as on_error:
        with ExitStack() as always:
            read_end, lifeline = make_lifeline()
            always.callback(os.close, read_end)
            on_error.callback(close_lifeline, lifeline)
            channels = tuple(_usable(sock.fileno(), always) for sock in order.channels)
            report = anonymous_file()
            on_error.callback(os.close, report)
            os.pwrite(report, _NOT_BOOTED, 0)
            facts = {
                "descriptors": channels,
                "lifeline": read_end,
                "unblock_interrupt": order.unblock_interrupt,
            }
            record = marshal.dumps(order.boot_record(**facts), _MARSHAL_VERSION)
            boot, deliver = _boot_file(record, always)
            inherited = {read_end, report, boot, *channels, *order.pass_fds}
            pid = _execute(_command(order, boot, report), order, inherited)
            on_error.callback(_abandon, pid)
            deliver()
            child = PosixChild(pid, lifeline, report, own_group=order.new_group)
            on_error.pop_all()
            on_error.callback(child.release)
        on_error.pop_all()
    return child


def _command(order: Order, boot: int, report: int) -> list[str]:
    if is_frozen():
        return [order.python, MARKER, str(boot), str(report)]
    return [order.python, *order.flags, "-c", _BOOT, str(boot), str(report), PACKAGE_HOME]


def _execute(words: list[str], order: Order, inherited: set[int]) -> int:
    """Fork and exec; return the pid, which is ours to reap."""
    popen = subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=None if stream_is_usable(1) else subprocess.DEVNULL,
        stderr=None if stream_is_usable(2) else subprocess.DEVNULL,
        close_fds=True,
        pass_fds=tuple(inherited),
        env=order.env,
        cwd=order.cwd,
    )
    popen.returncode = 0  # tells Popen that it is not to reap the pid, now or as garbage
    return popen.pid


def _boot_file(record: bytes, cleanup: ExitStack) -> tuple[int, Callable[[], None]]:
    """Return the descriptor the child boots from and what is to be done once it was started.

    A memfd takes the whole record now. A pipe may not: then a thread writes what the child reads.
    No disk in either case: the record holds the payload.
    """
    data = len(record).to_bytes(_SIZE_BYTES, "little") + record
    if _capabilities.has("memfd"):
        boot = anonymous_file()
        cleanup.callback(os.close, boot)
        write_all(boot, data)
        os.lseek(boot, 0, os.SEEK_SET)
        return boot, lambda: None
    boot, writer = make_pipe()
    cleanup.callback(os.close, boot)
    close_writer = cleanup.enter_context(ExitStack())
    close_writer.callback(os.close, writer)

    def deliver() -> None:
        if len(data) <= select.PIPE_BUF:
            write_all(writer, data)
            return
        feeder = threading.Thread(target=_feed, args=(writer, data), daemon=True)
        try:
            feeder.start()
        except RuntimeError as error:
            raise OSError(errno.EAGAIN, str(error)) from error
        close_writer.pop_all()

    return boot, deliver


def _feed(fd: int, data: bytes) -> None:
    """Write the record to the boot pipe; a child that dies before it reads is no error here."""
    try:
        write_all(fd, data)
    except BrokenPipeError:
        pass
    finally:
        os.close(fd)


def _usable(fd: int, cleanup: ExitStack) -> int:
    """Return the descriptor of a channel, or a copy above the standard streams for the child."""
    if fd > 2:
        return fd
    copy = copy_above_standard_streams(fd)
    cleanup.callback(os.close, copy)
    return copy


def _abandon(pid: int) -> None:
    """End a child that no handle could be made for."""
    with suppress(ProcessLookupError, ChildProcessError):  # reaped by somebody else
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _bury_or_keep(sentinel: ExitSentinel) -> None:
    """Reap a dead child, or leave that to a later `start`."""
    dead, _ = sentinel.look()
    if dead:
        sentinel.bury()
    else:
        _unburied.append(sentinel)


def _bury_leftovers() -> None:
    for _ in range(len(_unburied)):
        try:
            sentinel = _unburied.popleft()
        except IndexError:  # another thread was faster
            return
        _bury_or_keep(sentinel)
