"""How a process of the contexts `loky` and `loky_init_main` starts and ends: through `loky_spawn`.

Rules:
1. The object is pickled before the process exists: what cannot be pickled starts nothing.
2. Delivering it never waits for a child that is dead.
3. The end of the pipe stays with the parent as long as the child's handle: closing it tells the
   child that its parent is gone.

Facts:
- `multiprocessing` calls the constructor with the process object, then `poll`, `wait`, `terminate`,
  `kill`, `close`; an exit code of 255 is what its fork server reports where the code is lost.
- Its children belong to the process group of the parent: Ctrl-C reaches all of them.
- `weakref.finalize` ends a `ChildProcess` when the interpreter exits. `multiprocessing` waits for
  its children at that time; its hook must run first (`_cpython.finish_children_first`).
"""

from __future__ import annotations

import marshal
import os
import selectors
import signal
import sys
import threading
import weakref
from multiprocessing import spawn as mp_spawn
from multiprocessing.context import SpawnProcess
from multiprocessing.reduction import ForkingPickler

from . import _cpython
from ._inheriting import Inheritance
from ._selecting import make_selector

TYPE_CHECKING = False
if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess
    from typing import Any

    from loky_spawn import ChildProcess

_ENTRY = "loky_backend._mp_child:main"
_MAIN = ("init_main_from_name", "init_main_from_path")
_UNKNOWN_EXIT = 255
_INTERPRETER = mp_spawn.get_executable()


class LokyPopen:
    """A started process, with the methods that `multiprocessing` calls.

    Attributes:
        returncode: None while it runs; -N for signal N.
        sentinel: ready once the process is dead.
    """

    method = "loky"
    init_main = False

    def __init__(self, process: BaseProcess) -> None:
        self.returncode: int | None = None
        with Inheritance() as inheritance:
            data = _pickled(process, inheritance, init_main=self.init_main)
            reader, writer = os.pipe()
            self._release = weakref.finalize(self, os.close, writer)
            self._reader: int | None = reader
            try:
                self._child = self._start(process, reader, inheritance)
            except BaseException:
                self._release()
                self._close_reader()
                raise
        if sys.platform == "win32":  # the child takes its end of the pipe out of this process
            threading.Thread(target=_feed, args=(os.dup(writer), data), daemon=True).start()
        else:
            self._close_reader()
            deliver(writer, data, self._child.sentinel)
        self.pid = self._child.pid
        self.sentinel = self._child.sentinel
        _cpython.finish_children_first()

    def _start(self, process: BaseProcess, reader: int, inheritance: Inheritance) -> ChildProcess:
        from loky_spawn import spawn

        tracker = -1
        if sys.platform == "win32":
            import msvcrt

            pipe = msvcrt.get_osfhandle(reader)
        else:
            from multiprocessing import resource_tracker

            pipe = inheritance.duplicate_for_child(reader)
            running: Any = resource_tracker.getfd()  # typed as if it could be None
            tracker = inheritance.duplicate_for_child(running)
        return spawn(
            _ENTRY,
            payload=marshal.dumps((pipe, os.getpid(), tracker)),
            pass_fds=inheritance.descriptors,
            python=_chosen_interpreter(),
            name=process.name,
            new_group=False,
        )

    def _close_reader(self) -> None:
        if self._reader is not None:
            os.close(self._reader)
            self._reader = None

    def poll(self) -> int | None:
        """Return the exit code; None while it runs. Does not block."""
        if self.returncode is None and self._child.poll():
            code = self._child.exitcode
            self.returncode = _UNKNOWN_EXIT if code is None else code
            self._close_reader()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for the end, at most `timeout` seconds (None: for ever); return what `poll` does."""
        if self.returncode is None:
            self._child.wait(timeout)
        return self.poll()

    def terminate(self) -> None:
        """Ask it to end (SIGTERM); TerminateProcess on Windows. Nothing if it is dead."""
        self._child.terminate()

    def kill(self) -> None:
        """End it at once. Nothing if it is dead."""
        self._child.kill()

    def interrupt(self) -> None:
        """Send it SIGINT; on Windows end it. Nothing if it is dead."""
        if sys.platform == "win32":
            self._child.terminate()
        else:
            self._child.send_signal(signal.SIGINT)

    def close(self) -> None:
        """Give back what is held for it; `multiprocessing` calls this for dead processes only."""
        self._release()
        self._close_reader()
        self._child.close()


class LokyInitMainPopen(LokyPopen):
    """The same; the child runs the parent's main module first, under the name ``__mp_main__``."""

    method = "loky_init_main"
    init_main = True


class LokyProcess(SpawnProcess):
    """A process of the context `loky`; what is defined in ``__main__`` is sent to it by value."""


class LokyInitMainProcess(SpawnProcess):
    """A process of the context `loky_init_main`; it imports the main module as `spawn` does."""


_cpython.start_processes_by(LokyProcess, LokyPopen)
_cpython.start_processes_by(LokyInitMainProcess, LokyInitMainPopen)


def _pickled(process: BaseProcess, inheritance: Inheritance, *, init_main: bool) -> bytes:
    """Return what the child reads: how to prepare itself, and the process object."""
    facts = dict(mp_spawn.get_preparation_data(process.name))
    if not init_main:
        for key in _MAIN:
            facts.pop(key, None)
    with inheritance.pickling():
        preparation = bytes(ForkingPickler.dumps(facts))
        if init_main:
            try:  # by reference, since the child has the main module
                return preparation + bytes(ForkingPickler.dumps(process))
            except (_cpython.pickle.PicklingError, AttributeError, TypeError):
                pass  # a lambda, something local: by value
    return preparation + inheritance.encode(process)


def _chosen_interpreter() -> str | None:
    """Return what `multiprocessing.set_executable` was given; None if it was not called."""
    chosen: Any = mp_spawn.get_executable()
    if chosen is None or chosen in (_INTERPRETER, sys.executable):
        return None
    return os.fsdecode(chosen)


def deliver(writer: int, data: bytes, sentinel: int) -> None:
    """Write to the child until it has all or is dead (POSIX)."""
    view = memoryview(data)
    if sys.platform == "win32":
        raise AssertionError("pipes are waited for on POSIX")
    os.set_blocking(writer, False)
    with make_selector() as selector:
        selector.register(writer, selectors.EVENT_WRITE)
        selector.register(sentinel, selectors.EVENT_READ)
        while view:
            try:
                view = view[os.write(writer, view) :]
            except BlockingIOError:
                if any(key.fd == sentinel for key, _ in selector.select()):
                    return
            except BrokenPipeError:  # it is dying; its exit code says how
                return


def _feed(writer: int, data: bytes) -> None:
    """Write to the child in a thread of its own (Windows); its death ends the pipe's other side."""
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(writer, view[: 1 << 16]) :]
    except OSError:
        pass
    finally:
        os.close(writer)
