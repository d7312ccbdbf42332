"""`ChildProcess`: what a caller holds of a child. The platform's handle owns the descriptors."""

from __future__ import annotations

import weakref

from ._errors import ChildFailedError
from ._tree import end_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    from ._platform import Child

_BURIAL_SECONDS = 10.0
_NOT_BOOTED = "start"  # the stage of a child that has not come to its entry
_STAGES = (_NOT_BOOTED, "import", "call")


class ChildProcess:
    """A child started by `spawn`.

    All methods may be called from any thread, several at once. The child does not outlive this
    object: when it is closed or collected as garbage the lifeline closes and the kernel kills
    the child (POSIX), or the job object does (Windows).

    Attributes:
        name: a name for messages.
        entry: what it runs.
    """

    def __init__(self, handle: Child, *, entry: str, name: str | None) -> None:
        self._handle = handle
        self.entry = entry
        self.name = name or f"child-{handle.pid}"
        self._finalizer = weakref.finalize(self, handle.release)

    @property
    def pid(self) -> int:
        """The process id. It may belong to another process once this one is dead and reaped."""
        return self._handle.pid

    @property
    def sentinel(self) -> int:
        """Something to wait on: ready to read (POSIX) or signalled (Windows) once the child died.

        A descriptor for `selectors` and `select` on POSIX, a handle for
        `multiprocessing.connection.wait` on both. Ready although a grandchild holds everything
        the child had open.
        """
        return self._handle.sentinel

    @property
    def exitcode(self) -> int | None:
        """The exit code; -N for signal N; None while it runs, or if somebody else reaped it."""
        self._handle.poll()
        return self._handle.exitcode

    def poll(self) -> bool:
        """Say whether the child is dead. Does not block."""
        return self._handle.poll()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the child to die.

        Args:
            timeout: seconds to wait at most; None means for ever, 0 not at all.

        Returns:
            True if it is dead, False if the time ran out. Blocks the calling thread only.
        """
        return self._handle.wait(timeout)

    def check(self, timeout: float | None = None) -> None:
        """Wait for the end and raise unless the entry returned.

        Args:
            timeout: seconds to wait at most; None means for ever.

        Raises:
            ChildFailedError: the entry could not be imported, raised, or the process ended by
                something else; carries the child's traceback where there is one.
            TimeoutError: it still runs.
        """
        if not self.wait(timeout):
            raise TimeoutError(f"{self!r} still runs after {timeout} seconds")
        stage, _, text = self._handle.report().decode("utf-8", "replace").partition("\n")
        if stage not in _STAGES:
            stage, text = "exit", ""
        if self.exitcode not in (0, None) or stage != "exit":
            raise ChildFailedError(self.entry, self.pid, self.exitcode, stage, text)

    def report(self) -> bytes:
        """Return what the child left in its anonymous file (`Handover.report`), 1 MiB at most.

        After a failed entry that is a line with the stage, then the traceback. Empty where the
        platform has no such file, and after `close`.
        """
        report = self._handle.report()
        return b"" if report == _NOT_BOOTED.encode() + b"\n" else report

    def clear_report(self) -> None:
        """Wipe out what the child has left in its anonymous file; nothing where there is none.

        What the child writes at this very moment may be cut. Does not block.
        """
        self._handle.clear_report()

    def send_signal(self, number: int) -> None:
        """Send a signal (on Windows every signal ends the process). Nothing if it is dead.

        Never reaches another process that got the same pid: it goes through the pidfd, or is
        withheld once the child was reaped.
        """
        self._handle.send_signal(number)

    def terminate(self) -> None:
        """Ask the child to end (SIGTERM; TerminateProcess on Windows). Does not wait."""
        self._handle.terminate()

    def kill(self) -> None:
        """End the child at once (SIGKILL; TerminateProcess on Windows). Does not wait."""
        self._handle.kill()

    def kill_tree(self) -> None:
        """End the child and everything it started, also what is re-parented meanwhile.

        Descendants are stopped first, then killed, so that none starts another between the
        look and the blow. One that left both the child's process group and its line of parents
        before this call (a daemon) is not found. Does not wait for the kernel to bury them.
        """
        if not self.poll():
            end_tree(self.pid, self.send_signal)
        self._handle.kill_group()

    def close(self, *, spare_relatives: bool = False) -> None:
        """Kill the child and its group if they run, reap it, give every descriptor back.

        Args:
            spare_relatives: if the child has ended with exit code 0, leave what it started alone:
                programs that it executed live on. Copies of it made by `os.fork` alone hold its
                lifeline and end in any case (Linux).

        Idempotent. Blocks until the kernel has ended the child, which takes milliseconds; a child
        that the kernel cannot end (a broken network disk) is left to it after 10 seconds.
        """
        if self._finalizer.alive:
            spared = spare_relatives and self.exitcode == 0
            if not spared:
                self._handle.kill_group()
            self.kill()
            self.wait(_BURIAL_SECONDS)
            self._handle.release(spare_group=spared)
            self._finalizer.detach()

    def __enter__(self) -> ChildProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        if not self.poll():
            state = "running"
        elif self._handle.exitcode is None:
            state = "dead, reaped by somebody else"
        else:
            state = f"dead, exit code {self._handle.exitcode}"
        return f"<ChildProcess {self.name} pid={self.pid} {self.entry} ({state})>"
