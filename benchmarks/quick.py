"""Measure ours alone in less than a minute, before and after a change.

    hatch run bench-quick [--save FILE] [--against FILE]

Prints a table; with `--against`, next to the numbers of an earlier `--save`. The bare ping-pong of
two Python processes and a bare start say how fast the machine was in that moment.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from pathlib import Path
from typing import NamedTuple

from suite import environments, plots, runs


class Row(NamedTuple):
    """One line of the table: which run, which number of it, and how it is written."""

    title: str
    contender: str
    probe: str
    argument: int
    metric: str
    unit: str
    scale: float = 1.0


LARGE = 100_000_000
ROWS = (
    Row("bare socket ping-pong", "bare", "round_trip", 2000, "us", "us"),
    Row("round trip of an empty task", "ours", "round_trip", 2000, "us", "us"),
    Row("submit, 20,000 tasks", "ours", "submit_many", 20_000, "submitted_per_s", "tasks/s"),
    Row("submit until done", "ours", "submit_many", 20_000, "done_per_s", "tasks/s"),
    Row("map, 20,000 items", "ours", "map_many", 20_000, "items_per_s", "items/s"),
    Row("python -c pass", "bare", "first_result", 0, "seconds", "ms", 1e3),
    Row("first result from nothing", "ours", "first_result", 0, "seconds", "ms", 1e3),
    Row("100 MB array there and back", "ours", "array_trip", LARGE, "seconds", "ms", 1e3),
    Row("the same, first time", "ours", "array_trip", LARGE, "first_s", "ms", 1e3),
    Row("20,000 pending, total per task", "ours", "pending", 20_000, "total_us_per_task", "us"),
    Row("20,000 pending, memory each", "ours", "pending", 20_000, "bytes_per_task", "bytes"),
    Row("crash to error", "ours", "crash", 0, "error_s", "ms", 1e3),
    Row("crash to next result", "ours", "crash", 0, "next_s", "ms", 1e3),
    Row("idle worker, unique memory", "ours", "idle", 0, "worker_mb", "MB"),
    Row("extra processes", "ours", "idle", 0, "extra", ""),
    Row("0.5 s among 10,000 x 100 us, / ideal", "ours", "mixed", 500, "ratio", "x"),
)  # fmt: skip


def measure(python: str, rounds: int, seconds: float) -> dict[str, float]:
    """Return the median of each row over so many rounds, fewer if the seconds are over."""
    found: dict[str, list[float]] = {}
    jobs = dict.fromkeys((row.contender, row.probe, row.argument) for row in ROWS)
    end = time.monotonic() + seconds
    for done in range(rounds):
        if done and time.monotonic() > end:
            break
        for job in jobs:
            try:
                numbers = runs.run(python, *job, timeout=30)
            except runs.RunError as error:
                print(f"{job[0]} {job[1]}: {error}")
                continue
            for row in ROWS:
                if (row.contender, row.probe, row.argument) == job:
                    found.setdefault(row.title, []).append(numbers[row.metric])
    return {title: statistics.median(values) for title, values in found.items()}


def show(now: dict[str, float], before: dict[str, float]) -> None:
    """Print the table."""
    for row in ROWS:
        if row.title not in now:
            continue
        line = f"{row.title:<40}{plots.number(now[row.title] * row.scale):>10} {row.unit:<8}"
        old = before.get(row.title)
        if old:
            line += f" was {plots.number(old * row.scale):>10}, {now[row.title] / old:5.2f} x"
        print(line)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--save", type=Path, help="write the numbers there")
    parser.add_argument("--against", type=Path, help="numbers of an earlier --save")
    options = parser.parse_args()
    python = environments.ours()
    environments.compile_ours(python)
    load = os.getloadavg()[0]
    now = measure(python, options.rounds, 25)
    before = json.loads(options.against.read_text()) if options.against else {}
    show(now, before)
    print(f"load average before {load:.1f}, after {os.getloadavg()[0]:.1f}")
    if options.save:
        options.save.write_text(json.dumps(now, indent=1) + "\n")


if __name__ == "__main__":
    main()
