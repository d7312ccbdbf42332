"""The table of running processes on POSIX: who started whom, and in which process group."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress

assert sys.platform != "win32"


def list_processes() -> dict[int, tuple[int, int]]:
    """Return pid -> (parent pid, process group) of every process that can be seen.

    Reads ``/proc`` where it looks as Linux has it, else asks ``ps``. Empty where neither is
    usable: then only a process group can be killed as one.
    """
    if os.path.exists("/proc/self/stat"):
        return _from_proc()
    with suppress(OSError, ValueError, subprocess.SubprocessError):
        return _from_ps()
    return {}


def _from_proc() -> dict[int, tuple[int, int]]:
    table = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        with suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
            # proc(5): "pid (comm) state ppid pgrp ..."; comm may hold blanks and parentheses.
            fields = file.read().rpartition(b")")[2].split()
            if fields[0] != b"Z":
                table[int(name)] = int(fields[1]), int(fields[2])
    return table


def _from_ps() -> dict[int, tuple[int, int]]:
    words = ["ps", "-axo", "pid=,ppid=,pgid="]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    rows = (line.split() for line in done.stdout.splitlines())
    return {int(row[0]): (int(row[1]), int(row[2])) for row in rows}
