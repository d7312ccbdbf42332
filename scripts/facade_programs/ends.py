"""Shutting down with work left."""

import os
import time

from loky import get_reusable_executor
from loky.process_executor import ShutdownExecutorError

if __name__ == "__main__":
    executor = get_reusable_executor(max_workers=1)
    executor.submit(abs, 1).result()
    futures = [executor.submit(time.sleep, 60) for _ in range(6)]
    executor.shutdown(wait=True, kill_workers=True)
    print([isinstance(future.exception(), ShutdownExecutorError) for future in futures])
    executor = get_reusable_executor(max_workers=2)
    futures = [executor.submit(time.sleep, 60) for _ in range(6)]
    fresh = get_reusable_executor(max_workers=1, reuse=False, kill_workers=True)
    print([isinstance(future.exception(), ShutdownExecutorError) for future in futures])
    futures = [fresh.submit(abs, -number) for number in range(6)]
    fresh.shutdown(wait=True)
    print([future.result() for future in futures])
    with get_reusable_executor(max_workers=1) as executor:
        future = executor.submit(os.getpid)
    print(future.done(), future.result() != os.getpid())
