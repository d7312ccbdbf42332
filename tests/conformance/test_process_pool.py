"""What CPython's own tests of process pools expect of an executor, in our words, of this one."""

from __future__ import annotations

import concurrent.futures as standard
import os
import signal
import threading
import time
import weakref
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING

import pytest

from loky_executor import ProcessPoolExecutor
from support import executor_tasks as tasks
from support.executor_gate import Gate, pass_gate, pass_gate_if_there
from support.executor_scripts import run_code
from support.executor_waiting import all_gone, eventually
from support.interpreter import HAS_GIL

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 20


@pytest.fixture
def executor() -> Iterator[ProcessPoolExecutor]:
    """Give an executor of three workers."""
    with ProcessPoolExecutor(3) as made:
        yield made


@pytest.fixture
def gate() -> Iterator[Gate]:
    """Give a gate for tasks to wait at."""
    made = Gate()
    yield made
    made.open()


class Thing:
    """An object that can be weakly referenced, and that an argument can be part of."""

    def whoami(self) -> str:
        """Return the name of the class."""
        return type(self).__name__


def make_thing(_: object) -> Thing:
    """Return a new object."""
    return Thing()


class Falsey(Exception):  # noqa: N818 - it is about its truth value
    """An exception that counts as false."""

    def __bool__(self) -> bool:
        return False


def raise_falsey() -> None:
    """Raise an exception that counts as false."""
    raise Falsey


def dup_dup(first: int, second: int) -> list[int]:
    """Return twice what was given."""
    return [first, second, first, second]


def test_submit_takes_any_keyword(executor: ProcessPoolExecutor) -> None:
    """Keywords named like parameters of the executor's own go to the function."""
    assert executor.submit(dict, self=1, fn=2, args=3).result() == {"self": 1, "fn": 2, "args": 3}
    assert executor.submit(divmod, 7, 3).result() == (2, 1)


def test_submit_wants_a_function(executor: ProcessPoolExecutor) -> None:
    """Nothing to call is a TypeError at once."""
    with pytest.raises(TypeError):
        executor.submit()  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        executor.submit(fn=abs, arg=1)  # type: ignore[call-arg]


def test_map_is_like_the_builtin(executor: ProcessPoolExecutor) -> None:
    """Results in order, of several iterables, whatever the chunk size."""
    pairs = (range(10), range(10, 20))
    expected = list(map(dup_dup, *pairs))
    for chunksize in (1, 3, 10, 100):
        assert list(executor.map(dup_dup, *pairs, chunksize=chunksize)) == expected
    with pytest.raises(ValueError, match="chunksize"):
        executor.map(dup_dup, *pairs, chunksize=-1)


def test_map_raises_where_the_error_is(executor: ProcessPoolExecutor) -> None:
    """Results before the error come first."""
    results = executor.map(divmod, [1, 1, 1, 1], [2, 3, 0, 5])
    assert [next(results), next(results)] == [(0, 1), (0, 1)]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_map_times_out(gate: Gate) -> None:
    """The timeout counts from the call of map; what was there in time was given."""
    executor = ProcessPoolExecutor(1)
    executor.submit(abs, -1).result(SECONDS)  # starting a worker may take longer than the timeout
    results = executor.map(pass_gate_if_there, [0, 0, gate.port], timeout=1, chunksize=1)
    gate.arrivals()  # one worker, in order: the first two were done before the third began
    assert eventually(lambda: executor.stats().answered >= 3)
    assert [next(results), next(results)] == [None, None]
    with pytest.raises(standard.TimeoutError):
        next(results)


def test_map_lets_go_of_results(executor: ProcessPoolExecutor) -> None:
    """A result that the consumer dropped is gone, although the iteration goes on."""
    for chunksize in (1, 4):
        for thing in executor.map(make_thing, range(10), chunksize=chunksize):
            reference = weakref.ref(thing)
            del thing
            if not HAS_GIL:  # what the reactor has made is freed when the reactor runs again
                executor.submit(abs, -1).result(SECONDS)
                assert eventually(lambda reference=reference: reference() is None)
            assert reference() is None


def test_as_completed_lets_go_of_results(executor: ProcessPoolExecutor) -> None:
    """The same of `as_completed`, when the future is dropped."""
    futures = [executor.submit(make_thing, None) for _ in range(4)]
    for future in standard.as_completed(futures):
        futures.remove(future)
        reference = weakref.ref(future)
        del future
        assert eventually(lambda reference=reference: reference() is None)


def test_arguments_are_let_go(executor: ProcessPoolExecutor) -> None:
    """An argument is not kept once the task is done."""
    thing = Thing()
    gone = threading.Event()
    weakref.finalize(thing, gone.set)
    assert executor.submit(thing.whoami).result() == "Thing"
    del thing
    assert gone.wait(SECONDS)


