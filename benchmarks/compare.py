"""Measure ours against every peer, side by side in one run; write JSON, plots and a page.

    hatch run bench [--rounds N] [--only KEY ...] [--minutes M] [--no-growth]

Two environments are made under `.cache/bench` (ours and released loky have the same import name).
Each measurement is a fresh process; contenders take turns, so that a slow moment of the machine
strikes all of them; medians are compared. What is slow gets its rounds last, so that a limit of
minutes costs it rounds, which the page then shows. The numbers go to `benchmarks/results/`, the
page to `docs/benchmarks.md`, the plots next to it; `--page FILE` only writes the page again.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from suite import environments, report, runs
from suite.catalog import CORE, GROWTH, MEASURES, Measure

if TYPE_CHECKING:
    from collections.abc import Callable

    Choice = Callable[[str, float], bool]  # (contender, seconds of its last run) -> take part?

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "latest.json"
SLOW = 7.0  # seconds of one run, from which on a contender waits for its later rounds
LONG = 40.0  # seconds from which on it comes last of all
OWN = frozenset({"ours", "loky"})
GROWTH_LIMIT = 25.0  # seconds for one point of a plot
GROWTH_PATIENCE = 12.0  # a contender that took as long gets no larger point


class Comparison:
    """The state of one comparison: what was measured so far, what failed, what it cost.

    Args:
        pythons: contender -> interpreter; "" stands for all that are not named.
        deadline: monotonic time after which no further round of a slow contender begins.
    """

    def __init__(self, pythons: dict[str, str], deadline: float) -> None:
        self.pythons = pythons
        self.deadline = deadline
        self.values: dict[str, dict[str, dict[str, list[float]]]] = {}
        self.failures: dict[str, dict[str, str]] = {}
        self.cost: dict[tuple[str, str], float] = {}

    def python(self, contender: str) -> str:
        """Return the interpreter of a contender."""
        return self.pythons.get(contender, self.pythons[""])

    def once(self, measure: Measure, contender: str) -> None:
        """Measure once, and keep the numbers or the reason there are none."""
        start = time.monotonic()
        try:
            numbers = runs.run(
                self.python(contender),
                contender,
                measure.probe,
                measure.fewer.get(contender, measure.argument),
                timeout=measure.timeout,
            )
        except runs.RunError as error:
            self.failures.setdefault(measure.key, {})[contender] = str(error)
            numbers = {}
        self.cost[measure.key, contender] = time.monotonic() - start
        kept = self.values.setdefault(measure.key, {}).setdefault(contender, {})
        for key, value in numbers.items():
            kept.setdefault(key, []).append(value)

    def wanted(self, measure: Measure, contender: str, rounds: int) -> bool:
        """Say whether a contender that did not fail has rounds to go."""
        failed = contender in self.failures.get(measure.key, {})
        done = self.values.get(measure.key, {}).get(contender, {})
        return not failed and max(map(len, done.values()), default=0) < rounds

    def round(self, measures: list[Measure], rounds: int, choose: Choice) -> None:
        """Let those that are chosen have one turn in each measure, if they want it.

        After the first turn of each, none begins that is likely to end after the deadline.
        """
        for measure in measures:
            for contender in measure.contenders:
                cost = self.cost.get((measure.key, contender))
                late = cost is not None and time.monotonic() + cost > self.deadline
                if late or not choose(contender, cost or 0.0):
                    continue
                if self.wanted(measure, contender, rounds):
                    self.once(measure, contender)
        print(".", end="", flush=True)

    def known(self, probe: str, contender: str, point: int) -> dict[str, float]:
        """Return what another measure has of the same probe and argument: its medians."""
        for measure in MEASURES:
            values = self.values.get(measure.key, {}).get(contender)
            if measure.probe == probe and measure.argument == point and values:
                return {key: statistics.median(numbers) for key, numbers in values.items()}
        return {}

    def table(self) -> dict[str, Any]:
        """Return medians, least, most and number of runs for everything."""
        return {
            measure: {
                contender: {key: runs.summary(values) for key, values in numbers.items()}
                for contender, numbers in rows.items()
                if numbers
            }
            for measure, rows in self.values.items()
        }


def grow(comparison: Comparison, kind: str) -> dict[str, list[list[float]]]:
    """Measure one plot of growth, a fresh process per point."""
    contenders, points, key = GROWTH[kind][:3]
    probe = "pending" if kind in {"pending", "memory"} else kind
    lines: dict[str, list[list[float]]] = {name: [] for name in contenders}
    given_up: set[str] = set()
    for point in points:
        for contender in contenders:
            if contender in given_up:
                continue
            argument, workers = (0, point) if probe == "growth_workers" else (point, 2)
            limit = 120.0 if contender == "ours" else GROWTH_LIMIT
            known = comparison.known(probe, contender, point)
            if known:
                lines[contender].append([point, known[key]])
                lines.setdefault(f"{contender}/memory", []).append([point, known["bytes_per_task"]])
                continue
            start = time.monotonic()
            try:
                python = comparison.python(contender)
                numbers = runs.run(
                    python, contender, probe, argument, timeout=limit, workers=workers
                )
            except runs.RunError as error:
                given_up.add(contender)
                comparison.failures.setdefault(kind, {})[contender] = f"at {point:,}: {error}"
                continue
            lines[contender].append([point, numbers[key]])
            if probe == "pending":
                lines.setdefault(f"{contender}/memory", []).append(
                    [point, numbers["bytes_per_task"]]
                )
            if time.monotonic() - start > GROWTH_PATIENCE and contender != "ours":
                given_up.add(contender)
    return lines


def grow_all(comparison: Comparison) -> dict[str, Any]:
    """Measure all plots; time and memory of pending tasks come from the same runs."""
    plots = {kind: grow(comparison, kind) for kind in GROWTH if kind != "memory"}
    pending = plots["pending"]
    plots["memory"] = {
        name.removesuffix("/memory"): pending.pop(name)
        for name in list(pending)
        if name.endswith("/memory")
    }
    return plots


def _versions(comparison: Comparison, measures: list[Measure]) -> dict[str, str]:
    found = {}
    for contender in dict.fromkeys(name for m in measures for name in m.contenders):
        if contender in {"bare", "bare-one", "cf-spawn", "cf-forkserver"}:
            continue
        try:
            numbers = runs.run(comparison.python(contender), contender, "version", 0, timeout=30)
            found[contender] = numbers["version"]
        except runs.RunError as error:
            found[contender] = f"unknown: {error}"
    return found


def phase(comparison: Comparison, measures: list[Measure], rounds: int, choose: Choice) -> None:
    """Let those that are chosen have all their rounds, in turns."""
    for _ in range(rounds):
        comparison.round(measures, rounds, choose)
    print(" phase done", flush=True)


def measure_all(options: argparse.Namespace) -> dict[str, Any]:
    """Run everything and return what goes into the JSON file."""
    ours = options.ours or environments.ours()
    environments.compile_ours(ours)
    peers, failed = (options.peers, {}) if options.peers else environments.peers()
    begun, load = time.monotonic(), os.getloadavg()
    deadline = begun + options.minutes * 60
    comparison = Comparison({"ours": ours, "bare": ours, "bare-one": ours, "": peers}, deadline)
    measures = [m for m in MEASURES if not options.only or m.key in options.only]
    phase(comparison, measures, 1, lambda name, _cost: name in CORE)
    phase(comparison, measures, options.rounds, lambda name, cost: name in CORE and cost < SLOW)
    growth = {} if options.no_growth or options.only else grow_all(comparison)
    phase(comparison, measures, 1, lambda _name, _cost: True)
    phase(comparison, measures, options.rounds, lambda name, cost: name in OWN and cost < LONG)
    phase(comparison, measures, options.rounds, lambda _name, cost: cost < SLOW)
    phase(comparison, measures, options.rounds, lambda _name, _cost: True)
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": runs.machine(),
        "commit": options.commit or runs.commit(),
        "versions": _versions(comparison, measures),
        "not_installed": failed,
        "rounds": options.rounds,
        "minutes": round((time.monotonic() - begun) / 60, 1),
        "load_before": load,
        "load_after": os.getloadavg(),
        "measures": comparison.table(),
        "failures": comparison.failures,
        "growth": growth,
    }


def main() -> None:
    """Measure, then write the page; or only write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=5, help="runs of each (default 5)")
    parser.add_argument("--minutes", type=float, default=60, help="limit for slow contenders")
    parser.add_argument("--only", nargs="*", help=", ".join(m.key for m in MEASURES))
    parser.add_argument("--no-growth", action="store_true", help="leave out the growth plots")
    parser.add_argument("--ours", help="interpreter with our packages")
    parser.add_argument("--commit", help="the commit that is installed there")
    parser.add_argument("--peers", help="interpreter with the peers")
    parser.add_argument("--json", type=Path, default=RESULTS, help="where the numbers go")
    parser.add_argument("--page", type=Path, help="only write the page, from this JSON file")
    options = parser.parse_args()
    if options.page:
        results = json.loads(options.page.read_text(encoding="utf-8"))
    else:
        results = measure_all(options)
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    if options.only:
        print(report.tables(results))
    else:
        report.write(results, HERE.parent / "docs")
    print(report.targets_table(results))


if __name__ == "__main__":
    main()
