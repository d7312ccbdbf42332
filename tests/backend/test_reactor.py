"""The reactor: timers, calls from other threads, its end, its failure, its rest."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from loky_backend import Reactor, TimerFired
from support import backend_tasks as tasks
from support.backend_owner import PATIENCE, Owner, until

if TYPE_CHECKING:
    from loky_backend import Event


def test_timers_fire_in_order(owner: Owner) -> None:
    """A timer fires once, not before its time; the earlier one first."""
    start = time.monotonic()
    due = start + 0.05
    owner.reactor.set_timer("late", due)
    owner.reactor.set_timer("early", start + 0.02)
    fired = [owner.wait_for(lambda e: isinstance(e, TimerFired)).key for _ in range(2)]
    assert fired == ["early", "late"]
    # Not a difference: that of 23536.45 and 23536.4 is less than 0.05.
    assert time.monotonic() >= due


def test_a_timer_that_is_set_again_fires_at_the_earlier_time(owner: Owner) -> None:
    """Setting a timer again never delays it; it fires once."""
    far = time.monotonic() + 3600
    owner.reactor.set_timer("moved", far)
    owner.reactor.set_timer("moved", 0)
    assert owner.wait_for(lambda e: isinstance(e, TimerFired)) == TimerFired("moved")
    owner.reactor.set_timer("end", time.monotonic() + 0.03)
    assert owner.wait_for(lambda e: isinstance(e, TimerFired)) == TimerFired("end")
    assert [e.key for e in owner.history if isinstance(e, TimerFired)] == ["moved", "end"]


def test_calls_of_many_threads_are_made_in_its_thread(owner: Owner) -> None:
    """Whatever thread asks, the call is made, once, in the reactor's thread."""
    made: list[bool] = []
    done = threading.Semaphore(0)

    def call() -> None:
        made.append(owner.reactor.is_current_thread())
        done.release()

    def ask() -> None:
        for _ in range(200):
            owner.reactor.call(call)

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for _ in range(1000):
        assert done.acquire(timeout=PATIENCE)
    assert made == [True] * 1000
    assert not owner.reactor.is_current_thread()


def test_an_exception_of_the_sink_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception in its thread goes to `on_failure`, once; its workers are killed."""
    told: list[BaseException] = []
    ended = threading.Event()
    mistake = RuntimeError("a bug of the owner")

    def sink(events: list[Event]) -> None:
        raise mistake

    def failed(error: BaseException) -> None:
        told.append(error)
        ended.set()

    reactor = Reactor(sink, failed, "test-failing")
    reactor.start()
    from loky_backend import start_worker

    worker = start_worker(1)
    reactor.add(worker)  # READY is the event
    assert ended.wait(PATIENCE)
    assert reactor.join(PATIENCE)
    assert told == [mistake]
    assert worker.child.poll()
    reactor.call(lambda: None)  # after the end: nothing, and no error
    reactor.wake()


def test_stop_before_anything() -> None:
    """A reactor without workers ends at once and gives its descriptors back."""
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    reactor = Reactor(lambda events: None, lambda error: None)
    reactor.start()
    reactor.stop()
    assert reactor.join(PATIENCE)
    reactor.stop()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_many_workers_start_and_die_at_once(owner: Owner) -> None:
    """Each of a crowd is told ready and dead."""
    crowd = [owner.start() for _ in range(12)]
    for number, worker in enumerate(crowd):
        owner.send(worker, tasks.leave, number)
    assert [owner.death(worker).exitcode for worker in crowd] == list(range(12))


def test_an_interrupted_wake_loses_none_after_it(owner: Owner) -> None:
    """A wake that an exception of a signal handler cut short does not swallow later ones."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for number in range(100):
            called = threading.Event()
            with suppress(KeyboardInterrupt):  # on a busy machine it strikes before the first wake
                signal.setitimer(signal.ITIMER_REAL, 0.0002 + number * 1e-6)
                while True:
                    owner.reactor.wake()
            owner.reactor.call(called.set)
            assert called.wait(PATIENCE)
    finally:
        signal.signal(signal.SIGALRM, before)


@pytest.mark.slow
def test_an_idle_owner_does_not_wake_up(owner: Owner) -> None:
    """With two idle workers, no thread of the process but this one runs for a second."""
    for _ in range(2):
        worker = owner.ready()
        assert owner.run(worker, tasks.echo, 1) == 1
    owner.turn()
    mine = threading.get_native_id()
    before = settled_switches_of_others(mine)
    time.sleep(1)  # rest is what is measured
    assert switches_of_others(mine) == before


def settled_switches_of_others(mine: int) -> dict[str, int]:
    """Return the same, as soon as nobody is on the way to sleep any more."""
    seen = [switches_of_others(mine)]

    def settled() -> bool:
        time.sleep(0.02)
        seen.append(switches_of_others(mine))
        return seen[-1] == seen[-2]

    until(settled)
    return seen[-1]


def switches_of_others(mine: int) -> dict[str, int]:
    """Return how often each other thread of this process has gone to sleep."""
    counts = {}
    for task in Path("/proc/self/task").iterdir():
        if task.name != str(mine):
            status = (task / "status").read_text()
            counts[task.name] = int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])
    return counts
