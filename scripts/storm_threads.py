"""The threads of `storm.py`: what they share, and what each does at random."""

from __future__ import annotations

import os
import random
import select
import signal
import threading
import time
import traceback
from collections import Counter, deque
from concurrent.futures import CancelledError, Future, as_completed
from concurrent.futures import TimeoutError as FuturesTimeoutError
from typing import TYPE_CHECKING, Any

import storm_tasks

from loky_executor import (
    BrokenProcessPool,
    ProcessPoolExecutor,
    ShutdownExecutorError,
    TaskTimeoutError,
    TerminatedWorkerError,
)
from loky_reusable import get_reusable_executor

if TYPE_CHECKING:
    from collections.abc import Callable

    from storm_tasks import Job

MOST_OPEN = 100  # tasks of one thread that it has not looked at


def ending(job: Job, future: Future[Any], patience: float) -> str:
    """Say in a word how a future ended; raises TimeoutError if it does not (any of its kinds)."""
    try:
        error = future.exception(patience)
    except CancelledError:
        return "cancelled"
    match error:
        case None:
            return "returned" if future.result() == job.value else "returned a wrong value"
        case CancelledError():
            return "cancelled"
        case TaskTimeoutError():
            return "timed out"
        case TerminatedWorkerError():
            return "crashed"
        case BrokenProcessPool():
            return "broken"
        case ShutdownExecutorError():
            return "shut down"
        case SystemExit():
            return "left"
        case KeyboardInterrupt():
            return "interrupted"
    told = isinstance(error, storm_tasks.StormError) or "StormError" in str(error)
    return "raised" if told else f"ended by {error!r}"


def inside(executor: ProcessPoolExecutor) -> str:
    """Tell what the scheduler of an executor knows, for whoever looks for the reason of a hang."""
    machine = executor._pool._machine
    places = Counter(place.name for place in machine.tasks.values())
    workers = [f"    {ident}: {state}" for ident, state in machine.workers.items()]
    events = [f"    {when:.3f} {event}" for when, event in machine.history]
    lines = [f"{executor!r} {dict(places)} at {time.monotonic():.3f}", "  workers:", *workers]
    return "\n".join([*lines, f"  {executor.workers()}", "  events:", *events])


class Storm:
    """What all threads share.

    Attributes:
        endings: how many tasks ended in which way.
        actions: how often each action was taken.
        submitted: tasks that were accepted.
        owed: callbacks that were added.
        called: callbacks that were called.
        problems: what must not be.
        patience: seconds after which what did not end counts as hanging.
        hung: what somebody waited for in vain, "" if nobody did.
    """

    def __init__(self, seed: int, seconds: float, patience: float) -> None:
        self.seed = seed
        self.patience = patience
        self.until = time.monotonic() + seconds
        self.lock = threading.Lock()  # guards the counters and the places
        self.endings: Counter[str] = Counter()
        self.actions: Counter[str] = Counter()
        self.submitted = 0
        self.owed = 0
        self.called = 0
        self.problems: list[str] = []
        self.hung = ""
        self.recent: deque[Future[Any]] = deque(maxlen=400)
        self.of_callbacks: deque[tuple[Job, Future[Any]]] = deque()  # submitted by callbacks
        self.chance = random.Random(seed)
        self.executors = [self.new(place) for place in range(4)]

    def new(self, place: int) -> ProcessPoolExecutor:
        """Return an executor for a place: each place has its kind."""
        if place == 0:
            return get_reusable_executor(2, timeout=0.5)
        if place == 1:
            return ProcessPoolExecutor(2, on_crash="break")
        if place == 2:
            return ProcessPoolExecutor(3, on_crash="isolate", timeout=0.05)
        return ProcessPoolExecutor(2, on_crash="isolate", max_tasks_per_child=20)

    def replace(self, executor: ProcessPoolExecutor) -> bool:
        """Put a new executor in the place of one; False if somebody did already."""
        with self.lock:
            if executor not in self.executors:
                return False
            place = self.executors.index(executor)
            self.executors[place] = self.new(place)
            return True

    def complain(self, problem: str) -> None:
        """Take note of what must not be, and say it at once."""
        self.problems.append(problem)
        print(f"PROBLEM: {problem}", flush=True)

    def count_callback(self, _: Future[Any]) -> None:
        """Serve as a done-callback."""
        with self.lock:
            self.called += 1

    def count_task(self, future: Future[Any]) -> None:
        """Take note of a task that was accepted."""
        with self.lock:
            self.submitted += 1
        self.recent.append(future)

    def count_ending(self, job: Job, future: Future[Any]) -> None:
        """Wait for the end of a task, and take note of it."""
        try:
            how = ending(job, future, self.patience)
        except FuturesTimeoutError:
            how = "never"
            self.hung = f"{job.call[0]!r} did not end"
        with self.lock:
            self.endings[how] += 1
        if how not in job.ends:
            self.complain(f"{job.call[0]!r} may end by {sorted(job.ends)}, was: {how}")


