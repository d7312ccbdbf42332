"""What the workers of the backend tests are told to do; imported by the workers."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket


def echo(value: object) -> object:
    """Return what came."""
    return value


def pid() -> int:
    """Return the number of the process that runs this."""
    return os.getpid()


def size_of(value: object) -> int:
    """Return how many bytes came."""
    return memoryview(value).nbytes  # type: ignore[arg-type]


def many_bytes(size: int) -> bytes:
    """Return bytes, which travel inside the pickle and so through the stream."""
    return b"\1" * size


def large_buffer(size: int) -> pickle.PickleBuffer:
    """Return a buffer, which travels beside the pickle."""
    return pickle.PickleBuffer(bytearray(size))


def filled_array(size: int, value: int) -> object:
    """Return an array of bytes."""
    import numpy as np

    return np.full(size, value, dtype="u1")


def write_in_a_fork(value: object) -> int:
    """Return the first byte of what came after a forked copy of this process wrote there."""
    view = memoryview(value)  # type: ignore[arg-type]
    child = os.fork()
    if not child:
        view[0] = 7
        os._exit(0)
    os.waitpid(child, 0)
    return view[0]


def leave_a_program(place: str, command: list[str]) -> int:
    """Start a program that lives on when this process has ended; return its number."""
    import subprocess

    fd = os.open(place, os.O_WRONLY)
    program = subprocess.Popen(command, stdout=fd)
    program.returncode = 0  # nobody waits for it
    os.close(fd)
    return program.pid


_held: list[int] = []


def use_up_descriptors() -> int:
    """Leave this process without a free descriptor."""
    import resource

    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    try:
        while True:
            _held.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        return len(_held)


def give_descriptors_back() -> None:
    """Undo that."""
    while _held:
        os.close(_held.pop())


def tell(place: str, data: bytes = b"!") -> None:
    """Write into a `Post`."""
    if sys.platform == "win32":
        with _call(place) as post:
            post.sendall(data)
        return
    fd = os.open(place, os.O_WRONLY)
    try:
        os.write(fd, data)
    finally:
        os.close(fd)


def tell_and_wait(place: str, gate: str = "") -> str:
    """Say that the task runs; wait for a byte in another `Post`, or for ever."""
    if sys.platform == "win32" and gate:
        with _call(gate) as door:
            tell(place)
            door.recv(1)
        return "waited"
    gate_fd = os.open(gate, os.O_RDWR) if gate else -1
    tell(place)
    if gate_fd < 0:
        wait_for_ever()
    os.read(gate_fd, 1)
    os.close(gate_fd)
    return "waited"


def _call(place: str) -> socket.socket:
    """Connect to a `Post`, on Windows."""
    import socket

    return socket.create_connection(("127.0.0.1", int(place)))


def wait_for_ever() -> None:
    """Wait for signals only."""
    while True:
        if sys.platform == "win32":
            time.sleep(60)
        else:
            signal.pause()


def hold_the_gil(place: str, seconds: float = 3600) -> str:
    """Say that it runs, then stay in a C call that keeps the GIL, and wakes for no signal."""
    import ctypes

    calls: Any = ctypes.PyDLL("kernel32" if sys.platform == "win32" else None)
    deadline = time.monotonic() + seconds
    tell(place)
    while (left := deadline - time.monotonic()) > 0:
        if sys.platform == "win32":
            calls.Sleep(min(int(left * 1e3) + 1, 900_000))
        else:
            calls.usleep(min(int(left * 1e6) + 1, 900_000_000))
    return "held"


def note_and_return(path: str, word: str) -> str:
    """Leave a word in a file, so that others see that this ran."""
    with open(path, "a", encoding="ascii") as file:  # noqa: PTH123 - appends in one write
        file.write(word + "\n")
    return word


# -- ways to die ----------------------------------------------------------------------------


def segfault() -> None:
    """Read from an address that nobody has (a call of ctypes would be guarded on Windows)."""
    import ctypes

    ctypes.c_int.from_address(8).value  # noqa: B018 - the crash


def abort() -> None:
    """End by SIGABRT."""
    os.abort()


def leave(code: int) -> None:
    """Exit without any cleaning up."""
    os._exit(code)


def overflow_the_stack() -> None:
    """Recurse through C code until the main thread's stack is at its end."""
    import resource

    sys.setrecursionlimit(1_000_000)
    hard = resource.getrlimit(resource.RLIMIT_STACK)[1]
    resource.setrlimit(resource.RLIMIT_STACK, (256 << 10, hard))  # looked at as the stack grows

    def down(depth: int) -> list[object]:
        return list(map(down, [depth + 1]))

    down(0)


def kill_self(number: int) -> None:
    """Die of a signal."""
    signal.signal(number, signal.SIG_DFL) if number != signal.SIGKILL else None
    os.kill(os.getpid(), number)
    wait_for_ever()


