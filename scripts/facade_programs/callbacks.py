"""Callbacks that submit, cancelled tasks, nested executors."""

import threading
import time

from loky import CancelledError, get_reusable_executor
from loky import TimeoutError as LokyTimeoutError


def nested(level):
    """Use an executor in a worker."""
    executor = get_reusable_executor(max_workers=1)
    return executor.submit(abs, -level).result()


if __name__ == "__main__":
    executor = get_reusable_executor(max_workers=1)
    finished = threading.Event()
    seen = []

    def follow(future):
        """Submit from a callback."""
        second = executor.submit(abs, -future.result())

        def end(future):
            """Tell the main thread."""
            seen.append(future.result())
            finished.set()

        second.add_done_callback(end)

    executor.submit(abs, -12).add_done_callback(follow)
    print(finished.wait(30), seen)
    print(executor.submit(nested, 3).result())
    slow = executor.submit(time.sleep, 0.5)
    try:
        slow.result(timeout=0.01)
    except LokyTimeoutError:
        print("TimeoutError")
    waiting = [executor.submit(abs, number) for number in range(20)]
    print(waiting[-1].cancel(), waiting[-1].cancelled())
    try:
        waiting[-1].result()
    except CancelledError:
        print("CancelledError")
    print([future.result() for future in waiting[:-1]] == list(range(19)))
