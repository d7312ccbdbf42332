"""Frames cut, delayed and overtaken by tokens: each task ends with its result or a clear error."""

from __future__ import annotations

import random
import sys
from collections import Counter
from concurrent.futures import wait
from typing import TYPE_CHECKING, Any

import pytest

from loky_executor import (
    BrokenProcessPool,
    ProcessPoolExecutor,
    TaskTimeoutError,
    TerminatedWorkerError,
)
from support.fault_proxy import Manner, Proxies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [
    pytest.mark.faults,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="there are no anonymous socket pairs"),
]

SECONDS = 60
SIZES = (0, 10, 1000, 70_000, 600_000)


@pytest.fixture
def proxies(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Manner, int], Proxies]]:
    """Give a function that puts proxies of some manner between all pools and their workers."""
    made: list[Proxies] = []

    def put(manner: Manner, seed: int) -> Proxies:
        made.append(Proxies(manner, seed))
        monkeypatch.setattr("loky_backend._starting.make_pair", made[-1].make_pair)
        return made[-1]

    yield put
    for proxy in made:
        proxy.close()


def _work(executor: ProcessPoolExecutor, count: int, seed: int) -> dict[Any, int]:
    """Submit tasks of all sizes; return how they ended: "right", or the type of the error."""
    chance = random.Random(seed)
    expected = [bytes([n % 256]) * chance.choice(SIZES) for n in range(count)]
    futures = [executor.submit(bytes, bytearray(value)) for value in expected]
    assert not wait(futures, SECONDS).not_done
    ends: Counter[Any] = Counter()
    for future, value in zip(futures, expected, strict=True):
        error = future.exception()
        if error is None:
            assert future.result() == value
        ends["right" if error is None else type(error)] += 1
    return dict(ends)


@pytest.mark.parametrize(
    "manner",
    [Manner(most=7_000), Manner(most=200_000, delay=0.004), Manner(most=1, delay=0.0)],
    ids=["in pieces", "late", "byte by byte"],
)
def test_frames_in_pieces_and_late(
    proxies: Callable[[Manner, int], Proxies], manner: Manner
) -> None:
    """However the stream is cut, and however far tokens are ahead, all results are right."""
    proxies(manner, 5)
    count = 3 if manner.most == 1 else 150
    with ProcessPoolExecutor(3) as executor:
        if manner.most == 1:
            assert [executor.submit(abs, -n).result(SECONDS) for n in range(50)] == list(range(50))
            futures = [executor.submit(abs, -n) for n in range(200)]
            assert [future.result(SECONDS) for future in futures] == list(range(200))
        else:
            assert _work(executor, count, 1) == {"right": count}
            assert list(executor.map(abs, range(-500, 0), timeout=SECONDS))[-1] == 1


@pytest.mark.parametrize("on_crash", ["isolate", "break"])
def test_tokens_that_are_overtaken(
    proxies: Callable[[Manner, int], Proxies], on_crash: str
) -> None:
    """A worker that does not find the token of a task says so, and is not believed any more."""
    proxies(Manner(claims=True, delay=0.01), 7)
    with ProcessPoolExecutor(2, on_crash=on_crash) as executor:
        futures = [executor.submit(abs, -n) for n in range(300)]
        assert not wait(futures, SECONDS).not_done
    ends: Counter[Any] = Counter()
    for number, future in enumerate(futures):
        error = future.exception()
        ends[type(error)] += 1
        if error is None:
            assert future.result() == number
        else:
            assert "no token for task" in str(error)
    assert set(ends) == {type(None), TerminatedWorkerError}


@pytest.mark.parametrize("seed", range(6))
def test_channels_that_are_cut(proxies: Callable[[Manner, int], Proxies], seed: int) -> None:
    """In the middle of frames of both directions: that is a worker's end, others go on."""
    proxy = proxies(Manner(cut=3_000_000, most=50_000, delay=0.0005), seed)
    with ProcessPoolExecutor(3, on_crash="isolate") as executor:
        ends = _work(executor, 150, seed)
        errors = [kind for kind in ends if kind != "right"]
        assert all(issubclass(kind, BrokenProcessPool) for kind in errors), ends
    assert proxy.cuts
    assert ends["right"] > 50


@pytest.mark.parametrize("seed", range(4))
def test_a_channel_that_is_cut_breaks_the_pool(
    proxies: Callable[[Manner, int], Proxies], seed: int
) -> None:
    """With the other policy every task is told, at once."""
    proxy = proxies(Manner(cut=400_000), seed)
    with ProcessPoolExecutor(2) as executor:
        ends = _work(executor, 60, seed)
    errors = [kind for kind in ends if kind != "right"]
    assert proxy.cuts
    assert errors
    assert all(issubclass(kind, BrokenProcessPool) for kind in errors), ends


def test_channels_that_stall(proxies: Callable[[Manner, int], Proxies]) -> None:
    """A worker nobody hears of is busy, as far as one can tell: time limits end its tasks."""
    proxies(Manner(stall=2_000), 3)
    with ProcessPoolExecutor(2) as executor:
        view = executor.options(timeout=0.3)
        futures = [view.submit(abs, -n) for n in range(60)]
        assert not wait(futures, SECONDS).not_done
        ends = Counter(type(future.exception()) for future in futures)
        executor.kill_workers()
    assert set(ends) <= {type(None), TaskTimeoutError, BrokenProcessPool}, ends
    assert ends[type(None)]


def test_a_worker_that_is_not_heard_while_it_starts(
    proxies: Callable[[Manner, int], Proxies],
) -> None:
    """`start_timeout` ends the wait for it."""
    proxies(Manner(stall=1), 3)
    with ProcessPoolExecutor(1, start_timeout=0.5) as executor:
        error = executor.submit(abs, -1).exception(SECONDS)
        assert isinstance(error, BrokenProcessPool)
        assert "not ready in time" in str(error)
