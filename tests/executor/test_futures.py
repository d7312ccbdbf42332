"""Futures: cancelling, waiting, callbacks, asyncio; as in the standard library."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from concurrent.futures import CancelledError, Future, as_completed, wait
from queue import SimpleQueue
from typing import TYPE_CHECKING

import pytest

from support import executor_tasks as tasks
from support.executor_gate import pass_gate

if TYPE_CHECKING:
    from loky_executor import ProcessPoolExecutor
    from support.executor_gate import Gate

SECONDS = 30


def test_a_waiting_task_can_be_cancelled(single: ProcessPoolExecutor, gate: Gate) -> None:
    """It never runs, asking for its result raises, and the others are unharmed."""
    first = single.submit(pass_gate, gate.port, "first")
    rest = [single.submit(abs, -number) for number in range(10)]
    gate.arrivals()
    assert [future.cancel() for future in rest[::2]] == [True] * 5
    gate.open()
    assert first.result(SECONDS) == "first"
    assert [future.result(SECONDS) for future in rest[1::2]] == [1, 3, 5, 7, 9]
    assert all(future.cancelled() for future in rest[::2])
    with pytest.raises(CancelledError):
        rest[0].result(0)


def test_a_running_task_cannot_be_cancelled(single: ProcessPoolExecutor, gate: Gate) -> None:
    """As in the standard library."""
    future = single.submit(pass_gate, gate.port, 5)
    gate.arrivals()
    assert (future.running(), future.cancel()) == (True, False)
    gate.open()
    assert future.result(SECONDS) == 5


def test_cancelling_again_says_yes(single: ProcessPoolExecutor, gate: Gate) -> None:
    """A cancelled future stays cancelled."""
    single.submit(pass_gate, gate.port)
    waiting = [single.submit(abs, 1) for _ in range(4)]
    assert [waiting[3].cancel(), waiting[3].cancel()] == [True, True]


def test_wait_sees_a_cancelled_future(single: ProcessPoolExecutor, gate: Gate) -> None:
    """`concurrent.futures.wait` need not wait for one that was cancelled."""
    single.submit(pass_gate, gate.port)
    waiting = [single.submit(abs, 1) for _ in range(4)]
    waiting[3].cancel()
    assert wait([waiting[3]], timeout=5).done == {waiting[3]}


def test_as_completed_sees_a_future_that_is_cancelled(
    single: ProcessPoolExecutor, gate: Gate
) -> None:
    """One that is cancelled while somebody waits for it is told at once."""
    single.submit(pass_gate, gate.port)
    waiting = [single.submit(abs, 1) for _ in range(4)]
    completed = as_completed([waiting[3]], timeout=5)
    waiting[3].cancel()
    assert list(completed) == [waiting[3]]


def test_callbacks_of_a_cancelled_future_run(single: ProcessPoolExecutor, gate: Gate) -> None:
    """A callback is called however its future ends."""
    called: SimpleQueue[Future[int]] = SimpleQueue()
    single.submit(pass_gate, gate.port)
    waiting = [single.submit(abs, 1) for _ in range(4)]
    waiting[3].add_done_callback(called.put)
    waiting[3].cancel()
    assert called.get(timeout=SECONDS) is waiting[3]


def test_as_completed(executor: ProcessPoolExecutor) -> None:
    """Results come as they come, all of them."""
    futures = [executor.submit(abs, -number) for number in range(50)]
    assert sorted(f.result() for f in as_completed(futures, SECONDS)) == list(range(50))


def test_wait_for_the_first_exception(executor: ProcessPoolExecutor, gate: Gate) -> None:
    """`wait` returns with the first that raised, while others still run."""
    running = executor.submit(pass_gate, gate.port)
    failing = executor.submit(tasks.fail, "first")
    done = wait([running, failing], SECONDS, "FIRST_EXCEPTION").done
    assert done == {failing}


def test_asyncio(executor: ProcessPoolExecutor) -> None:
    """`asyncio.wrap_future` and `run_in_executor` give what the task gives."""

    async def main() -> list[object]:
        loop = asyncio.get_running_loop()
        wrapped = [asyncio.wrap_future(executor.submit(abs, -number)) for number in range(10)]
        wrapped.append(loop.run_in_executor(executor, tasks.fail, "no"))
        return await asyncio.wait_for(asyncio.gather(*wrapped, return_exceptions=True), SECONDS)

    *numbers, error = asyncio.run(main())
    assert numbers == list(range(10))
    assert type(error) is ValueError


def test_asyncio_with_a_result_that_cannot_be_decoded(single: ProcessPoolExecutor) -> None:
    """It raises in the coroutine that awaits it; nobody awaits for ever."""

    async def main() -> None:
        await asyncio.wait_for(asyncio.wrap_future(single.submit(tasks.return_refusal)), 5)

    with pytest.raises(ValueError, match="unpickling refused"):
        asyncio.run(main())


def test_a_callback_gets_its_future(single: ProcessPoolExecutor) -> None:
    """It is called once, with the future, which is done."""
    called: SimpleQueue[tuple[Future[int], bool]] = SimpleQueue()
    future = single.submit(abs, -1)
    future.add_done_callback(lambda given: called.put((given, given.done())))
    assert called.get(timeout=SECONDS) == (future, True)
    future.add_done_callback(lambda given: called.put((given, given.done())))
    assert called.get(timeout=SECONDS) == (future, True)


def test_callbacks_run_in_the_order_in_which_they_were_added(
    single: ProcessPoolExecutor, gate: Gate
) -> None:
    """As in the standard library."""
    called: SimpleQueue[int] = SimpleQueue()
    future = single.submit(pass_gate, gate.port)
    for number in range(5):
        future.add_done_callback(lambda _, number=number: called.put(number))
    gate.open()
    assert [called.get(timeout=SECONDS) for _ in range(5)] == list(range(5))


def test_a_callback_that_blocks_stalls_no_result(single: ProcessPoolExecutor) -> None:
    """Results arrive while a callback still blocks."""
    entered, let_go = threading.Event(), threading.Event()

    def block(_: object) -> None:
        entered.set()
        let_go.wait(SECONDS)

    single.submit(abs, 1).add_done_callback(block)
    assert entered.wait(SECONDS)
    assert single.submit(abs, -2).result(SECONDS) == 2
    let_go.set()


@pytest.mark.parametrize("error", [ValueError("oops"), SystemExit(3), KeyboardInterrupt()])
def test_a_callback_that_raises(
    single: ProcessPoolExecutor, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    """It is logged, and neither the pool nor the next callback is harmed."""
    called: SimpleQueue[int] = SimpleQueue()

    def misbehave(_: object) -> None:
        raise error

    with caplog.at_level(logging.ERROR):
        future = single.submit(abs, -3)
        future.add_done_callback(misbehave)
        future.add_done_callback(lambda given: called.put(given.result()))
        assert called.get(timeout=SECONDS) == 3
    assert single.submit(abs, -4).result(SECONDS) == 4


def test_a_callback_may_submit_and_wait(single: ProcessPoolExecutor) -> None:
    """A callback can use the pool it belongs to, also wait for its results."""
    found: SimpleQueue[int] = SimpleQueue()
    single.submit(abs, -5).add_done_callback(
        lambda future: found.put(single.submit(pow, future.result(), 2).result(SECONDS))
    )
    assert found.get(timeout=SECONDS) == 25


def test_a_callback_may_shut_the_pool_down(single: ProcessPoolExecutor) -> None:
    """It does not wait for itself."""
    over = threading.Event()

    def close(_: object) -> None:
        single.shutdown(wait=True)
        over.set()

    single.submit(abs, 1).add_done_callback(close)
    assert over.wait(SECONDS)


def test_many_threads_may_ask_for_one_result(single: ProcessPoolExecutor, gate: Gate) -> None:
    """All get the same object, decoded once."""
    future = single.submit(pass_gate, gate.port, ["value"])
    found: SimpleQueue[object] = SimpleQueue()
    threads = [threading.Thread(target=lambda: found.put(future.result(SECONDS))) for _ in "12345"]
    for thread in threads:
        thread.start()
    gate.arrivals()
    gate.open()
    for thread in threads:
        thread.join()
    assert len({id(found.get()) for _ in threads}) == 1


def test_a_future_keeps_nothing_of_its_arguments(single: ProcessPoolExecutor) -> None:
    """Once its task is done a future holds no reference to the arguments."""
    argument = list(range(100))
    before = sys.getrefcount(argument)
    future = single.submit(len, argument)
    assert future.result(SECONDS) == 100
    assert sys.getrefcount(argument) == before


def test_the_inside_of_a_future_is_made_once(single: ProcessPoolExecutor, gate: Gate) -> None:
    """Threads that look at a new future at the same time all wait for the same thing."""
    future = single.submit(pass_gate, gate.port, "value")
    gate.arrivals()
    waiting = single.submit(pass_gate, gate.port, "other")
    assert "_parts" not in vars(waiting)
    start = threading.Barrier(8)
    results: list[object] = []

    def look() -> None:
        start.wait()
        results.append(waiting.result())

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    gate.open()
    for thread in threads:
        thread.join()
    assert (future.result(), results) == ("value", ["other"] * 8)
    with pytest.raises(AttributeError):
        waiting.nonsense  # noqa: B018
