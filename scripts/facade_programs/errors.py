"""What a task raises, and what cannot be called or pickled."""

import threading

from loky import get_reusable_executor


def fail(message):
    """Raise."""
    raise KeyError(message)


if __name__ == "__main__":
    executor = get_reusable_executor(max_workers=1)
    error = executor.submit(fail, "missing").exception()
    print(type(error).__name__, error.args, "fail" in str(error.__cause__))
    try:
        list(executor.map(int, ["1", "x"]))
    except ValueError as error:
        print(error)
    error = executor.submit(id, threading.Lock()).exception()
    print(isinstance(error, Exception), "pickle" in str(error).lower() + str(error.__cause__))
    error = executor.submit(threading.Lock).exception()
    print(isinstance(error, Exception))
    print(executor.submit(abs, -1).result())
    try:
        get_reusable_executor(max_workers=0)
    except ValueError:
        print("ValueError")
