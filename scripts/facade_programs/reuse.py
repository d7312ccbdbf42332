"""When the executor is the same one, and when another."""

import os

from loky import get_reusable_executor
from loky.process_executor import ShutdownExecutorError
from loky.reusable_executor import _ReusablePoolExecutor


def initialize(value):
    """Leave something for tasks."""
    os.environ["REUSE_PROGRAM"] = value


if __name__ == "__main__":
    executor = get_reusable_executor(max_workers=2, timeout=10)
    print(get_reusable_executor(max_workers=2, timeout=10) is executor)
    print(get_reusable_executor(max_workers=3, timeout=10) is executor)
    print(get_reusable_executor(reuse=True) is executor)
    other = get_reusable_executor(max_workers=1, initializer=initialize, initargs=("hello",))
    print(other is executor, other.executor_id > executor.executor_id)
    print(other.submit(os.environ.get, "REUSE_PROGRAM").result())
    third = get_reusable_executor(max_workers=1, env={"REUSE_PROGRAM": "from env"})
    print(third.submit(os.environ.get, "REUSE_PROGRAM").result())
    third.shutdown(wait=True, kill_workers=True)
    try:
        third.submit(abs, -1)
    except ShutdownExecutorError as error:
        print("shut down:", isinstance(error, RuntimeError))
    fourth, is_reused = _ReusablePoolExecutor.get_reusable_executor(max_workers=1)
    print(is_reused, _ReusablePoolExecutor.get_reusable_executor(max_workers=1)[1])
    fourth._resize(2)
    print(fourth.submit(abs, -3).result())
