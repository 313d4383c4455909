"""Line charts as SVG, drawn for a page that is read on a phone and printed: lines differ in colour and in dashes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from .structures import PALETTE, Color

WIDTH, HEIGHT = 460, 260
LEFT, RIGHT, TOP, BOTTOM = 64, 12, 12, 40
DASHES = ("", "7 3", "2 3", "9 3 2 3", "4 2")
LINE_HEIGHT = 17


@dataclass(frozen=True)
class Line:
    """Points from left to right.

    Attributes:
        name: in the legend.
        points: x and y; those that are not finite are left out.
        color: one of the palette if None.
        marked: each point has a dot.
        dashed: always with the same dashes, thin: a reference.
    """

    name: str
    points: Sequence[tuple[float, float]]
    color: Color | None = None
    marked: bool = False
    reference: bool = False


def chart(
    lines: Sequence[Line], x_name: str, y_name: str, y_range: tuple[float, float] | None = None, title: str = ""
) -> str:
    """An ``<svg>`` with axes, ticks and a legend.

    Args:
        lines: at least one of them with a point; else nothing is drawn and the text is empty.
        x_name: of the axis, with its unit.
        y_name: likewise.
        y_range: of the y axis; None: what the points need.
        title: what a screen reader says.
    """
    lines = [_finite(line) for line in lines]
    points = [point for line in lines for point in line.points]
    if not points:
        return ""
    x_ticks = _ticks(min(x for x, _ in points), max(x for x, _ in points))
    y_ticks = _ticks(*(y_range or (min(y for _, y in points), max(y for _, y in points))))
    named = [line for line in lines if line.name]
    height = HEIGHT + LINE_HEIGHT * len(named)
    frame = _Frame((x_ticks[0], x_ticks[-1]), (y_ticks[0], y_ticks[-1]))
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title or f"{y_name} over {x_name}")}">',
        *(_x_tick(frame, x) for x in x_ticks),
        *(_y_tick(frame, y) for y in y_ticks),
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x_name)}</text>',
        f'<text transform="translate(12 {(TOP + HEIGHT - BOTTOM) / 2:.0f}) rotate(-90)" text-anchor="middle">'
        f"{escape(y_name)}</text>",
    ]
    for n, line in enumerate(lines):
        parts.append(_line(frame, line, n))
    for row, line in enumerate(named):
        parts.append(_legend(line, lines.index(line), HEIGHT + LINE_HEIGHT * row + 8))
    return "".join([*parts, "</svg>"])


@dataclass(frozen=True)
class _Frame:
    x: tuple[float, float]
    y: tuple[float, float]

    def at(self, point: tuple[float, float]) -> tuple[float, float]:
        along, up = ((v - low) / (high - low) for v, (low, high) in zip(point, (self.x, self.y), strict=True))
        return LEFT + along * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)


def _finite(line: Line) -> Line:
    kept = [point for point in line.points if all(map(math.isfinite, point))]
    return Line(line.name, kept, line.color, line.marked, line.reference)


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers, 3 to 7 of them, that reach from ``low`` or below to ``high`` or above."""
    if high <= low:
        low, high = low - 0.5, high + 0.5
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-6), math.ceil(high / step - 1e-6)
    return [n * step for n in range(first, last + 1)]


def _x_tick(frame: _Frame, x: float) -> str:
    at, bottom = frame.at((x, frame.y[0]))
    return (
        f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{bottom:.1f}"/>'
        f'<text x="{at:.1f}" y="{bottom + 15:.1f}" text-anchor="middle">{x:g}</text>'
    )


def _y_tick(frame: _Frame, y: float) -> str:
    _, at = frame.at((frame.x[0], y))
    return (
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
        f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{y:.4g}</text>'
    )


def _line(frame: _Frame, line: Line, n: int) -> str:
    places = [frame.at(point) for point in line.points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    drawn = f'<polyline points="{path}" {_stroke(line, n)}/>'
    if line.marked or len(places) == 1:
        drawn += "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{_color(line, n)}"/>' for x, y in places)
    return drawn


def _legend(line: Line, n: int, y: int) -> str:
    return (
        f'<line x1="{LEFT}" x2="{LEFT + 34}" y1="{y}" y2="{y}" {_stroke(line, n)}/>'
        f'<text x="{LEFT + 42}" y="{y + 4}">{escape(line.name)}</text>'
    )


def _stroke(line: Line, n: int) -> str:
    if line.reference:
        return 'fill="none" stroke="#888" stroke-width="1" stroke-dasharray="3 3"'
    dashes = DASHES[n % len(DASHES)]
    return f'fill="none" stroke="{_color(line, n)}" stroke-width="2"' + (
        f' stroke-dasharray="{dashes}"' if dashes else ""
    )


def _color(line: Line, n: int) -> str:
    return "#{:02x}{:02x}{:02x}".format(*(line.color or PALETTE[n % len(PALETTE)]))
