"""`Inheritance`: primitives pickled for children that are no `multiprocessing` processes."""

from __future__ import annotations

import multiprocessing
import os
import socket
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING, Any

import pytest

from loky_backend import EncodingError, Inheritance, encode, get_context, loads
from loky_spawn import spawn
from support import context_tasks as tasks

if TYPE_CHECKING:
    from collections.abc import Iterator


PATIENCE = 60.0
ENTRY = f"{tasks.__name__}:answer_through"


@pytest.fixture(autouse=True, scope="module")
def _tracker() -> None:
    """Start the standard library's tracker of semaphores, which stays as long as this process."""
    resource_tracker.ensure_running()


@pytest.fixture
def inheritance() -> Iterator[Inheritance]:
    """An inheritance that is closed in the end."""
    with Inheritance() as inheritance:
        yield inheritance


@pytest.fixture
def context() -> Any:
    """The context `loky`."""
    return get_context()


def run(body: bytes, inheritance: Inheritance) -> int | None:
    """Run a pickled (function, arguments) in a bare child; return its exit code."""
    with spawn(ENTRY, payload=body, pass_fds=inheritance.descriptors) as child:
        assert child.wait(PATIENCE)
        return child.exitcode


@pytest.mark.slow
def test_several_children_use_one_pickle(context: Any, inheritance: Inheritance) -> None:
    """A queue and a lock pickled once reach every child that inherits the descriptors."""
    queue = context.SimpleQueue()
    body = inheritance.encode((tasks.put_pid_under_lock, (queue, context.Lock())))
    assert [run(body, inheritance) for _ in range(2)] == [0, 0]
    pids = {queue.get(), queue.get()}
    assert len(pids - {os.getpid()}) == 2
    queue.close()


@pytest.mark.slow
def test_the_original_may_be_closed_before_the_child_starts(inheritance: Inheritance) -> None:
    """The child inherits a copy that is made when the object is pickled."""
    ours, theirs = multiprocessing.Pipe()
    body = inheritance.encode((tasks.echo, (theirs,)))
    theirs.close()
    ours.send(["x"])
    assert run(body, inheritance) == 0
    assert ours.recv() == ["x"]
    ours.close()


@pytest.mark.slow
def test_a_socket_with_a_function_by_value(inheritance: Inheritance) -> None:
    """What needs cloudpickle takes its descriptors along too."""
    ours, theirs = socket.socketpair()
    body = inheritance.encode((lambda sock: sock.sendall(b"abc"), (theirs,)))
    theirs.close()
    assert run(body, inheritance) == 0
    assert ours.recv(3) == b"abc"
    ours.close()


def test_closing_gives_the_descriptors_back(inheritance: Inheritance) -> None:
    """`descriptors` lists one copy for each end; `close` closes them, twice is fine."""
    ours, theirs = multiprocessing.Pipe()
    inheritance.encode([ours, theirs, ours])
    assert len(inheritance.descriptors) == 2
    assert not {ours.fileno(), theirs.fileno()} & set(inheritance.descriptors)
    copies = inheritance.descriptors
    inheritance.close()
    inheritance.close()
    assert inheritance.descriptors == ()
    for fd in copies:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)
    ours.close()
    theirs.close()


def test_outside_of_it_each_is_refused_with_advice(context: Any) -> None:
    """As arguments of a task they are refused, by name and with what to do; nothing is guessed."""
    ours, theirs = context.Pipe()
    left, right = socket.socketpair()
    for thing in (context.Lock(), context.Event(), ours, left):
        with pytest.raises(EncodingError, match="initargs") as caught:
            encode((print, (1, {"x": thing}), {}))
        assert caught.value.path.startswith("args[1]['x']")
    for end in (ours, theirs, left, right):
        end.close()


@pytest.mark.slow
def test_a_proxy_carries_its_key(context: Any) -> None:
    """A manager's proxy can be an argument of a task: it takes along the key its server wants."""
    with context.Manager() as manager:
        shared = manager.dict(a=1)
        body = encode((shared.copy, (), {})).body
        key = bytes(multiprocessing.current_process().authkey)
        assert key in body
        again = loads(encode(shared).body)
        assert dict(again) == {"a": 1}
        del again
