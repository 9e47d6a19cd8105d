# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Plots as inline SVG: means with their intervals, and lines over steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from limbeck.lab.statistics import Figure

WIDTH, LABEL_WIDTH, LINE_HEIGHT, PLOT_HEIGHT, EDGE = 560, 150, 22, 200, 26
COLORS = ("#1b6ca8", "#d1495b", "#2e8b57", "#8a5fbf", "#c77d0a", "#4a4a4a", "#0d9f9f", "#b0457a")
Point = tuple[float, float]


def interval_plot(title: str, figures: Mapping[str, Figure]) -> str:
    """Return a dot and its interval per arm, one below the other, on one axis that begins at 0 or below."""
    ends = [0.0] + [value for one in figures.values() for value in (one.mean, one.low, one.high) if value is not None]
    low, high = min(ends), max(ends)
    high = high if high > low else low + 1.0
    height = EDGE + LINE_HEIGHT * len(figures) + EDGE

    def x(value: float) -> float:
        return LABEL_WIDTH + (WIDTH - LABEL_WIDTH - EDGE) * (value - low) / (high - low)

    parts = [_text(0, 14, title, weight="bold"), _rule(x(0.0), EDGE, x(0.0), height - EDGE)]
    for index, (arm, one) in enumerate(figures.items()):
        y = EDGE + LINE_HEIGHT * (index + 0.5)
        parts.append(_text(LABEL_WIDTH - 8, y + 4, arm, anchor="end"))
        if one.low is not None and one.high is not None:
            parts.append(_rule(x(one.low), y, x(one.high), y, color=COLORS[0], width=2))
        parts.append(f'<circle cx="{x(one.mean):.1f}" cy="{y:.1f}" r="4" fill="{COLORS[0]}"/>')
    parts += [_text(x(end), height - 8, f"{end:.3g}", anchor="middle") for end in (low, high)]
    return _svg(height, parts)


def line_plot(title: str, lines: Mapping[str, Sequence[Point]]) -> str:
    """Return lines over steps, each with its name in its colour below."""
    points = [point for line in lines.values() for point in line]
    right, top = max(p[0] for p in points), max(1e-9, *(p[1] for p in points))
    bottom = EDGE + PLOT_HEIGHT
    height = bottom + EDGE + LINE_HEIGHT * len(lines)

    def place(point: Point) -> str:
        x = LABEL_WIDTH / 3 + (WIDTH - LABEL_WIDTH / 3 - EDGE) * point[0] / right
        return f"{x:.1f},{bottom - PLOT_HEIGHT * point[1] / top:.1f}"

    left = LABEL_WIDTH / 3
    parts = [_text(0, 14, title, weight="bold"), _rule(left, bottom, WIDTH - EDGE, bottom)]
    parts += [_rule(left, EDGE, left, bottom), _text(left - 4, EDGE + 4, f"{top:.2g}", anchor="end")]
    parts += [_text(left, bottom + 16, "step 0"), _text(WIDTH - EDGE, bottom + 16, f"{right:g}", anchor="end")]
    for index, (arm, line) in enumerate(lines.items()):
        color, y = COLORS[index % len(COLORS)], bottom + EDGE + LINE_HEIGHT * (index + 0.6)
        dashes = "" if index < len(COLORS) else ' stroke-dasharray="5 3"'
        path = " ".join(place(point) for point in line)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"{dashes}/>')
        parts += [_rule(left, y - 4, left + 30, y - 4, color=color, width=3), _text(left + 38, y, arm)]
    return _svg(int(height), parts)


def _svg(height: int, parts: Sequence[str]) -> str:
    size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">{"".join(parts)}</svg>'
    )


def _text(x: float, y: float, text: str, *, anchor: str = "start", weight: str = "normal") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}">{escape(text)}</text>'


def _rule(x1: float, y1: float, x2: float, y2: float, *, color: str = "#999", width: int = 1) -> str:
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="{color}" stroke-width="{width}"/>'
