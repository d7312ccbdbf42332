"""Bar charts and log-log lines as SVG, by hand: no library, and small diffs."""

from __future__ import annotations

import math
from typing import NamedTuple
from xml.sax.saxutils import escape

OURS, OTHER, BARE, INK, GRID = "#0b6e4f", "#9aa5b1", "#d9a441", "#1f2933", "#e4e7eb"
COLORS = (OURS, "#c8553d", "#3d6fc8", "#8a4fb0")
FONT = 'font-family="sans-serif" font-size="12"'


class Axes(NamedTuple):
    """The title of a line plot and what stands on its axes."""

    title: str
    x: str
    y: str


def number(value: float) -> str:
    """Write a number with three digits that count."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _page(width: int, height: int, parts: list[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" {FONT} fill="{INK}">'
    )
    return "\n".join(
        [head, f'<rect width="{width}" height="{height}" fill="white"/>', *parts, "</svg>\n"]
    )


def bars(title: str, note: str, rows: list[tuple[str, float]]) -> str:
    """Draw horizontal bars from zero, ours in colour, each with its value.

    Args:
        title: what is shown.
        note: the unit, and which direction is better.
        rows: name and value, from top to bottom.
    """
    left, width, step = 130, 640, 24
    most = max(value for _, value in rows) or 1.0
    parts = [
        f'<text x="10" y="20" font-size="14" font-weight="bold">{escape(title)}</text>',
        f'<text x="10" y="38" fill="#52606d">{escape(note)}</text>',
    ]
    for index, (name, value) in enumerate(rows):
        y = 50 + index * step
        length = (width - left - 110) * value / most + 1
        color = OURS if name.startswith("ours") else BARE if name.startswith("bare") else OTHER
        parts += [
            f'<text x="{left - 8}" y="{y + 13}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{left}" y="{y}" width="{length:.1f}" height="17" fill="{color}"/>',
            f'<text x="{left + length + 6:.1f}" y="{y + 13}">{number(value)}</text>',
        ]
    return _page(width, 60 + len(rows) * step, parts)


def _ticks(low: float, high: float) -> list[int]:
    return list(range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1))


def lines(axes: Axes, series: dict[str, list[list[float]]]) -> str:
    """Draw lines over two logarithmic axes; points at or below zero are left out."""
    width, height, left, top, right, bottom = 640, 360, 80, 40, 90, 50
    kept = {n: [(x, y) for x, y in p if x > 0 and y > 0] for n, p in series.items()}
    kept = {name: points for name, points in kept.items() if points}
    flat = [point for points in kept.values() for point in points]
    xs, ys = _ticks(*_span([x for x, _ in flat])), _ticks(*_span([y for _, y in flat]))

    def place(x: float, y: float) -> tuple[float, float]:
        across = (math.log10(x) - xs[0]) / max(1, xs[-1] - xs[0])
        up = (math.log10(y) - ys[0]) / max(1, ys[-1] - ys[0])
        return left + across * (width - left - right), height - bottom - up * (
            height - top - bottom
        )

    parts = [f'<text x="10" y="20" font-size="14" font-weight="bold">{escape(axes.title)}</text>']
    for tick in xs:
        x, _ = place(10.0**tick, 10.0 ** ys[0])
        parts += _line(x, top, x, height - bottom)
        parts.append(
            f'<text x="{x:.1f}" y="{height - 32}" text-anchor="middle">{_power(tick)}</text>'
        )
    for tick in ys:
        _, y = place(10.0 ** xs[0], 10.0**tick)
        parts += _line(left, y, width - right, y)
        parts.append(
            f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{_power(tick)}</text>'
        )
    middle = (left + width - right) / 2
    parts += [
        f'<text x="{middle:.0f}" y="{height - 10}" text-anchor="middle">{escape(axes.x)}</text>',
        f'<text x="10" y="36" fill="#52606d">{escape(axes.y)}</text>',
    ]
    for (name, points), color in zip(kept.items(), COLORS, strict=False):
        parts += _curve(name, [place(x, y) for x, y in points], color)
    return _page(width, height, parts)


def _span(values: list[float]) -> tuple[float, float]:
    return min(values), max(*values, min(values) * 1.01)


def _line(x1: float, y1: float, x2: float, y2: float) -> list[str]:
    return [f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="{GRID}"/>']


def _power(tick: int) -> str:
    return number(10.0**tick) if -3 <= tick <= 4 else f"1e{tick}"


def _curve(name: str, places: list[tuple[float, float]], color: str) -> list[str]:
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    x, y = places[-1]
    return [
        f'<path d="M{path}" fill="none" stroke="{color}" stroke-width="2"/>',
        *(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}"/>' for x, y in places),
        f'<text x="{x + 7:.1f}" y="{y + 4:.1f}" fill="{color}">{escape(name)}</text>',
    ]
