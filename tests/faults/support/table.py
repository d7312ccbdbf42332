"""The fault matrix: what must happen in each cell, written by hand.

A cell is a place (where a worker comes to grief), a way (how), a crash policy, a load (one task, or
many queued) and a number of workers. What the place and the way make of it is one word of `GRID`;
what that word means for the task, its siblings and the executor, under each policy, is a function
of that name in `verdicts`; what the error must say is in `WORDS`.
"""

from __future__ import annotations

from dataclasses import dataclass

from support.interpreter import HAS_GIL

GRID = """
place           raise  exit   _exit  SIGKILL segfault abort  overflow memory cgroup loop   SIGSTOP
boot            fine   unborn unborn unborn  unborn   unborn unborn   fine   unborn unborn unborn
import          unborn unborn unborn unborn  unborn   unborn unborn   unborn unborn unborn unborn
initializer     unborn unborn unborn unborn  unborn   unborn unborn   unborn unborn unborn unborn
decode          raised raised died   died    died     died   died     raised died   late   late
run             raised raised died   died    died     died   died     raised died   late   late
encode          raised raised died   died    died     died   died     raised died   late   late
write-small     died   died   died   died    died     died   died     died   died   late   late
write-10MB      died   died   died   died    died     died   died     died   died   late   late
write-200MB     died   died   died   died    died     died   died     died   died   late   late
beside-10MB     died   died   died   died    died     died   died     died   died   late   late
beside-200MB    died   died   died   died    died     died   died     died   died   late   late
finalizer       fine   fine   gone   gone    gone     gone   gone     fine   gone   hangs  hangs
finalizer-batch fine   fine   next   next    next     next   next     fine   next   stuck  stuck
between         next   next   next   next    next     next   next     next   next   stuck  stuck
recalled        gone   gone   gone   gone    gone     gone   gone     gone   gone   hangs  hangs
idle            fine   fine   gone   gone    gone     gone   gone     fine   gone   hangs  hangs
draining        left   left   left   left    left     left   left     left   left   left   left
closing         raised raised died   died    died     died   died     raised died   late   late
exiting         left   left   left   left    left     left   left     left   left   left   left
nested          raised raised inner  inner   inner    inner  inner    raised inner  inner  inner
around-nested   raised raised died   died    died     died   died     raised died   late   late
"""

# What differs where there is no GIL. A worker that is idle comes to grief in a thread beside that
# which does the tasks: stuck in C it holds that one up only when all threads must stop.
WITHOUT_GIL = {("idle", "loop"): "apart"}

# What the word means; "siblings" are the tasks in other workers and those that wait.
MEANINGS = {
    "fine": "nobody notices: the task has its result, the worker goes on",
    "raised": "the task raises what was raised; the worker goes on; siblings unharmed",
    "inner": "the task raises the error of the nested pool; the worker goes on; siblings unharmed",
    "late": "TaskTimeoutError in this task; the worker is replaced; siblings unharmed",
    "died": "TerminatedWorkerError in this task; break: in all tasks; isolate: siblings unharmed",
    "unborn": "WorkerStartError in all tasks, under either policy; or the starting is ended",
    "next": "the task has its result; the next one of the batch is as `died`",
    "stuck": "the task has its result; the next one hangs and can be killed; siblings unharmed",
    "gone": "nobody notices: the worker had no task; it is replaced when it is needed",
    "hangs": "the worker has no task; the next one it gets is as `late`",
    "apart": "the worker goes on; a task that stops all threads (garbage collection) is as `late`",
    "left": "nobody notices: the worker was leaving; it is killed if it does not",
}

# What the error says, for words that come with one.
WORDS = {
    "raise": "ValueError: struck on purpose",
    "exit": "exited with code 6",
    "_exit": "exited with code 7",
    "SIGKILL": "ended by SIGKILL",
    "segfault": "ended by SIGSEGV",
    "abort": "ended by SIGABRT",
    "overflow": "ended by SIGSEGV",
    "memory": "MemoryError",
    "cgroup": "ended by SIGKILL",
    "loop": "ran out of time",
    "SIGSTOP": "ran out of time",
}

# A place does not go with these loads ("single", "many") and numbers of workers.
MEANINGLESS = {
    ("finalizer", "many", None): "finalizer-batch is the same with tasks behind it",
    ("finalizer-batch", "single", None): "a single task is no batch",
    ("between", "single", None): "a single task is no batch",
    ("recalled", "single", None): "a single task has none behind it that could be recalled",
    ("recalled", "many", 1): "there is no idle worker to recall tasks for",
    ("write-200MB", "many", 5): "as write-10MB: the size matters to one channel only",
    ("write-200MB", "many", 13): "as write-10MB: the size matters to one channel only",
    ("beside-200MB", "many", 5): "as beside-10MB: the size matters to one channel only",
    ("beside-200MB", "many", 13): "as beside-10MB: the size matters to one channel only",
}
SINGLE_WITH_FEW = "one task starts one worker, however many there may be: 1 and 13 show it"

POLICIES = ("break", "isolate")
WORKERS = (1, 2, 5, 13)
# The cells of the default run; the others are marked `matrix`. Hangs take as long as their limits.
CORE = {("single", 1, "break"), ("many", 2, "isolate")}
NOT_IN_CORE = {"write-200MB", "beside-200MB"}
HANG_IN_CORE = {"loop": "single", "SIGSTOP": "many"}
HANGS = {"loop", "SIGSTOP"}


@dataclass(frozen=True)
class Cell:
    """One cell of the matrix."""

    place: str
    way: str
    policy: str
    load: str
    workers: int

    def __str__(self) -> str:
        return f"{self.place}-{self.way}-{self.policy}-{self.load}-{self.workers}"

    @property
    def word(self) -> str:
        """What must happen."""
        return EXPECTED[self.place][self.way]

    @property
    def hangs(self) -> bool:
        """Whether somebody has to end what happens."""
        return self.way in HANGS

    @property
    def in_core(self) -> bool:
        """Whether it belongs to the default run."""
        if self.way == "cgroup" and self.place != "run":
            return False
        if HANG_IN_CORE.get(self.way, self.load) != self.load:
            return False
        return (self.load, self.workers, self.policy) in CORE and self.place not in NOT_IN_CORE

    @property
    def meaningless(self) -> str:
        """Why there is no such cell, "" if there is."""
        if self.load == "single" and self.workers in (2, 5):
            return SINGLE_WITH_FEW
        exact = MEANINGLESS.get((self.place, self.load, self.workers), "")
        return exact or MEANINGLESS.get((self.place, self.load, None), "")


def _read(grid: str) -> dict[str, dict[str, str]]:
    head, *rows = (line.split() for line in grid.strip().splitlines())
    table = {row[0]: dict(zip(head[1:], row[1:], strict=True)) for row in rows}
    if not HAS_GIL:
        for (place, way), word in WITHOUT_GIL.items():
            table[place][way] = word
    return table


EXPECTED = _read(GRID)
ALL = [
    Cell(place, way, policy, load, workers)
    for place, row in EXPECTED.items()
    for way in row
    for policy in POLICIES
    for load in ("single", "many")
    for workers in WORKERS
]
CELLS = [cell for cell in ALL if not cell.meaningless]