def abort_among_threads(count: int, depth: int) -> None:
    """Abort while many threads are deep in Python code."""
    arrived = threading.Barrier(count + 1)

    def deep(left: int) -> None:
        if left:
            deep(left - 1)
        else:
            arrived.wait()
            threading.Event().wait()

    for _ in range(count):
        threading.Thread(target=deep, args=(depth,), daemon=True).start()
    arrived.wait()
    os.abort()


def _channel() -> int:
    """Return the data channel: the lowest of the sockets that this process was given."""
    if sys.platform == "win32":
        import gc
        import socket

        (channel,) = (thing for thing in gc.get_objects() if type(thing) is socket.socket)
        return channel.fileno()
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            target = entry.readlink()
        except OSError:  # the descriptor of this very listing
            continue
        if int(entry.name) > 2 and str(target).startswith("socket:"):
            found.append(int(entry.name))
    return min(found)


def write_to_channel(data: bytes) -> str:
    """Write anything into the channel, as a library that writes to a wrong descriptor does."""
    fd = _channel()
    if sys.platform == "win32":
        import socket

        channel = socket.socket(fileno=fd)
        channel.sendall(data)
        channel.detach()
        return "written"
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
    return "written"


def write_and_stay(data: bytes) -> None:
    """Write anything into the channel and never answer."""
    write_to_channel(data)
    wait_for_ever()


def close_the_channel() -> None:
    """Close the channel and live on."""
    if sys.platform == "win32":
        import socket

        socket.close(_channel())
    else:
        os.close(_channel())
    wait_for_ever()


def leave_a_grandchild(place: str) -> None:
    """Fork a process that holds every descriptor of this one and outlives it, then die."""
    grandchild = os.fork()
    if not grandchild:
        os.setpgid(0, 0)  # so that the end of the group does not end it
        tell(place, f"{os.getpid()}\n".encode())
        wait_for_ever()
    # The kernel is to have moved it to its own group before this one ends.
    while os.getpgid(grandchild) != grandchild:
        os.sched_yield()
    os._exit(9)


def leave_chatty_grandchildren(place: str, data: bytes, count: int) -> None:
    """Fork processes that write valid frames into the channel for ever; stay."""
    for _ in range(count):
        if not os.fork():
            fd = _channel()
            tell(place)
            while True:
                os.write(fd, data)
    wait_for_ever()


# -- exceptions -----------------------------------------------------------------------------


class TwoArgumentsError(Exception):
    """An exception that cannot be made from its `args`."""

    def __init__(self, what: str, where: str) -> None:
        super().__init__(f"{what} at {where}")


class HostileError(Exception):
    """An exception one of whose methods fails in one of several ways."""

    where = "nowhere"
    how: type[BaseException] = ValueError

    def __str__(self) -> str:
        self._fail("__str__")
        return "hostile"

    def __repr__(self) -> str:
        self._fail("__repr__")
        return "HostileError()"

    def __reduce__(self) -> tuple[object, ...]:
        self._fail("__reduce__")
        return HostileError, ()

    def _fail(self, where: str) -> None:
        if self.where == where:
            raise self.how(f"from {where}")


def hostile(where: str, how: type[BaseException]) -> HostileError:
    """Make an exception one of whose methods raises."""
    error = HostileError()
    error.where = where
    error.how = how
    error.args = (error,)  # its repr is asked for, too
    return error


def fail_with(error: BaseException) -> None:
    """Raise what came."""
    raise error


def fail_hostile(where: str, how: type[BaseException]) -> None:
    """Raise an exception that does not want to be told of."""
    raise hostile(where, how)


def fail_two_arguments() -> None:
    """Raise an exception that does not come back from its pickle."""
    raise TwoArgumentsError("nothing", "here")


def fail_with_note() -> None:
    """Raise with notes."""
    error = ValueError("noted")
    error.__notes__ = ["first note", "second note"]  # add_note exists from 3.11 on
    raise error


def fail_with_odd_notes() -> None:
    """Raise with notes that are no list."""
    error = ValueError("noted")
    error.__notes__ = 5  # type: ignore[assignment]
    raise error


def exit_with(code: int) -> None:
    """Raise SystemExit."""
    sys.exit(code)


class Poison:
    """An object that can be pickled and not unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return _refuse, ("this cannot be rebuilt",)


def _refuse(message: str) -> None:
    raise LookupError(message)


def lock() -> object:
    """Return what cannot be pickled."""
    return threading.Lock()


def import_module(name: str) -> None:
    """Import a module, as an initializer does that needs it."""
    __import__(name)


def sleep(seconds: float) -> None:
    """Sleep, without the GIL."""
    time.sleep(seconds)