class Thrower(threading.Thread):
    """One thread of the storm.

    Attributes:
        since: when its present action began.
        doing: the name of it.
    """

    def __init__(self, storm: Storm, number: int) -> None:
        super().__init__(name=f"storm-{number}", daemon=True)
        self.storm = storm
        self.chance = random.Random(f"{storm.seed}-{number}")
        self.open: list[tuple[Job, Future[Any]]] = []
        self.since = time.monotonic()
        self.doing = "starting"
        self.over = False

    def run(self) -> None:
        """Act until time is up, then settle."""
        actions = list(ACTIONS)
        weights = [ACTIONS[action] for action in actions]
        while time.monotonic() < self.storm.until:
            [action] = self.chance.choices(actions, weights)
            self.do(action)
            if len(self.open) > MOST_OPEN:
                self.do(Thrower.settle)
        self.do(Thrower.settle)
        self.over = True

    def do(self, action: Callable[..., None]) -> None:
        """Take one action on one executor."""
        self.since, self.doing = time.monotonic(), action.__name__
        executor = self.storm.executors[self.chance.randrange(len(self.storm.executors))]
        try:
            action(self, executor)
        except (BrokenProcessPool, ShutdownExecutorError):
            self.storm.actions["(refused)"] += 1
            self.storm.replace(executor)
        except FuturesTimeoutError:
            self.storm.hung = f"{traceback.format_exc()}\n{inside(executor)}"
        except BaseException:  # noqa: BLE001 - reported at the end, with the seed
            self.storm.complain(traceback.format_exc())
        else:
            self.storm.actions[action.__name__] += 1

    # -- actions -----------------------------------------------------------------------------

    def submit(self, executor: ProcessPoolExecutor) -> None:
        """Submit some tasks."""
        for _ in range(self.chance.randrange(1, 25)):
            self.submit_one(executor)

    def submit_one(self, executor: ProcessPoolExecutor) -> Future[Any]:
        """Submit a task, perhaps with options."""
        job = storm_tasks.random_job(self.chance)
        submit: Any = executor.submit
        if job.timeout is not None or self.chance.random() < 0.1:
            priority, retries = self.chance.randrange(3), self.chance.randrange(2)
            view = executor.options(timeout=job.timeout, priority=priority, retries=retries)
            submit = view.submit
        future: Future[Any] = submit(*job.call)
        self.open.append((job, future))
        self.storm.count_task(future)
        return future

    def call_back(self, executor: ProcessPoolExecutor) -> None:
        """Submit a task with a callback that submits another."""
        storm = self.storm
        job = storm_tasks.random_job(self.chance)

        def submit_again(_: Future[Any]) -> None:
            storm.count_callback(_)
            try:
                again = executor.submit(*job.call)
            except (BrokenProcessPool, ShutdownExecutorError):
                return
            storm.of_callbacks.append((job, again))
            storm.count_task(again)

        if job.timeout is not None:  # it would hang without
            return
        future = self.submit_one(executor)
        with storm.lock:
            storm.owed += 2
        future.add_done_callback(submit_again)
        future.add_done_callback(storm.count_callback)
        if self.chance.random() < 0.3:
            list(as_completed([future], self.storm.patience))

    def cancel(self, _executor: ProcessPoolExecutor) -> None:
        """Cancel or kill some tasks of anybody."""
        for _ in range(min(len(self.storm.recent), self.chance.randrange(1, 6))):
            future: Any = self.chance.choice(list(self.storm.recent.copy()))
            (future.cancel if self.chance.random() < 0.8 else future.kill)()

    def map(self, executor: ProcessPoolExecutor) -> None:
        """Map a function over numbers."""
        numbers = range(self.chance.randrange(200))
        contract = self.chance.choice([{}, {"chunksize": 7}, {"buffersize": 20}, {"chunksize": 1}])
        try:
            found = list(
                executor.map(storm_tasks.square, numbers, timeout=self.storm.patience, **contract)
            )
        except (CancelledError, KeyboardInterrupt):
            return  # its executor was ended, or a worker was interrupted
        if found != [number * number for number in numbers]:
            self.storm.complain(f"map returned {found}")

    def as_completed(self, executor: ProcessPoolExecutor) -> None:
        """Wait for some tasks in the order in which they end."""
        futures = [self.submit_one(executor) for _ in range(self.chance.randrange(1, 12))]
        if len(list(as_completed(futures, self.storm.patience))) != len(futures):
            self.storm.complain("as_completed lost a future")

    def strike(self, executor: ProcessPoolExecutor) -> None:
        """Kill, stop or interrupt a worker, whatever it does."""
        workers = list(executor._processes.values())
        if workers:
            worker = self.chance.choice(workers)
            number = self.chance.choice([signal.SIGKILL, signal.SIGSTOP, signal.SIGINT])
            worker.send_signal(number)
            if number == signal.SIGSTOP:
                try:
                    self.submit(executor)
                finally:
                    worker.send_signal(signal.SIGCONT)

    def resize(self, executor: ProcessPoolExecutor) -> None:
        """Change the number of workers and when idle ones leave."""
        executor.resize(self.chance.randrange(1, 5), self.chance.choice([0.0, 0.05, 1.0, 30.0]))

    def fork(self, executor: ProcessPoolExecutor) -> None:
        """Fork this process; the copy must be refused by the executor, and may have its own."""
        afresh = self.chance.random() < 0.3
        pid = os.fork()
        if pid == 0:
            os._exit(_in_a_fork(executor, self.storm.patience, afresh=afresh))
        handle = os.pidfd_open(pid)
        try:
            ended = select.select([handle], [], [], self.storm.patience)[0]
        finally:
            os.close(handle)
        if not ended:
            os.kill(pid, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if code != 0:
            self.storm.complain(f"a fork ended with {code}")

    def shut_down(self, executor: ProcessPoolExecutor) -> None:
        """End an executor that others use."""
        self.storm.replace(executor)
        how = self.chance.randrange(5)
        if how == 0:
            executor.shutdown(wait=True)
        elif how == 1:
            executor.shutdown(wait=False, cancel_futures=True)
        elif how == 2:
            executor.shutdown(wait=self.chance.random() < 0.5, kill_workers=True)
        elif how == 3:
            executor.terminate_workers()
        # else: it is dropped, and ends when nobody holds it any more

    def settle(self, _executor: ProcessPoolExecutor) -> None:
        """Wait for the end of every task of this thread, and count the endings."""
        entries, self.open = self.open, []
        for job, future in entries:
            self.since = time.monotonic()
            self.storm.count_ending(job, future)
        while self.storm.of_callbacks:
            try:
                job, future = self.storm.of_callbacks.popleft()
            except IndexError:
                return  # another thread was faster
            self.since = time.monotonic()
            self.storm.count_ending(job, future)


ACTIONS: dict[Callable[[Thrower, ProcessPoolExecutor], None], float] = {
    Thrower.submit: 40,
    Thrower.call_back: 12,
    Thrower.cancel: 8,
    Thrower.map: 8,
    Thrower.as_completed: 6,
    Thrower.settle: 5,
    Thrower.strike: 3,
    Thrower.resize: 6,
    Thrower.fork: 1,
    Thrower.shut_down: 1.5,
}


def _in_a_fork(executor: ProcessPoolExecutor, patience: float, *, afresh: bool) -> int:
    """Be the copy of the process; return its exit code."""
    signal.alarm(int(patience))  # ends the copy; its parent has asked for the stacks then
    try:
        try:
            executor.submit(abs, -1)
        except (ShutdownExecutorError, BrokenProcessPool):
            pass
        else:
            return 70
        if afresh:
            with ProcessPoolExecutor(1) as own:
                if own.submit(storm_tasks.square, 12).result(patience) != 144:
                    return 71
    except BaseException:  # noqa: BLE001 - the exit code must tell, whatever it was
        traceback.print_exc()
        return 72
    return 0
