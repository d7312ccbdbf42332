"""What a task raises, and what cannot be called or pickled."""

import threading
from pickle import PicklingError

from loky import get_reusable_executor


def fail(message):
    """Raise."""
    raise KeyError(message)


class Refuses:
    """Raises when it is pickled."""

    def __reduce__(self):
        raise ZeroDivisionError("not me")


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
    error = executor.submit(id, Refuses()).exception()
    print(isinstance(error, PicklingError), "the task to send it to the workers" in str(error))
    print(isinstance(executor.submit(Refuses).exception(), ZeroDivisionError))
    error = executor.submit(threading.Lock).exception()
    print(isinstance(error, Exception))
    print(executor.submit(abs, -1).result())
    try:
        get_reusable_executor(max_workers=0)
    except ValueError:
        print("ValueError")
