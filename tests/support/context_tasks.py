"""What processes of the contexts do in tests; found by name in the child."""

from __future__ import annotations

import multiprocessing
import os
import sys
from pathlib import Path
from typing import Any


class EndsItsReader:
    """An object whose unpickling ends the process."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (5,)


def put_pid_under_lock(queue: Any, lock: Any) -> None:
    """Put this process's number into a queue."""
    with lock:
        queue.put(os.getpid())


def leave_with(code: int) -> None:
    """End with an exit code."""
    sys.exit(code)


def echo(connection: Any) -> None:
    """Send back what comes, once."""
    connection.send(connection.recv())
    connection.close()


def echo_socket(sock: Any) -> None:
    """Send back three bytes, once."""
    with sock:
        sock.sendall(sock.recv(3))


def wait_for(event: Any) -> None:
    """Wait until the event is set."""
    event.wait()


def pass_barrier(barrier: Any, total: Any) -> None:
    """Add one to a shared value, then meet the others."""
    with total.get_lock():
        total.value += 1
    barrier.wait()


def signal_condition(condition: Any, array: Any) -> None:
    """Fill an array, then wake who waits."""
    with condition:
        array[:] = [1, 2, 3]
        condition.notify()


def write_into(value: Any, array: Any) -> None:
    """Change a shared value and a shared array."""
    value.value = 7
    array[:] = [1.5, 2.5]


def take_all(source: Any, answer: Any) -> None:
    """Answer each item of a joinable queue until None comes."""
    while (item := source.get()) is not None:
        answer.put(item * 2)
        source.task_done()
    source.task_done()


def describe_self(queue: Any) -> None:
    """Tell what this process knows of itself and its parent."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    queue.put(
        {
            "argv": sys.argv,
            "cwd": str(Path.cwd()),
            "daemon": multiprocessing.current_process().daemon,
            "method": multiprocessing.get_start_method(),
            "name": multiprocessing.current_process().name,
            "parent": parent.pid,
            "parent alive": parent.is_alive(),
        }
    )


def grandchild(queue: Any) -> None:
    """Start a process of the same kind, which answers."""
    context: Any = multiprocessing.get_context("loky")
    lock = context.Lock()
    process = context.Process(target=put_pid_under_lock, args=(queue, lock))
    process.start()
    process.join()


def answer_through(handover: Any) -> None:
    """Entry of a bare child: unpickle (function, arguments) and call it."""
    import pickle

    function, arguments = pickle.loads(handover.payload)
    function(*arguments)
