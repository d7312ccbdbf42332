"""The only file of this package that touches private names of CPython, each with its reason.

``sys._xoptions``
    The ``-X`` options of this interpreter, to be given to children. Documented in the ``sys``
    manual as an implementation detail; there is no public spelling. Checked on 3.10 to 3.15.

``_signal``
    The C half of ``signal``. The child needs a few calls of it before any user code runs
    (the mask and the default action); ``signal`` itself imports ``enum``, which costs 4 ms of a
    start of 8 ms. Built into every CPython. Checked on 3.10 to 3.15; `signal` is the fallback.

``Popen._handle`` (Windows)
    The process handle, which `multiprocessing.connection.wait` and the Win32 calls wait on;
    ``Popen`` shows it nowhere else. Checked on 3.10 to 3.14.

``__PYVENV_LAUNCHER__`` (Windows)
    The variable by which the launcher of a virtual environment tells the base interpreter whose
    environment it runs. Set by ``PC/launcher``, read by ``getpath``; `multiprocessing` uses it
    so. Checked on 3.10 to 3.14.
"""

import sys

LAUNCHER_VARIABLE = "__PYVENV_LAUNCHER__"

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess


def x_options() -> "dict[str, str | bool]":
    """Return the ``-X`` options of this interpreter; empty where it has no such thing."""
    options: dict[str, str | bool] = getattr(sys, "_xoptions", {})
    return dict(options)


def settle_signals(unblock_interrupt: bool) -> None:
    """Give this process the signals of a clean start. POSIX, in the child.

    A Ctrl-C that came while it started is discarded: it was for the parent. SIGCHLD gets its
    default action again, since an ignored one is inherited and breaks `subprocess`.

    Args:
        unblock_interrupt: take SIGINT out of the signal mask afterwards.
    """
    if sys.platform == "win32":
        return
    try:
        import _signal as calls  # type: ignore[import-not-found]
    except ImportError:  # an interpreter that is not CPython: pay for the public module
        import signal as calls
    before = calls.signal(calls.SIGINT, calls.SIG_IGN)
    if unblock_interrupt:
        calls.pthread_sigmask(calls.SIG_UNBLOCK, (calls.SIGINT,))
    calls.signal(calls.SIGINT, calls.SIG_DFL if before is None else before)
    if calls.getsignal(calls.SIGCHLD) == calls.SIG_IGN:
        calls.signal(calls.SIGCHLD, calls.SIG_DFL)


def process_handle(popen: "subprocess.Popen[bytes]") -> int:
    """Return the Windows handle of a process that `subprocess` started."""
    return int(popen._handle)  # type: ignore[attr-defined]
