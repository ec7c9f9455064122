"""Small charts as inline SVG: no script, no font, nothing from elsewhere. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

COLOURS = ("#2456a6", "#b3441f", "#2e7d4f", "#7a4fa3", "#8a6d00", "#5b6770")
WIDTH, ROW, LABEL, GAP = 640, 22, 190, 8
HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 240, 64, 34, 12, 12
TICKS = 4


def bars(title: str, rows: Sequence[tuple[str, float]], unit: str, *, limit: float | None = None) -> str:
    """Horizontal bars with their values; `limit` draws a line across them. Empty without rows."""
    if not rows:
        return ""
    most = max([value for _, value in rows] + ([limit] if limit is not None else [])) or 1.0
    room = WIDTH - LABEL - 110
    parts = []
    for place, (label, value) in enumerate(rows):
        y, length = place * ROW, max(value / most * room, 1.0)
        middle = y + ROW - GAP
        parts += [
            f'<text x="{LABEL - GAP}" y="{middle}" text-anchor="end">{escape(label)}</text>',
            f'<rect x="{LABEL}" y="{y + 3}" width="{length:.1f}" height="{ROW - GAP}" fill="{COLOURS[0]}"/>',
            f'<text x="{LABEL + length + GAP:.1f}" y="{middle}">{short(value)} {escape(unit)}</text>',
        ]
    height = len(rows) * ROW
    if limit is not None:
        x = LABEL + limit / most * room
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height}" stroke="{COLOURS[1]}" stroke-dasharray="4 3"/>'
        )
    return _figure(title, height, parts)


def lines(title: str, series: Mapping[str, Sequence[tuple[float, float]]], x_unit: str, y_unit: str) -> str:
    """Lines over one pair of axes from 0, with a legend. Empty without points."""
    points = [point for rows in series.values() for point in rows]
    if not points:
        return ""
    right, top = _round_up(max(x for x, _ in points)), _round_up(max(y for _, y in points))
    room, tall = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    parts = [*_axes(right, top, x_unit, y_unit)]
    for place, (name, rows) in enumerate(series.items()):
        colour = COLOURS[place % len(COLOURS)]
        path = " ".join(
            f"{LEFT + x / right * room:.1f},{TOP + tall - y / top * tall:.1f}" for x, y in thinned(rows)
        )
        dots = [
            f'<circle cx="{one.split(",")[0]}" cy="{one.split(",")[1]}" r="2.5" fill="{colour}"/>'
            for one in (path.split() if len(rows) <= 12 else ())
        ]
        parts += [
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.8"/>',
            *dots,
            f'<text x="{LEFT + 10}" y="{TOP + 14 + place * 16}" style="fill:{colour}">{escape(name)}</text>',
        ]
    return _figure(title, HEIGHT, parts)


def thinned(rows: Sequence[tuple[float, float]], most: int = 200) -> Sequence[tuple[float, float]]:
    """At most some 200 points of a line, the last among them."""
    step = -(-len(rows) // most)
    return rows if step <= 1 else [*rows[::step], rows[-1]]


def _axes(right: float, top: float, x_unit: str, y_unit: str) -> Sequence[str]:
    room, tall = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    parts = []
    for tick in range(TICKS + 1):
        y, x = TOP + tall - tick / TICKS * tall, LEFT + tick / TICKS * room
        parts += [
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#d5dae0"/>',
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{short(top * tick / TICKS)}</text>',
            f'<text x="{x:.1f}" y="{HEIGHT - 16}" text-anchor="middle">{short(right * tick / TICKS)}</text>',
        ]
    return [
        *parts,
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 2}" text-anchor="end">{escape(x_unit)}</text>',
        f'<text x="{WIDTH - RIGHT}" y="{TOP + 10}" text-anchor="end">{escape(y_unit)}</text>',
    ]


def _round_up(value: float) -> float:
    """The next of 1, 2, 2.5, 5 times a power of ten; 1 for nothing."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= value * (1 - 1e-9))


def short(value: float) -> str:
    """A number as a chart tells it: 21.5k, 1.2M, 0.35."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def _figure(title: str, height: int, parts: Sequence[str]) -> str:
    inner = "\n".join(parts)
    return (
        f"<figure><figcaption>{escape(title)}</figcaption>\n"
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title, quote=True)}">\n{inner}\n'
        "</svg></figure>\n"
    )