def test_exceptions_that_count_as_false(executor: ProcessPoolExecutor) -> None:
    """They are exceptions all the same."""
    with pytest.raises(Falsey):
        executor.submit(raise_falsey).result()


def test_many_short_lived_executors() -> None:
    """Twelve in a row, none of them waited for in vain."""
    for _ in range(12):
        with ProcessPoolExecutor(2) as made:
            assert made.submit(abs, -1).result(SECONDS) == 1


@pytest.mark.slow
def test_saturation(executor: ProcessPoolExecutor) -> None:
    """More tasks than anything could hold at once, submitted in one go."""
    futures = [executor.submit(abs, -number) for number in range(5000)]
    assert [future.result(SECONDS) for future in futures] == list(range(5000))
    assert len(executor._processes) <= 3


def test_an_idle_worker_is_used_again(executor: ProcessPoolExecutor) -> None:
    """One task after the other needs one worker."""
    pids = {executor.submit(os.getpid).result(SECONDS) for _ in range(4)}
    assert len(pids) == 1
    assert list(executor._processes) == list(pids)


@pytest.mark.faults
def test_a_killed_child_breaks_every_future(gate: Gate) -> None:
    """All pending futures raise BrokenProcessPool, and so does the next submit."""
    executor = ProcessPoolExecutor(3)
    futures = [executor.submit(pass_gate, gate.port) for _ in range(3)]
    os.kill(gate.arrivals()[0], signal.SIGTERM)
    for future in futures:
        with pytest.raises(BrokenProcessPool):
            future.result(SECONDS)
    with pytest.raises(BrokenProcessPool):
        executor.submit(pow, 2, 8)
    executor.shutdown()


def test_the_traceback_of_the_worker(executor: ProcessPoolExecutor) -> None:
    """It is the cause, as text, with the line that raised."""
    error = executor.submit(tasks.fail, "some message").exception(SECONDS)
    assert type(error) is ValueError
    assert error.args == ("some message",)
    assert "raise ValueError" in str(error.__cause__)


def test_wait_in_its_three_ways(executor: ProcessPoolExecutor, gate: Gate) -> None:
    """FIRST_COMPLETED, FIRST_EXCEPTION and ALL_COMPLETED, and the time that is up."""
    blocked = executor.submit(pass_gate, gate.port)
    quick = executor.submit(pow, 21, 2)
    done, left = standard.wait([quick, blocked], SECONDS, standard.FIRST_COMPLETED)
    assert (done, left) == ({quick}, {blocked})
    failing = executor.submit(divmod, 1, 0)
    done, left = standard.wait([blocked, failing], SECONDS, standard.FIRST_EXCEPTION)
    assert (done, left) == ({failing}, {blocked})
    assert standard.wait([blocked], 0.05) == (set(), {blocked})
    gate.open()
    done, left = standard.wait([blocked, quick, failing], SECONDS, standard.ALL_COMPLETED)
    assert (len(done), left) == (3, set())


def test_as_completed_of_the_same_twice(executor: ProcessPoolExecutor) -> None:
    """A future that is named twice is given once; with a zero timeout only what is done."""
    future = executor.submit(abs, -1)
    assert list(standard.as_completed([future, future], SECONDS)) == [future]
    assert list(standard.as_completed([future], 0)) == [future]


def test_shutdown_refuses_and_finishes(gate: Gate) -> None:
    """After shutdown a submit is a RuntimeError, and what was submitted is finished."""
    executor = ProcessPoolExecutor(2)
    future = executor.submit(pass_gate, gate.port, "done")
    pid = gate.arrivals()[0]
    executor.shutdown(wait=False)
    with pytest.raises(RuntimeError):
        executor.submit(pow, 2, 5)
    gate.let_through(pid)
    assert future.result(SECONDS) == "done"
    executor.shutdown()
    assert all_gone([pid])


def test_dropping_the_executor_ends_its_workers() -> None:
    """Without a shutdown the workers leave when nobody holds the executor."""
    executor = ProcessPoolExecutor(2)
    assert list(executor.map(abs, range(-4, 0))) == [4, 3, 2, 1]
    pids = list(executor._processes)
    del executor
    assert all_gone(pids)


@pytest.mark.slow
def test_interpreter_exit_runs_what_was_submitted() -> None:
    """A script that ends after its submits sees their effects."""
    program = """
    import time
    from loky_executor import ProcessPoolExecutor
    executor = ProcessPoolExecutor(2)
    executor.submit(print, "apple", flush=True)
    """
    assert run_code(program) == "apple\n"


def test_workers_are_no_zombies(executor: ProcessPoolExecutor) -> None:
    """After shutdown there is no child left to wait for."""
    executor.submit(time.perf_counter).result(SECONDS)
    pids = list(executor._processes)
    executor.shutdown()
    for pid in pids:
        with pytest.raises(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
