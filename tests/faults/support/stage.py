"""What a cell is played on: an executor, gates, and a folder; and what must not be left of it."""

from __future__ import annotations

import os
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faults.support import starting
from faults.support.places import keep, keep_at_gate
from faults.support.ways import struck
from loky_executor import ProcessPoolExecutor
from support.executor_gate import Gate
from support.executor_waiting import eventually
from support.processes import state_of

if TYPE_CHECKING:
    from concurrent.futures import Future

    from faults.support.table import Cell

SECONDS = 30.0  # nothing takes so long: a cell that hangs fails then
TIME_LIMIT = 0.5  # of a task that hangs
LEAVING_LIMIT = 0.5  # of a worker that was told to leave
TESTS = str(Path(__file__).parents[2])


@dataclass
class Played:
    """What was submitted, and to whom it must have happened.

    Attributes:
        executor: that of the cell.
        victim: the task the fault was meant for.
        held: tasks that were in other workers meanwhile; each returns its place in this list.
        behind: tasks that waited; likewise.
    """

    executor: ProcessPoolExecutor
    victim: Future[Any]
    held: list[Future[Any]] = field(default_factory=list)
    behind: list[Future[Any]] = field(default_factory=list)


def _is_at_rest(pid: int) -> bool:
    """Whether a process is stopped, or over."""
    return state_of(pid) in ("", "T", "t", "Z", "X")


class Stage:
    """Everything one cell needs.

    Args:
        cell: the cell.
        folder: empty, of this cell alone.
        cgroup: a control group with little memory, "" if none was made.
    """

    def __init__(self, cell: Cell, folder: Path, cgroup: str) -> None:
        self.cell = cell
        self.gate = Gate()
        self.trap = Gate()
        self.mark = str(folder / "mark")
        self.armed = folder / "armed"
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self._site = folder / "site"
        self._token = uuid.uuid4().hex
        self._cgroup = cgroup
        self._executor: ProcessPoolExecutor | None = None

    @property
    def blow(self) -> tuple[str, str]:
        """The last arguments of what strikes."""
        return self.cell.way, self.mark

    @property
    def many(self) -> bool:
        """Whether there are siblings."""
        return self.cell.load == "many"

    def start(self, **options: Any) -> ProcessPoolExecutor:
        """Make the executor."""
        env = {
            "FAULTS_TOKEN": self._token,
            "FAULTS_CGROUP": self._cgroup,
            "TMPDIR": str(self.temporary),
            starting.PLACE: self.cell.place,
            starting.BLOW: ":".join(self.blow),
            starting.ARMED: str(self.armed),
        }
        if self.cell.place == "boot":
            self._site.mkdir()
            code = starting.SITECUSTOMIZE.format(tests=TESTS)
            (self._site / "sitecustomize.py").write_text(code, encoding="utf-8")
            env["PYTHONPATH"] = str(self._site)
        workers, policy = self.cell.workers, self.cell.policy
        self._executor = ProcessPoolExecutor(workers, on_crash=policy, env=env, **options)
        # A worker that does not leave is killed after ten seconds; no need to wait for that here.
        machine = self._executor._pool._machine
        machine.settings = machine.settings._replace(stop_grace=LEAVING_LIMIT)
        return self._executor

    def limited(self, executor: ProcessPoolExecutor, seconds: float) -> Any:
        """Return what to submit with a time limit to, if the cell needs one."""
        return executor.options(timeout=seconds) if self.cell.hangs else executor

    def hold(
        self, executor: ProcessPoolExecutor, count: int
    ) -> tuple[list[Future[Any]], list[int]]:
        """Have so many tasks run and wait at the gate; return them and their workers' pids."""
        held = [executor.submit(keep_at_gate, number, self.gate.port) for number in range(count)]
        return held, self.gate.arrivals(count)

    def crowd(self, executor: ProcessPoolExecutor, count: int) -> list[Future[Any]]:
        """Submit so many tasks that return at once."""
        return [executor.submit(keep, number) for number in range(count)]

    def wait_for_strike(self) -> list[int]:
        """Wait until the fault struck; return the pids it struck."""
        assert eventually(lambda: struck(self.mark), within=SECONDS)
        if self.cell.way == "SIGSTOP":  # the mark is left before it
            assert eventually(lambda: all(map(_is_at_rest, struck(self.mark))), within=SECONDS)
        return struck(self.mark)

    def close(self) -> None:
        """Let everything go, whatever has happened."""
        self.gate.open()
        self.trap.open()
        if self._executor is not None:
            self._executor.shutdown(kill_workers=True)

    # -- what is left ------------------------------------------------------------------------

    def nothing_is_left(self) -> None:
        """Fail if a process of this cell still runs, or a temporary file is there."""
        eventually(lambda: not self._processes())
        assert self._processes() == []
        assert list(self.temporary.iterdir()) == []

    def _processes(self) -> list[int]:
        """Return the pids of all processes that carry this cell's token, whoever started them."""
        wanted = f"FAULTS_TOKEN={self._token}".encode()
        found = []
        for folder in Path("/proc").iterdir():
            if folder.name.isdecimal() and int(folder.name) != os.getpid():
                with suppress(OSError):  # gone meanwhile, or another user's
                    if wanted in (folder / "environ").read_bytes():
                        found.append(int(folder.name))
        return found
