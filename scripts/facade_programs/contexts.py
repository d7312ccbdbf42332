"""Contexts, locks, queues and the resource tracker."""

import os
import tempfile
from pathlib import Path

from loky.backend import get_context
from loky.backend.context import START_METHODS, get_start_method, set_start_method
from loky.backend.queues import Full, Queue, SimpleQueue
from loky.backend.resource_tracker import register, unregister
from loky.backend.synchronize import BoundedSemaphore, Condition, Event, Lock, RLock, Semaphore


def answer(queue, event, lock):
    """Run in a process."""
    with lock:
        queue.put((event.is_set(), "from the child"))


if __name__ == "__main__":
    print(sorted(START_METHODS), get_start_method())
    queue, event, lock = SimpleQueue(ctx=get_context()), Event(), Lock()
    event.set()
    process = get_context("loky").Process(target=answer, args=(queue, event, lock))
    process.start()
    print(queue.get())
    process.join()
    print(process.exitcode)
    bounded = Queue(maxsize=1, ctx=get_context())
    bounded.put(1)
    try:
        bounded.put(2, block=False)
    except Full:
        print("full", bounded.get())
    with RLock(), Semaphore(2), BoundedSemaphore(1), Condition():
        print("held")
    set_start_method("spawn")
    print(type(get_context()).__name__, get_start_method())
    try:
        set_start_method("loky")
    except RuntimeError:
        print("RuntimeError")
    handle, name = tempfile.mkstemp()
    os.close(handle)
    register(name, "file")
    unregister(name, "file")
    print(Path(name).exists())
    Path(name).unlink()
