"""Ctrl-C in a terminal: one traceback, the end within two seconds, nothing left running."""

from __future__ import annotations

import os
import pty
import re
import signal
import sys
import textwrap
import time

import pytest

from support.executor_waiting import all_gone

pytestmark = [
    pytest.mark.slow,
    pytest.mark.faults,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # forkpty with threads
]
START = """
import sys, threading, time
from loky_executor import ProcessPoolExecutor
def pids(executor):
    return " ".join(map(str, executor._processes))
def announce(executor):
    executor.submit(abs, 1).result()
    print("PIDS", pids(executor), "READY", flush=True)
"""
PROGRAMS = {
    "result": """
executor = ProcessPoolExecutor(2)
announce(executor)
futures = [executor.submit(time.sleep, 60) for _ in range(9)]
futures[0].result()
""",
    "map": """
executor = ProcessPoolExecutor(2)
announce(executor)
list(executor.map(time.sleep, [60] * 9, on_error="skip"))
""",
    "with": """
with ProcessPoolExecutor(2) as executor:
    announce(executor)
    executor.submit(time.sleep, 60)
    executor.submit(time.sleep, 60)
    time.sleep(60)
""",
    "leaving with": """
with ProcessPoolExecutor(2) as executor:
    announce(executor)
    executor.submit(time.sleep, 60)
""",
    "spawn": """
executor = ProcessPoolExecutor(8)
futures = [executor.submit(time.sleep, 60) for _ in range(8)]
print("PIDS", pids(executor), "READY", flush=True)
futures[0].result()
""",
}


@pytest.mark.parametrize("where", PROGRAMS)
def test_ctrl_c(where: str) -> None:
    """In `result`, `map`, `with`, while leaving `with`, and while workers start."""
    program = textwrap.dedent(START + PROGRAMS[where])
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-c", program])
    try:
        told = _read_until(terminal, b"READY")
        time.sleep(0.05)  # no way to see from outside that the main thread waits
        struck = time.monotonic()
        os.write(terminal, b"\x03")
        told += _read_until(terminal, None)
        _, status = os.waitpid(pid, 0)
        took = time.monotonic() - struck
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    finally:
        os.close(terminal)
    text = told.decode()
    assert (text.count("Traceback"), text.count("KeyboardInterrupt")) == (1, 1), text
    assert took < 2
    assert os.waitstatus_to_exitcode(status) in {-signal.SIGINT, 130}
    workers = re.search(r"PIDS ([\d ]*) ?READY", text)
    assert workers is not None
    assert all_gone([int(word) for word in workers[1].split()], within=2)


def _read_until(terminal: int, word: bytes | None) -> bytes:
    told = b""
    while word is None or word not in told:
        try:
            data = os.read(terminal, 4096)
        except OSError:  # Linux: EIO when the last process has left the terminal
            return told
        if not data:
            return told
        told += data
    return told
