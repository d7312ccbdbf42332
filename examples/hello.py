"""Reuse one pool of fresh workers for functions defined in this script; no main guard needed.

Run it as a plain script: `python examples/hello.py`.
"""

import os
import time

from loky import get_reusable_executor


def say_hello(k):
    """Do a little work, and say in which process it was done."""
    time.sleep(0.01)
    pid = os.getpid()
    print(f"Hello from {pid} with arg {k}")
    return pid


# One pool for the whole program: at most 4 workers, which leave after 2 seconds without work.
executor = get_reusable_executor(max_workers=4, timeout=2)

future = executor.submit(say_hello, 1)
print("One task ran in", future.result())

pids = list(executor.map(say_hello, range(50)))
print("Distinct workers:", len(set(pids)))
assert len(set(pids)) == 4, pids
assert os.getpid() not in pids
