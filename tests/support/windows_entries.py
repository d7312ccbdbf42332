"""Entries of children for `tests/spawn/test_windows.py`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from loky_spawn import Handover

SLEEPER = "import threading; threading.Event().wait()"


def echo(handover: Handover) -> None:
    """Send back what comes, until the other side is done."""
    (channel,) = handover.channels
    while data := channel.recv(1 << 16):
        channel.sendall(data)


def return_payload(handover: Handover) -> None:
    """Send the payload through the channel."""
    handover.channels[0].sendall(handover.payload)


def describe(handover: Handover) -> None:
    """Send what this process knows of itself through the channel."""
    told = {
        "argv": sys.argv,
        "cwd": str(Path.cwd()),
        "environment": dict(os.environ),
        "executable": sys.executable,
        "pid": os.getpid(),
        "prefix": sys.prefix,
        "modules": sorted(sys.modules),
        "stdin": sys.stdin.read(),
        "threads": sorted(thread.name for thread in threading.enumerate()),
    }
    handover.channels[0].sendall(json.dumps(told).encode())


def end_with(handover: Handover) -> None:
    """End with the exit code the payload says."""
    os._exit(int(handover.payload))


def leave_by_system_exit(handover: Handover) -> None:
    """Raise SystemExit with a number."""
    sys.exit(3)


def crash(handover: Handover) -> None:
    """Write to address 0 in a thread that Python knows nothing of."""
    import ctypes

    handler = ctypes.WinDLL("kernel32").RtlZeroMemory
    thread = ctypes.WinDLL("kernel32").CreateThread
    thread.restype = ctypes.c_void_p
    thread(None, 0, ctypes.cast(handler, ctypes.c_void_p), None, 0, None)
    threading.Event().wait(30)


def fail(handover: Handover) -> None:
    """Raise."""
    raise ValueError("größer als erlaubt")


def fail_deeply(handover: Handover) -> None:
    """Raise with a message that is larger than the report pipe."""
    raise ValueError("x" * 1_000_000 + "END")


def write_reports(handover: Handover) -> None:
    """Write more into the report than it holds, as `faulthandler` would: without looking."""
    for _ in range(1000):
        try:
            os.write(handover.report, b"line of a report\n" * 60)
        except OSError:
            continue


def sleep(handover: Handover) -> None:
    """Say that it runs, then wait for ever."""
    for channel in handover.channels:
        channel.sendall(b"!")
    threading.Event().wait()


def hold_the_gil(handover: Handover) -> None:
    """Say that it runs, then stay in one C call that does not let go of the GIL."""
    handover.channels[0].sendall(b"!")
    sum(range(10**12))


def start_sleeper(handover: Handover) -> None:
    """Start a process that sleeps, tell its pid, and sleep."""
    sleeper = subprocess.Popen([sys.executable, "-c", SLEEPER], stdin=subprocess.DEVNULL)
    handover.channels[0].sendall(b"%d\n" % sleeper.pid)
    threading.Event().wait()


def run_programs(handover: Handover) -> None:
    """Run a program with and without input."""
    words = [sys.executable, "-c", "import sys; print(len(sys.stdin.read()))"]
    plain = subprocess.run(words, check=True, capture_output=True)
    fed = subprocess.run(words, check=True, capture_output=True, input=b"1234")
    handover.channels[0].sendall(plain.stdout.strip() + b" " + fed.stdout.strip())


def nap(handover: Handover) -> None:
    """Say that it runs, then sleep in a way that Ctrl-C interrupts."""
    handover.channels[0].sendall(b"!")
    time.sleep(60)


def print_and_answer(handover: Handover) -> None:
    """Print, and say so."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        stream.write("printed by a child\n")
        stream.flush()
    handover.channels[0].sendall(b"!")
