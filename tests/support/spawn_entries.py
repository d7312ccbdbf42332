"""Entries that the children of the spawn tests run."""

from __future__ import annotations

import os
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from loky_spawn import Handover


def run(handover: Handover) -> None:
    """Run the payload as Python source and send what it calls `answer`, as JSON."""
    namespace: dict[str, object] = {"handover": handover}
    exec(handover.payload, namespace)
    import json

    tell(handover, json.dumps(namespace.get("answer")).encode())


def shout(handover: Handover) -> None:
    """Send the payload back in capitals."""
    tell(handover, handover.payload.upper())


def nothing(handover: Handover) -> None:
    """Return at once."""


def fail(handover: Handover) -> None:
    """Raise."""
    raise ValueError(handover.payload.decode() or "failed on purpose")


def leave(handover: Handover) -> None:
    """Exit with the code in the payload."""
    sys.exit(int(handover.payload))


def sleep(handover: Handover) -> None:
    """Say that it runs, then sleep for longer than any test."""
    tell(handover, b"!")
    time.sleep(3600)


def compute(handover: Handover) -> None:
    """Say that it runs, then compute in pure Python."""
    tell(handover, b"!")
    number = 0
    while True:
        number += 1


def hold_the_gil(handover: Handover) -> None:
    """Say that it runs, then stay in one C call that never lets go of the GIL."""
    tell(handover, b"!")
    sum(range(10**14))


def read_for_ever(handover: Handover) -> None:
    """Say that it runs, then block in a C call that lets go of the GIL."""
    read_end, _write_end = os.pipe()
    tell(handover, b"!")
    os.read(read_end, 1)


def ignore_sigterm(handover: Handover) -> None:
    """Ignore SIGTERM, say so, and sleep."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sleep(handover)


def parent_of_sleepers(handover: Handover) -> None:
    """Start a sleeper, a sleeper below a shell, and one whose parent is gone; send their pids.

    All of them hold every descriptor of this process open.
    """
    import subprocess

    for fd in handover.descriptors:
        os.set_inheritable(fd, True)
    near = subprocess.Popen(["sleep", "3600"], close_fds=False)
    shell = ["sh", "-c", "sleep 3600 & echo $!; wait"]
    below = subprocess.Popen(shell, close_fds=False, stdout=subprocess.PIPE)
    orphan = subprocess.Popen(
        ["sh", "-c", "sleep 3600 >/dev/null & echo $!"], close_fds=False, stdout=subprocess.PIPE
    )
    assert below.stdout is not None
    assert orphan.stdout is not None
    pids = [near.pid, below.pid, int(below.stdout.readline()), int(orphan.stdout.readline())]
    orphan.wait()
    tell(handover, " ".join(map(str, pids)).encode() + b"\n")
    if handover.payload != b"return":
        time.sleep(3600)
    os._exit(0)


def tell(handover: Handover, data: bytes) -> None:
    """Send bytes through the first channel."""
    view = memoryview(data)
    while view:
        view = view[os.write(handover.descriptors[0], view) :]
