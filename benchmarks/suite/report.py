"""The page: tables, targets and plots, made from a file of results and from nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from suite import plots
from suite.catalog import GROWTH, MEASURES, TARGETS, Measure, Metric, Target

if TYPE_CHECKING:
    from pathlib import Path

NAMES = {
    "loky": "loky 3.7",
    "cf-spawn": "Python, spawn",
    "cf-forkserver": "Python, forkserver",
    "pebble": "Pebble",
    "deadpool": "deadpool",
    "ray": "Ray",
    "bare": "bare Python",
    "bare-one": "bare, 1 CPU",
}
HEAD = """# Benchmarks

What `hatch run bench` measured: this project against its peers, side by side in one run. Every
number is the median over fresh processes that took turns, two workers each; the column *runs*
says how many. Written by `benchmarks/compare.py` from `benchmarks/results/latest.json`; do not
edit by hand (what the numbers mean is written in `docs/benchmarks/notes.md`, and included here).

**The machine is shared** with other work (virtual, two processors; load averages below), so
absolute numbers move between runs by a factor of two or more. Ratios of one run are what to look
at. Each peer is used by its documented interface with its default settings, except: pools that
would fork are told to spawn, and retries are off where a crash is measured. "Python" is
`concurrent.futures.ProcessPoolExecutor`. The *bare* rows are no pool: two Python processes that
pass one byte over a socket (pinned to two processors, as a pool's are, or to one), and
`python -c pass`. A worse result stands as it is.
"""


def _median(results: dict[str, Any], measure: str, contender: str, metric: str) -> float | None:
    numbers = results["measures"].get(measure, {}).get(contender, {}).get(metric)
    return None if numbers is None else float(numbers["median"])


def _name(contender: str) -> str:
    return NAMES.get(contender, contender)


def _factor(ours: float | None, theirs: float, *, less: bool) -> str:
    if ours is None or not ours or not theirs:
        return ""
    times = theirs / ours if less else ours / theirs
    return f"{plots.number(times)} x"


def _rows(results: dict[str, Any], measure: Measure, metric: Metric) -> list[list[str]]:
    ours = _median(results, measure.key, "ours", metric.key)
    rows = []
    for contender in measure.contenders:
        numbers = results["measures"].get(measure.key, {}).get(contender, {}).get(metric.key)
        if numbers is None:
            reason = _reason(results, measure.key, contender)
            rows.append([_name(contender), f"failed: {reason}", "", "", ""])
            continue
        low, middle, high = (
            plots.number(numbers[part] * metric.scale) for part in ("min", "median", "max")
        )
        factor = "" if contender == "ours" else _factor(ours, numbers["median"], less=metric.less)
        rows.append([_name(contender), middle, f"{low} to {high}", str(numbers["runs"]), factor])
    return rows


def _reason(results: dict[str, Any], measure: str, contender: str) -> str:
    if contender in results["not_installed"]:
        return f"cannot be installed: {results['not_installed'][contender]}"
    reason = results["failures"].get(measure, {}).get(contender, "no run")
    return str(reason).replace("|", "/")


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def metric_table(results: dict[str, Any], measure: Measure, metric: Metric) -> str:
    """Return the table of one number."""
    head = ["", f"{metric.unit} (median)", "least to most", "runs", "ours is better by"]
    return _table(head, _rows(results, measure, metric))


def tables(results: dict[str, Any]) -> str:
    """Return the tables of everything that was measured, for the terminal."""
    return "\n\n".join(
        f"{metric.title}\n\n{metric_table(results, measure, metric)}"
        for measure in MEASURES
        if measure.key in results["measures"]
        for metric in measure.metrics
    )


def _verdict(results: dict[str, Any], target: Target) -> list[str] | None:
    measure = next(m for m in MEASURES if m.key == target.measure)
    metric = next(m for m in measure.metrics if m.key == target.metric)
    ours = _median(results, target.measure, "ours", target.metric)
    sign = "<=" if target.at_most else ">="
    wanted = f"{sign} {plots.number(target.factor)}"
    if target.against:
        theirs = _median(results, target.measure, target.against, target.metric)
        wanted += f" x {_name(target.against)}"
    else:
        theirs = 1.0
        wanted += f" {metric.unit}"
    if ours is None or not theirs:
        return [metric.title, wanted, "not measured", "**missed**"]
    ratio = ours / theirs
    reached = ratio <= target.factor if target.at_most else ratio >= target.factor
    got = plots.number(ratio) + (" x" if target.against else f" {metric.unit}")
    return [metric.title, wanted, got, "reached" if reached else "**missed**"]


def targets_table(results: dict[str, Any]) -> str:
    """Return the targets of the design, what was got, and whether that is enough."""
    rows = [
        row
        for target in TARGETS
        if target.measure in results["measures"] and (row := _verdict(results, target))
    ]
    return _table(["measure", "target", "measured", ""], rows)


def _chart(results: dict[str, Any], measure: Measure, metric: Metric) -> str:
    rows = [
        (_name(contender), value * metric.scale)
        for contender in measure.contenders
        if (value := _median(results, measure.key, contender, metric.key)) is not None
    ]
    rows.sort(key=lambda row: row[1], reverse=not metric.less)
    better = "less is better" if metric.less else "more is better"
    return plots.bars(metric.title, f"{metric.unit}, {better}", rows) if rows else ""


def _section(results: dict[str, Any], measure: Measure, folder: Path) -> list[str]:
    parts = []
    for metric in measure.metrics:
        parts += [f"### {metric.title}", metric_table(results, measure, metric)]
        if measure.absent:
            parts.append(measure.absent)
        chart = _chart(results, measure, metric)
        if chart and len(measure.contenders) > 1:
            name = f"{measure.key}-{metric.key}.svg"
            (folder / name).write_text(chart, encoding="utf-8")
            parts.append(f"![{metric.title}](benchmarks/{name})")
    return parts


def _growth(results: dict[str, Any], folder: Path) -> list[str]:
    parts = []
    for kind, (_, _, _, title, x, y) in GROWTH.items():
        series = {_name(k): v for k, v in results["growth"].get(kind, {}).items() if v}
        if not series:
            continue
        name = f"growth-{kind.removeprefix('growth_')}.svg"
        (folder / name).write_text(plots.lines(plots.Axes(title, x, y), series), encoding="utf-8")
        points = sorted({int(point) for line in series.values() for point, _ in line})
        rows = [
            [f"{point:,}"]
            + [plots.number(dict(map(tuple, line)).get(point, 0)) for line in series.values()]
            for point in points
        ]
        rows = [["not measured" if cell == "0" else cell for cell in row] for row in rows]
        head = [x, *(f"{contender}, {y}" for contender in series)]
        parts += [f"### {title}", f"![{title}](benchmarks/{name})", _table(head, rows)]
        parts += [f"{_name(c)} {why}." for c, why in results["failures"].get(kind, {}).items()]
    return parts


def _circumstances(results: dict[str, Any]) -> str:
    machine = results["machine"]
    load = " ".join(f"{value:.1f}" for value in results["load_before"])
    after = " ".join(f"{value:.1f}" for value in results["load_after"])
    versions = ", ".join(
        f"{_name(k)} {v}" for k, v in results["versions"].items() if k != "ours" and "bare" not in k
    )
    return (
        f"- {results['date']}, {results['minutes']} minutes; load average before {load}, "
        f"after {after}\n"
        f"- {machine['processor']}, {machine['processors']} processors, {machine['memory_gb']} GB, "
        f"{machine['system']}, Python {machine['python']}\n"
        f"- ours at commit {results['commit']}\n"
        f"- {versions.replace('loky 3.7 3.7', 'loky 3.7')}"
    )


def write(results: dict[str, Any], docs: Path) -> None:
    """Write `benchmarks.md` and the plots next to it."""
    folder = docs / "benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.svg"):
        old.unlink()
    parts = [HEAD.rstrip(), _circumstances(results), "## Targets", targets_table(results)]
    notes = docs / "benchmarks" / "notes.md"
    if notes.exists():
        parts.append(notes.read_text(encoding="utf-8").strip())
    parts.append("## Every measure")
    for measure in MEASURES:
        if measure.key in results["measures"]:
            parts += _section(results, measure, folder)
    parts += ["## How cost grows", *_growth(results, folder)]
    (docs / "benchmarks.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
