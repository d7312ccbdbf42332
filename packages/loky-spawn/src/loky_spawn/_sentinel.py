"""How a POSIX parent sees a child die: pidfd, else kqueue, else a waiting thread.

Each rung of the ladder gives a descriptor that becomes ready to read at the death, and a way to
look, to bury and to signal. Callers serialize `look`, `bury` and `send_signal` by a lock.

Rule: looking leaves the dead child a zombie where the system can (``WNOWAIT``), so that its number,
and the number of its process group, belongs to nobody else until `bury`.

Facts:
- pidfd_open(2): the descriptor is ready to read when the process ended, whoever reaps it.
- waitid(2) with SIGCHLD ignored, or after somebody else's waitpid(-1): ECHILD.
- Python on macOS has `os.waitid` from 3.13 on.
- kqueue(2): registering a filter on a process that is dead already fails with ESRCH (macOS).
"""

# ruff: noqa: E402 (the assertion comes before the imports, so that mypy skips those elsewhere)

from __future__ import annotations

import sys

assert sys.platform != "win32"

import errno
import os
import select
import signal
import threading
import weakref
from contextlib import suppress

from . import _capabilities
from ._descriptors import above_standard_streams, make_pipe

_LONGEST_POLL = 3600.0  # seconds; poll(2) takes no more than 24 days of milliseconds


class ExitSentinel:
    """The lowest rung, and what the others share: waitpid and kill by number.

    Attributes:
        pid: the child.
        fd: ready to read once it is dead; closed with the last reference to this object, so that
            it cannot become another's while somebody waits on it.
        holds_pid: whether the number is the child's for certain: it was not reaped, by anyone.
    """

    def __init__(self, pid: int, fd: int) -> None:
        self.pid = pid
        self.fd = fd
        self.holds_pid = True
        weakref.finalize(self, os.close, fd).atexit = False  # the kernel does it then

    def look(self) -> tuple[bool, int | None]:
        """Return (dead, exit code) without blocking; (True, None) if somebody else reaped it."""
        try:
            return self._look()
        except ChildProcessError:  # ECHILD: reaped by another, or SIGCHLD is ignored
            self.holds_pid = False
            return self._is_dead_though_reaped(), None

    def bury(self) -> None:
        """Reap a child that `look` has seen dead."""
        if self.holds_pid:
            self.holds_pid = False
            with suppress(ChildProcessError):
                os.waitpid(self.pid, os.WNOHANG)

    def send_signal(self, number: int) -> None:
        """Send a signal; nothing if the process is gone."""
        if self.holds_pid:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def wait(self, timeout: float | None) -> bool:
        """Wait for the death, `timeout` seconds at most, None for ever; say whether it came."""
        if not _capabilities.has("poll"):
            seconds = None if timeout is None else max(0.0, min(timeout, _LONGEST_POLL))
            return bool(select.select([self.fd], [], [], seconds)[0])
        poller = select.poll()  # unlike select(2) fit for descriptors above 1023
        poller.register(self.fd, select.POLLIN)
        if timeout is None:
            return bool(poller.poll())
        return bool(poller.poll(max(0.0, min(timeout, _LONGEST_POLL) * 1000)))

    def _look(self) -> tuple[bool, int | None]:
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if not pid:
            return False, None
        self.holds_pid = False
        return True, os.waitstatus_to_exitcode(status)

    def _is_dead_though_reaped(self) -> bool:
        return True


if sys.platform != "darwin":

    class _Waitid(ExitSentinel):
        """Looks without reaping."""

        def _look(self) -> tuple[bool, int | None]:
            return _exit_of(os.waitid(os.P_PID, self.pid, _LOOK))

    _LOOK = os.WEXITED | os.WNOHANG | os.WNOWAIT

    def _exit_of(found: os.waitid_result | None) -> tuple[bool, int | None]:
        if found is None:
            return False, None
        killed = found.si_code != os.CLD_EXITED
        return True, -found.si_status if killed else found.si_status


if sys.platform == "linux":

    class _Pidfd(ExitSentinel):
        """Reaps and signals by a descriptor of the process, which no other can take over."""

        def bury(self) -> None:
            self.holds_pid = False
            with suppress(ChildProcessError):
                os.waitid(os.P_PIDFD, self.fd, os.WEXITED | os.WNOHANG)

        def send_signal(self, number: int) -> None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.fd, number)

        def _look(self) -> tuple[bool, int | None]:
            return _exit_of(os.waitid(os.P_PIDFD, self.fd, _LOOK))

        def _is_dead_though_reaped(self) -> bool:
            return self.wait(0)


def open_sentinel(pid: int) -> ExitSentinel:
    """Return the best sentinel this system has for a child that was just started.

    Raises:
        OSError: no descriptor, memory or thread was left.
    """
    if sys.platform == "linux" and _capabilities.has("pidfd"):
        try:
            return _Pidfd(pid, above_standard_streams(os.pidfd_open(pid)))
        except ProcessLookupError:  # ESRCH: dead and reaped by another already
            return ExitSentinel(pid, _ready_descriptor())
    if sys.platform != "linux" and _capabilities.has("kqueue"):
        return _kqueue_sentinel(pid)
    if sys.platform == "darwin":
        raise OSError(errno.ENOSYS, "there is no kqueue")
    else:  # noqa: RET506 (mypy leaves out the other platform's branch only so)
        return _thread_sentinel(pid)


def _ready_descriptor() -> int:
    read_end, write_end = make_pipe()
    os.close(write_end)
    return read_end


def _kqueue_sentinel(pid: int) -> ExitSentinel:
    """Return a sentinel whose descriptor is a kqueue that holds one filter, the exit of `pid`."""
    if sys.platform == "linux":
        raise AssertionError("a kqueue is a thing of macOS and the BSDs")
    event = select.kevent(pid, select.KQ_FILTER_PROC, select.KQ_EV_ADD, select.KQ_NOTE_EXIT)
    queue = select.kqueue()
    try:
        queue.control([event], 0)
        return ExitSentinel(pid, above_standard_streams(os.dup(queue.fileno())))
    except ProcessLookupError:
        return ExitSentinel(pid, _ready_descriptor())
    finally:
        queue.close()


if sys.platform != "darwin":

    def _thread_sentinel(pid: int) -> ExitSentinel:
        read_end, write_end = make_pipe()

        def wait_for_death() -> None:
            # WNOWAIT leaves the process to be reaped by `bury`; ECHILD means it was already.
            try:
                with suppress(ChildProcessError):
                    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
            finally:
                os.close(write_end)

        thread = threading.Thread(target=wait_for_death, daemon=True, name=f"loky-wait-{pid}")
        try:
            thread.start()
        except RuntimeError as error:
            os.close(read_end)
            os.close(write_end)
            raise OSError(errno.EAGAIN, str(error)) from error
        return _Waitid(pid, read_end)
