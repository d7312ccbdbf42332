"""Starting children, fresh parents and looking at processes, for the spawn tests."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import textwrap
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import loky_spawn
from support.processes import state_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

TESTS = Path(__file__).resolve().parents[1]
ENTRIES = "support.spawn_entries"
PATIENCE = 60.0  # seconds; only a test that fails waits that long
_PACKAGE = Path(loky_spawn.__file__).parents[1]


@contextmanager
def running(entry: str, **options: Any) -> Iterator[tuple[loky_spawn.ChildProcess, socket.socket]]:
    """Give a child of one of the entries and the parent's end of its only channel."""
    ours, its = socket.socketpair()
    ours.settimeout(PATIENCE)
    with ours, its, loky_spawn.spawn(f"{ENTRIES}:{entry}", channels=[its], **options) as child:
        its.close()
        yield child, ours


def ask(source: str, **options: Any) -> Any:
    """Run source in a child, which may call something `answer`, and return that."""
    payload = textwrap.dedent(source).encode()
    with running("run", payload=payload, **options) as (child, channel):
        answer = read_all(channel)
        child.check(PATIENCE)
    return json.loads(answer)


def read_all(channel: socket.socket) -> bytes:
    """Return everything up to the end of the stream."""
    parts = []
    while part := channel.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


def read_line(channel: socket.socket) -> bytes:
    """Return one line, which ends what was sent so far."""
    line = b""
    while not line.endswith(b"\n"):
        part = channel.recv(1 << 16)
        if not part:
            raise EOFError(line)
        line += part
    return line


def parent(
    source: str,
    *,
    flags: Sequence[str] = (),
    python: str = sys.executable,
    env: Mapping[str, str] | None = None,
    **options: Any,
) -> subprocess.Popen[str]:
    """Start a fresh Python that can import `loky_spawn` and `support` whatever its flags are."""
    line = [python, *flags, "-c", prelude() + textwrap.dedent(source)]
    pipe = subprocess.PIPE
    environment = {**os.environ, **(env or {})}
    return subprocess.Popen(
        line, stdin=subprocess.DEVNULL, stdout=pipe, env=environment, text=True, **options
    )


def prelude() -> str:
    """Return the source that makes the package and the test helpers importable."""
    return f"import sys; sys.path[:0] = {[str(_PACKAGE), str(TESTS)]!r}\n"


def output_of(source: str, **options: Any) -> str:
    """Run source in a fresh Python, which must succeed, and return what it printed."""
    with parent(source, **options) as process:
        try:
            text, _ = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    assert process.returncode == 0, text
    return text


def is_alive(pid: int) -> bool:
    """Say whether a process runs (a zombie does not)."""
    return state_of(pid) not in ("", "Z", "X")


def wait_until_gone(pids: Sequence[int], patience: float) -> list[int]:
    """Return those that are still there after so many seconds; [] as soon as all are gone."""
    deadline = time.monotonic() + patience
    for pid in pids:
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            select.select([handle], [], [], max(0.0, deadline - time.monotonic()))
        finally:
            os.close(handle)
    return [pid for pid in pids if is_alive(pid)]


def open_descriptors() -> int:
    """Return how many descriptors this process has open."""
    return len(list(Path("/proc/self/fd").iterdir())) - 1


def child_pids() -> list[int]:
    """Return the children of this process, zombies too."""
    found: list[int] = []
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that ends
            found += map(int, (task / "children").read_text().split())
    return found


def holdings_become(expected: tuple[int, list[int]]) -> bool:
    """Say whether descriptors and children come to be the expected ones; threads may lag behind."""
    deadline = time.monotonic() + PATIENCE / 4
    while (open_descriptors(), child_pids()) != expected:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.001)
    return True
