"""Measure what a child costs, beside a bare interpreter, in one run.

``python benchmarks/spawn.py [--quick] [--json FILE]``. Every ratio is taken within this run, the
two sides by turns, and is a ratio of medians, so that a slow minute of the machine hits both. Exits
with code 1 if a target is missed.

Columns: what was measured, ours, the bare interpreter's, the ratio (or value), the target.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import py_compile
import socket
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import spawn_child

import loky_spawn
from loky_spawn._executable import interpreter_flags

if TYPE_CHECKING:
    from collections.abc import Callable

MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Row:
    """One measure: value, what it is compared with (seconds, or None), and the target."""

    measure: str
    ours: float
    bare: float | None
    value: float
    target: float
    unit: str

    @property
    def reached(self) -> bool:
        """Say whether the value is within the target."""
        return self.value <= self.target


def first_byte(rounds: int) -> Row:
    """From the call of `spawn` to the first byte of its entry, against ``python -c pass``."""
    ours, bare = by_turns(first_byte_once, bare_once, rounds)
    return ratio("first byte from a child", ours, bare, 1.4)


def start_to_end(rounds: int) -> Row:
    """From the call of `spawn` to the closed child, against ``python -c pass``."""
    ours, bare = by_turns(run_to_end, bare_once, rounds)
    return ratio("start to end of a child", ours, bare, 1.4)


def concurrently(children: int, rounds: int) -> Row:
    """The first bytes of many children started at once, against as many bare interpreters."""
    ours, bare = by_turns(
        lambda: spawn_at_once(children), lambda: [bare_once() for _ in range(children)], rounds
    )
    return ratio(f"{children} children at once", ours, bare, 1.2)


def helper_processes() -> Row:
    """How many processes there are beside the children asked for."""
    pairs = [socket.socketpair() for _ in range(5)]
    children = [loky_spawn.spawn("spawn_child:wait", channels=[its]) for _, its in pairs]
    for ours, _ in pairs:
        ours.recv(1)
    extra = set(own_children()) - {child.pid for child in children}
    for child, pair in zip(children, pairs, strict=True):
        child.close()
        for end in pair:
            end.close()
    return Row("helper processes", len(extra), None, len(extra), 0, "")


def growth(spawns: int) -> list[Row]:
    """What the parent has more after many spawns: descriptors, and memory per spawn."""
    for _ in range(50):
        run_to_end()
    descriptors, memory = open_descriptors(), resident_bytes()
    for _ in range(spawns):
        run_to_end()
    more = max(0, open_descriptors() - descriptors)
    grown = max(0, resident_bytes() - memory)
    return [
        Row(f"descriptors left by {spawns} spawns", more, None, more, 0, ""),
        Row(f"memory left by {spawns} spawns", grown, None, grown / MEGABYTE, 0.5, "MiB"),
    ]


def by_turns(
    ours: Callable[[], object], bare: Callable[[], object], rounds: int
) -> tuple[float, float]:
    """Run both by turns, the first round unmeasured; return the median seconds of each."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds + 1):
        for measured, call in zip(times, (ours, bare), strict=True):
            start = time.perf_counter()
            call()
            measured.append(time.perf_counter() - start)
    return statistics.median(times[0][1:]), statistics.median(times[1][1:])


def ratio(measure: str, ours: float, bare: float, target: float) -> Row:
    """Return the row of a ratio."""
    return Row(measure, ours, bare, ours / bare, target, "x")


def bare_once() -> None:
    """Start an interpreter of the same flags that does nothing, and wait for its end."""
    subprocess.run(
        [sys.executable, *interpreter_flags(), "-c", "pass"], check=True, stdin=subprocess.DEVNULL
    )


def first_byte_once() -> None:
    """Start a child and wait for its first byte; its end is waited for, but not measured."""
    ours, its = socket.socketpair()
    child = loky_spawn.spawn("spawn_child:answer", channels=[its])
    its.close()
    ours.recv(1)
    ours.close()
    leftovers.append(child)
    while len(leftovers) > 2:
        leftovers.pop(0).close()


def run_to_end() -> None:
    """Start a child, wait for its end, close it."""
    with loky_spawn.spawn("spawn_child:nothing") as child:
        child.wait()


def spawn_at_once(number: int) -> None:
    """Start many children before reading from any, then wait for the end of all."""
    pairs = [socket.socketpair() for _ in range(number)]
    children = [loky_spawn.spawn("spawn_child:answer", channels=[its]) for _, its in pairs]
    for (ours, its), child in zip(pairs, children, strict=True):
        its.close()
        ours.recv(1)
        ours.close()
        child.wait()
        child.close()


def own_children() -> list[int]:
    """Return the processes below this one, as the kernel lists them."""
    me = threading.get_native_id()
    return [int(pid) for pid in Path(f"/proc/self/task/{me}/children").read_text().split()]


def open_descriptors() -> int:
    """Return how many descriptors are open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def resident_bytes() -> int:
    """Return the resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def table(rows: list[Row]) -> str:
    """Return the rows as text."""
    lines = [f"{'measure':<34}{'ours':>10}{'bare':>10}{'value':>10}{'target':>10}"]
    for row in rows:
        ours = f"{row.ours * 1e3:.2f} ms" if row.bare is not None else ""
        bare = f"{row.bare * 1e3:.2f} ms" if row.bare is not None else ""
        value, target = f"{row.value:.2f} {row.unit}", f"{row.target:g} {row.unit}"
        missed = "" if row.reached else "  MISSED"
        lines.append(f"{row.measure:<34}{ours:>10}{bare:>10}{value:>10}{target:>10}{missed}")
    return "\n".join(lines)


def main() -> int:
    """Measure, print the table and the JSON, and say whether every target was reached."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the repetitions")
    parser.add_argument("--json", type=Path, help="where to write the figures; default: print them")
    options = parser.parse_args()
    part = 10 if options.quick else 1
    py_compile.compile(spawn_child.__file__, doraise=True)  # as anything that is installed
    rows = [first_byte(100 // part), start_to_end(100 // part), concurrently(50, 10 // part)]
    for child in leftovers:
        child.close()
    leftovers.clear()
    rows.append(helper_processes())
    rows += growth(2000 // part)
    print(table(rows))
    figures = {
        "python": platform.python_version(),
        "system": platform.platform(),
        "rows": [{**asdict(row), "reached": row.reached} for row in rows],
    }
    text = json.dumps(figures, indent=2)
    if options.json:
        options.json.write_text(text + "\n")
    else:
        print(text)
    return 0 if all(row.reached for row in rows) else 1


leftovers: list[loky_spawn.ChildProcess] = []

if __name__ == "__main__":
    sys.exit(main())
