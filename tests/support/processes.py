"""What the kernel says of a process."""

from __future__ import annotations

from pathlib import Path


def state_of(pid: int) -> str:
    """Return the kernel's letter for a process: R, S, T (stopped), Z; "" if there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return stat.rpartition(b")")[2].split()[0].decode()
