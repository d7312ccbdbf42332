"""`spawn`: check what the caller asks for, start the child, explain what the system refused."""

from __future__ import annotations

import errno

from . import _order, _platform
from ._errors import InterpreterError, SpawnError, WorkingDirectoryError
from ._executable import get_executable, interpreter_flags
from ._interrupts import interrupt_held_back, interrupt_is_blocked
from ._order import Order
from ._process import ChildProcess

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    import socket
    from collections.abc import Mapping, Sequence

_EXHAUSTED = (errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM)


def spawn(
    entry: str,
    *,
    payload: bytes = b"",
    channels: Sequence[socket.socket] = (),
    pass_fds: Sequence[int] = (),
    env: Mapping[str, str | None] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    python: str | os.PathLike[str] | None = None,
    name: str | None = None,
    new_group: bool = True,
    hold_interrupt: bool = False,
) -> ChildProcess:
    """Start a fresh Python, hand it bytes and sockets, and call one function in it.

    The child is made by fork+exec (POSIX) or CreateProcess (Windows), so it holds nothing of the
    parent's memory, locks or threads. It gets the parent's interpreter flags, ``sys.path``,
    ``sys.argv`` and environment; its standard input is the null device, its output is the
    parent's. It is killed by the kernel when this process ends, however it ends.

    Args:
        entry: ``"package.module:function"``. The child imports the module and calls the function
            with one argument, a `Handover`. Its return ends the child with exit code 0.
        payload: bytes for `Handover.payload`, up to 2 GiB; they never appear on a command line
            nor on a disk. For bulk data a channel is the better way.
        channels: connected sockets for `Handover.channels`. The parent's objects stay the
            parent's to close; closing its copy after this call is the usual thing.
        pass_fds: further descriptors that the child keeps under their numbers (POSIX only); there
            they are not inheritable, as every descriptor that Python makes.
        env: changes to the environment: a string sets a variable, None removes it. None or an
            empty mapping means the parent's environment as it is.
        cwd: working directory of the child; None means the parent's.
        python: interpreter to run; None means `get_executable`.
        name: a name for messages; None means ``"child-PID"``.
        new_group: give the child a process group of its own (POSIX), so that Ctrl-C at the
            terminal reaches the parent alone and the child's own children end with it.
        hold_interrupt: leave SIGINT blocked in the child (POSIX); the entry takes it out of the
            signal mask when it is ready for it.

    Returns:
        The running child. Whoever holds it closes it (`ChildProcess.close`, or ``with``).

    Raises:
        EntryError: the entry is not of the form above.
        HandoverError: payload, channels, pass_fds or env are not what they must be.
        WorkingDirectoryError: cwd does not exist or may not be entered.
        InterpreterError: the interpreter cannot be executed.

    Blocks until the operating system has executed the interpreter (about 1 ms), not until the
    child runs. May be called from any thread, from several at once.
    """
    order = Order(
        entry=_order.checked_entry(entry),
        payload=_order.checked_payload(payload),
        channels=_order.checked_channels(channels),
        pass_fds=_order.checked_descriptors(pass_fds),
        env=_order.checked_env(env),
        cwd=_order.checked_cwd(cwd),
        python=get_executable() if python is None else _order.checked_path("python", python),
        flags=tuple(interpreter_flags()),
        new_group=bool(new_group),
        unblock_interrupt=not (hold_interrupt or interrupt_is_blocked()),
    )
    with interrupt_held_back():
        try:
            handle = _platform.start(order)
        except OSError as error:
            raise _explained(error, order) from error
        return ChildProcess(handle, entry=order.entry, name=name)


def _explained(error: OSError, order: Order) -> SpawnError:
    """Map the operating system's refusal to the error that names what was refused."""
    reason = error.strerror or str(error)
    if order.cwd is not None and error.filename == order.cwd:
        return WorkingDirectoryError(order.cwd, error.errno, reason)
    if error.errno in _EXHAUSTED:
        advice = (
            "Start fewer processes, or raise the limit "
            "(ulimit -u for processes, -n for descriptors; pids.max of the cgroup)."
        )
    elif error.errno == errno.E2BIG:
        advice = "The environment (with env=) is larger than the system takes."
    else:
        advice = "Is it an executable Python? Name another with python= or set_executable(path)."
    return InterpreterError(order.python, error.errno, reason, advice)
