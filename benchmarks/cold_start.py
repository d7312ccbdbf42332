"""Measure the first result from nothing, imports included, against a bare Python start.

Each measure is a fresh interpreter; the variants take turns, so that a slow moment of the machine
strikes all of them; medians and their ratio to `python -c pass` are printed, and `--json FILE`
writes them.

    hatch run python benchmarks/cold_start.py [--rounds N] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

FIRST_RESULT = "from {0} import {1}; assert {1}(2).submit(abs, -1).result() == 1"
BY_VALUE = (
    "from loky import get_reusable_executor as pool\n"
    "def say_hello(k): return k\n"
    "assert pool(4).submit(say_hello, 1).result() == 1\n"
)
VARIANTS = {
    "python -c pass": "pass",
    "loky_executor, first result": FIRST_RESULT.format("loky_executor", "ProcessPoolExecutor"),
    "loky, first result": FIRST_RESULT.format("loky", "get_reusable_executor"),
    "loky, first result of a function of the script": BY_VALUE,
}


def measure(rounds: int) -> dict[str, float]:
    """Return the median seconds of each variant over so many interleaved rounds."""
    seconds: dict[str, list[float]] = {name: [] for name in VARIANTS}
    for _ in range(rounds + 1):
        for name, code in VARIANTS.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True, stdin=subprocess.DEVNULL)
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values[1:]) for name, values in seconds.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11, help="rounds that count (default 11)")
    parser.add_argument("--json", type=Path, help="write the medians there")
    options = parser.parse_args()
    medians = measure(options.rounds)
    bare = medians["python -c pass"]
    print(f"Python {platform.python_version()}, {platform.system()} {platform.machine()}")
    for name, value in medians.items():
        print(f"{name:<50} {value * 1000:7.1f} ms  {value / bare:5.2f} x")
    if options.json:
        options.json.write_text(json.dumps(medians, indent=1))


if __name__ == "__main__":
    main()
