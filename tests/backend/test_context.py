"""Processes and primitives of the contexts `loky` and `loky_init_main`."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import loky_backend
from support import context_tasks as tasks

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 30.0  # seconds; only a hang comes near it


@pytest.fixture(autouse=True, scope="module")
def _tracker() -> None:
    """Start what `multiprocessing` keeps: the tracker of semaphores, an arena of memory."""
    if sys.platform != "win32":
        resource_tracker.ensure_running()
    multiprocessing.RawValue("i")


@pytest.fixture(params=["loky", "loky_init_main"])
def context(request: pytest.FixtureRequest) -> Any:
    """Each of the two contexts."""
    return loky_backend.get_context(request.param)


@pytest.fixture
def loky() -> Any:
    """The context `loky`."""
    return loky_backend.get_context()


@contextmanager
def queue_of(context: Any) -> Iterator[Any]:
    """Give a queue; no fixture, since pytest would hold it, and its semaphores, for too long."""
    queue = context.Queue()
    yield queue
    queue.close()
    queue.join_thread()


def finish(process: Any) -> int:
    """Wait for a process; return its exit code."""
    process.join(PATIENCE)
    code: int = process.exitcode
    process.close()
    return code


@pytest.mark.slow
def test_a_process_runs_and_ends(context: Any) -> None:
    """A process gets a queue and a lock as arguments, runs, and ends with 0."""
    with queue_of(context) as queue:
        lock = context.Lock()  # its owner must keep it: the child looks for it by name
        process = context.Process(target=tasks.put_pid_under_lock, args=(queue, lock))
        process.start()
        assert queue.get(timeout=PATIENCE) == process.pid != os.getpid()
        assert finish(process) == 0


@pytest.mark.slow
@pytest.mark.parametrize("code", [0, 3, 255])
def test_the_exit_code_is_known(loky: Any, code: int) -> None:
    """`exitcode` is what the process left with; None before."""
    process = loky.Process(target=tasks.leave_with, args=(code,))
    assert process.exitcode is None
    process.start()
    assert finish(process) == code


@pytest.mark.slow
def test_an_exception_is_exit_code_one(loky: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """A target that raises prints its traceback and ends with 1."""
    process = loky.Process(target=int, args=("no number",))
    process.start()
    assert finish(process) == 1
    assert "invalid literal" in capfd.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(("way", "number"), [("terminate", 15), ("kill", 9)])
def test_a_process_can_be_ended(loky: Any, way: str, number: int) -> None:
    """`terminate` and `kill` end it; `is_alive`, `sentinel` and `exitcode` tell."""
    event = loky.Event()
    process = loky.Process(target=tasks.wait_for, args=(event,))
    process.start()
    assert process.is_alive()
    assert wait([process.sentinel], timeout=0) == []
    getattr(process, way)()
    assert wait([process.sentinel], timeout=PATIENCE) == [process.sentinel]
    process.join(PATIENCE)
    assert not process.is_alive()
    assert finish(process) == -number


@pytest.mark.slow
def test_a_child_reaped_by_somebody_else_is_no_hang(loky: Any) -> None:
    """`join` returns when the exit code was lost to another `waitpid`; it is 255 then."""
    event = loky.Event()
    process = loky.Process(target=tasks.wait_for, args=(event,))
    process.start()
    os.kill(process.pid, signal.SIGKILL)
    os.waitpid(process.pid, 0)
    assert finish(process) == 255


@pytest.mark.slow
def test_join_with_a_timeout_returns(loky: Any) -> None:
    """`join` gives up after its time while the process runs on."""
    event = loky.Event()
    process = loky.Process(target=tasks.wait_for, args=(event,))
    process.start()
    process.join(0.01)
    assert process.is_alive()
    event.set()
    assert finish(process) == 0


@pytest.mark.slow
def test_the_child_knows_its_parent(loky: Any) -> None:
    """Name, daemon flag, folder, arguments and parent are as `spawn` would have them."""
    with queue_of(loky) as queue:
        process = loky.Process(target=tasks.describe_self, args=(queue,), name="Ada", daemon=True)
        process.start()
        facts = queue.get(timeout=PATIENCE)
        assert facts == {
            "argv": sys.argv,
            "cwd": str(Path.cwd()),
            "daemon": True,
            "method": "loky",
            "name": "Ada",
            "parent": os.getpid(),
            "parent alive": True,
        }
        assert finish(process) == 0


@pytest.mark.slow
def test_a_child_has_children(loky: Any) -> None:
    """A process of the context starts another one, and the queue reaches it."""
    with queue_of(loky) as queue:
        process = loky.Process(target=tasks.grandchild, args=(queue,))
        process.start()
        assert queue.get(timeout=PATIENCE) not in (os.getpid(), process.pid)
        assert finish(process) == 0


@pytest.mark.slow
def test_a_large_argument_arrives(loky: Any) -> None:
    """Arguments larger than a pipe holds arrive whole."""
    process = loky.Process(target=bytearray.__len__, args=(bytearray(3_000_000),))
    process.start()
    assert finish(process) == 0


@pytest.mark.slow
def test_a_child_that_dies_before_it_has_read_all_is_no_hang(loky: Any) -> None:
    """`start` returns when the child ends while its arguments are still being written."""
    process = loky.Process(target=print, args=(tasks.EndsItsReader(), bytearray(20_000_000)))
    process.start()
    assert finish(process) == 5


@pytest.mark.slow
def test_what_cannot_be_pickled_starts_nothing(loky: Any) -> None:
    """An argument that no pickler takes raises in `start`; no process, no descriptor is left."""
    process = loky.Process(target=print, args=(iter([]), sys._getframe()))
    with pytest.raises(loky_backend.EncodingError, match="frame"):
        process.start()
    assert multiprocessing.active_children() == []


@pytest.mark.slow
def test_a_pipe_and_a_socket_go_along(context: Any) -> None:
    """A Connection and a socket as arguments are the same ends in the child."""
    ours, theirs = context.Pipe()
    left, right = socket.socketpair()
    for target, end in ((tasks.echo, theirs), (tasks.echo_socket, right)):
        process = context.Process(target=target, args=(end,))
        process.start()
        end.close()
        if end is theirs:
            ours.send({"a": 1})
            assert ours.recv() == {"a": 1}
        else:
            left.sendall(b"abc")
            assert left.recv(3) == b"abc"
        assert finish(process) == 0
    ours.close()
    left.close()


@pytest.mark.slow
def test_barrier_and_value(loky: Any) -> None:
    """Two processes and this one meet at a Barrier; a Value counts them."""
    barrier, total = loky.Barrier(3), loky.Value("i", 0)
    processes = [loky.Process(target=tasks.pass_barrier, args=(barrier, total)) for _ in range(2)]
    for process in processes:
        process.start()
    barrier.wait(PATIENCE)
    assert [finish(process) for process in processes] == [0, 0]
    assert total.value == 2


@pytest.mark.slow
@pytest.mark.parametrize("raw", [False, True])
def test_shared_memory_is_shared(context: Any, raw: bool) -> None:
    """What another process writes into a Value or an Array is seen here, with a lock or without."""
    value = context.RawValue("i", 1) if raw else context.Value("i", 1)
    array = context.RawArray("d", 2) if raw else context.Array("d", 2)
    process = context.Process(target=tasks.write_into, args=(value, array))
    process.start()
    assert finish(process) == 0
    assert (value.value, list(array)) == (7, [1.5, 2.5])


@pytest.mark.slow
def test_condition_and_array(loky: Any) -> None:
    """A Condition wakes this process when the other one has filled an Array."""
    condition, array = loky.Condition(), loky.Array("i", 3)
    process = loky.Process(target=tasks.signal_condition, args=(condition, array))
    with condition:
        process.start()
        assert condition.wait(PATIENCE)
    assert list(array) == [1, 2, 3]
    assert finish(process) == 0


@pytest.mark.slow
def test_joinable_and_simple_queue(loky: Any) -> None:
    """A JoinableQueue is emptied by a process that answers through a SimpleQueue."""
    source, answer = loky.JoinableQueue(), loky.SimpleQueue()
    process = loky.Process(target=tasks.take_all, args=(source, answer))
    process.start()
    for item in (1, 2, None):
        source.put(item)
    source.join()
    assert [answer.get(), answer.get()] == [2, 4]
    assert finish(process) == 0
    source.close()
    source.join_thread()
    answer.close()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["Lock", "RLock", "Semaphore", "BoundedSemaphore"])
def test_locks_go_along(loky: Any, kind: str) -> None:
    """Every kind of lock works as an argument."""
    with queue_of(loky) as queue:
        lock = getattr(loky, kind)()
        process = loky.Process(target=tasks.put_pid_under_lock, args=(queue, lock))
        process.start()
        assert queue.get(timeout=PATIENCE) == process.pid
        assert finish(process) == 0


@pytest.mark.slow
def test_manager(context: Any) -> None:
    """A Manager serves; its proxies work in a process of the context."""
    with context.Manager() as manager:
        shared = manager.dict()
        process = context.Process(target=shared.update, args=({"a": 1},))
        process.start()
        assert finish(process) == 0
        assert dict(shared) == {"a": 1}


@pytest.mark.slow
def test_pool(context: Any) -> None:
    """A Pool of the context runs functions that can be imported."""
    with context.Pool(2) as pool:
        assert pool.map(abs, [-1, -2]) == [1, 2]
        pool.close()
        pool.join()


def test_multiprocessing_knows_the_names(loky: Any) -> None:
    """`multiprocessing.get_context` gives the very same objects once they are loaded."""
    for name in ("loky", "loky_init_main"):
        ours: Any = loky_backend.get_context(name)
        assert multiprocessing.get_context(name) is ours
        assert ours.get_start_method() == name
    assert loky_backend.get_context("spawn") is multiprocessing.get_context("spawn")
    assert loky.cpu_count() == loky_backend.cpu_count()
    with pytest.raises(ValueError, match="nonsense"):
        loky_backend.get_context("nonsense")
