# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Inside a windowed Blender: how long frames take, and what of the main thread the extension takes."""

import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import bpy
import job
import screen

MIN_FRAMES = 8


def measure(seconds: float) -> Iterator[None]:
    """Redraw the viewport again and again; return milliseconds between its frames and within the extension's timer."""
    drawn: list[float] = []
    handler = bpy.types.SpaceView3D.draw_handler_add(
        lambda: drawn.append(time.perf_counter()), (), "WINDOW", "POST_PIXEL"
    )
    session = job.session()
    pump, pumped, sizes = session.pump, [], set()
    session.pump = _timed(pump, pumped)
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end or len(drawn) < MIN_FRAMES:
            screen.viewport().tag_redraw()
            sizes.add(job.state()["triangles"])
            yield
    finally:
        session.pump = pump
        bpy.types.SpaceView3D.draw_handler_remove(handler, "WINDOW")
    intervals = [1000 * (after - before) for before, after in itertools.pairwise(drawn)]
    updates = sorted(pumped)[-max(1, int(seconds)) :]
    return {
        "frame_ms": _summary(intervals),
        "pump_ms": _summary(pumped),
        "slowest_pumps_ms": [round(value, 1) for value in updates],
        "triangles": max(sizes),
    }


def _timed(pump: Callable[..., float], pumped: list[float]) -> Callable[..., float]:
    def timed(*arguments: Any) -> float:
        before = time.perf_counter()
        try:
            return pump(*arguments)
        finally:
            pumped.append(1000 * (time.perf_counter() - before))

    return timed


def _summary(values: list[float]) -> dict[str, float]:
    """Return median, 95th percentile, largest and number."""
    ordered = sorted(values)
    return {
        "median": round(statistics.median(ordered), 2),
        "p95": round(ordered[int(0.95 * (len(ordered) - 1))], 2),
        "max": round(ordered[-1], 2),
        "count": len(ordered),
    }
