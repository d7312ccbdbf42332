"""A worker that dies, and the executor that follows."""

import os

from loky import BrokenProcessPool, get_reusable_executor
from loky.process_executor import BrokenExecutor, TerminatedWorkerError

if __name__ == "__main__":
    executor = get_reusable_executor(max_workers=1)
    error = executor.submit(os._exit, 3).exception()
    print(type(error).__name__, isinstance(error, BrokenProcessPool))
    print(isinstance(error, BrokenExecutor), isinstance(error, RuntimeError))
    try:
        executor.submit(abs, -1)
    except BrokenProcessPool as error:
        print("refused", isinstance(error, BrokenProcessPool))
    fresh = get_reusable_executor(max_workers=1)
    print(fresh is executor, fresh.submit(abs, -1).result())
    again = get_reusable_executor(max_workers=1, reuse=False, kill_workers=True)
    print(again is fresh, again.submit(abs, -2).result())
    print(issubclass(TerminatedWorkerError, BrokenProcessPool))
