"""What this kernel and this interpreter can do, probed once and never guessed from a version.

Facts:
- pidfd_open(2): Linux 5.3; `waitid(P_PIDFD)` 5.4. A sandbox may refuse either, so both are called.
- memfd_create(2): Linux 3.17.
- F_SETSIG, fcntl(2): Linux only; lets the kernel send a signal of choice when a pipe closes.
- Job objects (Windows): `_job` says what they do; a sandbox may refuse them.
- SCM_RIGHTS, unix(7): descriptors travel with a byte; on every POSIX, not on Windows.
- epoll(7): Linux only; poll(2): everywhere but on Windows; select(2): everywhere, and on POSIX for
  descriptors below 1024 only.
- kqueue(2): macOS and the BSDs; a kqueue descriptor is itself something one can wait on.
- The environment variable ``LOKY_WITHOUT`` (names separated by commas) switches capabilities off,
  which is how the ways of other systems are tested on this one. Children inherit it.
"""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress

_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
_SIGKILL = 9
NAMES = ("pidfd", "memfd", "scm_rights", "epoll", "poll", "kqueue", "setsig", "job")


def _probe_pidfd() -> bool:
    if sys.platform != "linux" or not hasattr(os, "pidfd_open") or not hasattr(os, "P_PIDFD"):
        return False
    try:
        fd = os.pidfd_open(os.getpid())
    except OSError as error:
        if error.errno in _EXHAUSTED:
            raise  # says nothing of the kernel: ask again next time
        return False  # ENOSYS on an old kernel, EPERM in a sandbox
    try:
        os.waitid(os.P_PIDFD, fd, os.WEXITED | os.WNOHANG)
    except ChildProcessError:
        return True  # understood: this process is no child of its own
    except OSError:  # EINVAL before 5.4
        return False
    finally:
        os.close(fd)
    return True


def _probe_memfd() -> bool:
    if sys.platform != "linux" or not hasattr(os, "memfd_create"):
        return False
    try:
        os.close(os.memfd_create("loky-probe", os.MFD_CLOEXEC))
    except OSError as error:
        if error.errno in _EXHAUSTED:
            raise
        return False
    return True


def _probe_scm_rights() -> bool:
    import socket

    return hasattr(socket, "SCM_RIGHTS")


def _probe_epoll() -> bool:
    import select

    return hasattr(select, "epoll")


def _probe_poll() -> bool:
    import select

    return hasattr(select, "poll")


def _probe_kqueue() -> bool:
    import select

    return hasattr(select, "kqueue")


def _probe_setsig() -> bool:
    if sys.platform != "linux":
        return False
    import fcntl

    read_end, write_end = os.pipe()
    try:
        fcntl.fcntl(read_end, fcntl.F_SETSIG, _SIGKILL)
        return fcntl.fcntl(read_end, fcntl.F_GETSIG) == _SIGKILL and hasattr(os, "O_ASYNC")
    except OSError:  # EINVAL: an emulated kernel
        return False
    finally:
        os.close(read_end)
        os.close(write_end)


def _probe_job() -> bool:
    if sys.platform == "win32":
        from ._job import Job

        with suppress(OSError):  # a sandbox that has none
            Job().close()
            return True
    return False


_PROBES = {
    "pidfd": _probe_pidfd,
    "memfd": _probe_memfd,
    "scm_rights": _probe_scm_rights,
    "epoll": _probe_epoll,
    "poll": _probe_poll,
    "kqueue": _probe_kqueue,
    "setsig": _probe_setsig,
    "job": _probe_job,
}
_known: dict[str, bool] = {}


def has(name: str) -> bool:
    """Say whether a capability is there; probed on the first call, then remembered.

    Args:
        name: one of `NAMES`.

    Raises:
        KeyError: the name is not one of `NAMES`.
        OSError: no descriptor or memory was left to ask the kernel with.
    """
    if name not in _known:
        switched_off = os.environ.get("LOKY_WITHOUT", "").split(",")
        _known[name] = name not in switched_off and _PROBES[name]()
    return _known[name]


has_capability = has  # how it is called outside of this package
