"""`loky.backend`: start methods, locks and queues without a context, exit codes, exceptions."""

from __future__ import annotations

import pickle
import queue
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

import loky
from loky.backend import context, queues, reduction, synchronize, utils
from loky.process_executor import _ExceptionWithTraceback

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.leaks_allowed("multiprocessing keeps its resource tracker running")


@pytest.fixture(autouse=True)
def _no_choice_is_left() -> Iterator[None]:
    yield
    context.set_start_method(None, force=True)


def test_the_start_method_is_what_no_name_stands_for() -> None:
    """`get_context()` follows `set_start_method`; by name every context is there."""
    assert context.get_start_method() is None
    assert context.get_context() is context.get_context("loky")
    context.set_start_method("spawn")
    assert context.get_start_method() == "spawn"
    assert context.get_context().get_start_method() == "spawn"
    assert isinstance(context.get_context("loky_init_main"), context.LokyInitMainContext)


def test_the_start_method_is_chosen_once() -> None:
    """A second choice needs `force`; an unknown one is refused and changes nothing."""
    context.set_start_method("loky_init_main")
    with pytest.raises(RuntimeError, match="force=True"):
        context.set_start_method("loky")
    with pytest.raises(ValueError, match="start method must be one of"):
        context.set_start_method("no-such-method", force=True)
    context.set_start_method("loky", force=True)
    assert context.get_start_method() == "loky"


def test_locks_need_no_context() -> None:
    """Each class of `synchronize` is made as in `threading`."""
    with synchronize.Lock(), synchronize.RLock():
        pass
    semaphore = synchronize.Semaphore(2)
    assert [semaphore.acquire(block=False) for _ in range(3)] == [True, True, False]
    bounded = synchronize.BoundedSemaphore()
    with pytest.raises(ValueError, match="semaphore or lock released too many times"):
        bounded.release()
    lock = synchronize.RLock()
    with synchronize.Condition(lock) as taken:
        assert taken
    event = synchronize.Event()
    event.set()
    assert event.is_set()


def test_what_a_queue_cannot_take_raises_in_put() -> None:
    """Not in a thread that nobody hears; what comes after passes."""
    channel = queues.Queue()
    try:
        with pytest.raises(Exception, match="cannot pickle"):
            channel.put(iter(lambda: 0, 1).__next__ and (number for number in ()))
        channel.put(lambda: 3)
        assert channel.get(timeout=30)() == 3
        with pytest.raises(queue.Empty):
            channel.get(block=False)
    finally:
        channel.close()
        channel.join_thread()


def test_a_queue_has_reducers() -> None:
    """They are applied to what is put."""
    channel = queues.SimpleQueue(reducers={complex: lambda value: (str, ("reduced",))})
    channel.put([1j])
    assert channel.get() == ["reduced"]
    channel.close()


def test_dump_and_dumps_take_a_protocol(tmp_path: Any) -> None:
    """As positional argument too, as in loky 3.7; the newest one is used."""
    with (tmp_path / "file").open("w+b") as file:
        reduction.dump({1: 2}, file, None, 2)
        file.seek(0)
        assert reduction.loads(file.read()) == reduction.loads(reduction.dumps({1: 2}, None, 2))


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        ([None, -15, 1, 0], "{SIGTERM(-15), EXIT(1), EXIT(0)}"),
        ([], "{}"),
        ([-250], "{UNKNOWN(-250)}"),
    ],
)
def test_exit_codes_in_words(codes: list[int | None], said: str) -> None:
    """Those of processes that have ended, signals by name."""
    processes = {number: SimpleNamespace(exitcode=code) for number, code in enumerate(codes)}
    assert utils.get_exitcodes_terminated_worker(processes) == said


def test_a_returned_exception_carries_its_traceback() -> None:
    """`_ExceptionWithTraceback`, which joblib returns from tasks, unpickles as the exception."""
    try:
        raise KeyError("lost")
    except KeyError as error:
        carried = _ExceptionWithTraceback(error)
    found = pickle.loads(pickle.dumps(carried))
    assert (type(found), found.args) == (KeyError, ("lost",))
    assert "test_a_returned_exception_carries_its_traceback" in str(found.__cause__)


def test_shutdown_kills_by_position() -> None:
    """`shutdown(True, True)` is how loky 3.7 is told to kill the workers."""
    executor = loky.ProcessPoolExecutor(1)
    assert executor.submit(abs, -1).result(30) == 1
    executor.shutdown(True, True)
    assert executor._processes == {}
