# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Presets of camera rigs as numbers, and the lines that show a rig in the viewport. Knows no bpy.

Everything is in the core's frame: the asset in the unit ball round the origin, its front facing -Y. Azimuth 0 looks at
the front and grows counter-clockwise seen from above.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Range = tuple[float, float]
PIXELS = 512
FRUSTUM_DEPTH = 0.25
DEGREES_PER_LINE = 5.0


@dataclass(frozen=True)
class Preset:
    """Rings round the asset.

    Attributes:
        count: cameras on each ring.
        rings: how many, spread evenly over the elevations.
        elevation_deg, azimuth_deg: (low, high).
        distance: from the asset's centre, in its radii.
        fov_y_deg: vertical field of view.
    """

    count: int
    rings: int
    elevation_deg: Range
    azimuth_deg: Range
    distance: float
    fov_y_deg: float


def stations(preset: Preset) -> list[tuple[float, float]]:
    """Return (elevation_deg, azimuth_deg) of each camera, ring after ring from below."""
    low, high = preset.azimuth_deg
    is_whole = high - low >= 360.0 - 1e-6
    azimuths = (
        low + (high - low) * np.arange(preset.count) / preset.count if is_whole else spread(low, high, preset.count)
    )
    return [(float(e), float(a)) for e in spread(*preset.elevation_deg, preset.rings) for a in azimuths]


def spread(low: float, high: float, count: int) -> Array:
    """Return numbers evenly from low to high; one alone is in the middle."""
    return np.linspace(low, high, count) if count > 1 else np.array([(low + high) / 2])


def look_at_c2w(elevation_deg: float, azimuth_deg: float, distance: float) -> Array:
    """Return a camera that looks at the origin with z up; straight above or below, +Y (from above) is up."""
    elevation, azimuth = np.radians(elevation_deg), np.radians(azimuth_deg)
    backward = np.array([np.cos(elevation) * np.sin(azimuth), -np.cos(elevation) * np.cos(azimuth), np.sin(elevation)])
    up = np.array([0.0, 1.0, 0.0]) if abs(backward[2]) > 1 - 1e-6 else np.array([0.0, 0.0, 1.0])
    right = np.cross(up, backward)
    right /= np.linalg.norm(right)
    c2w = np.eye(4)
    c2w[:3, :3] = np.stack([right, np.cross(backward, right), backward], 1)
    c2w[:3, 3] = distance * backward
    return c2w


def square_K(fov_y_deg: float) -> Array:
    """Return K of a square picture of ``PIXELS``."""
    focal = PIXELS / 2 / np.tan(np.radians(fov_y_deg) / 2)
    return np.array([[focal, 0.0, PIXELS / 2], [0.0, focal, PIXELS / 2], [0.0, 0.0, 1.0]])


def ring_lines(preset: Preset) -> Array:
    """Return the rings' arcs as segments [N,2,3]."""
    low, high = preset.azimuth_deg
    count = max(2, int(np.ceil((high - low) / DEGREES_PER_LINE)) + 1)
    azimuth = np.radians(np.linspace(low, high, count))
    arcs = []
    for elevation_deg in spread(*preset.elevation_deg, preset.rings):
        level = np.cos(np.radians(elevation_deg)) * preset.distance
        height = np.full(count, np.sin(np.radians(elevation_deg)) * preset.distance)
        points = np.stack([level * np.sin(azimuth), -level * np.cos(azimuth), height], 1)
        arcs.append(np.stack([points[:-1], points[1:]], 1))
    return np.concatenate(arcs)


def frustum_lines(c2ws: Sequence[Array], half_tangents: Sequence[tuple[float, float]]) -> Array:
    """Return small pyramids for cameras as segments [N,2,3]: eight lines each, and two for a roof that says up.

    Args:
        c2ws: of the cameras.
        half_tangents: of half their horizontal and vertical fields of view.
    """
    lines = [_frustum(c2w, *tangents) for c2w, tangents in zip(c2ws, half_tangents, strict=True)]
    return np.concatenate(lines) if lines else np.zeros((0, 2, 3))


def _frustum(c2w: Array, x: float, y: float) -> Array:
    depth = FRUSTUM_DEPTH
    corners = np.array([(-x, -y, -1), (x, -y, -1), (x, y, -1), (-x, y, -1)]) * depth
    roof = np.array([0.0, 1.5 * y, -1.0]) * depth
    eye = np.zeros(3)
    pairs = [(eye, corner) for corner in corners]
    pairs += [(corners[i], corners[(i + 1) % 4]) for i in range(4)]
    pairs += [(corners[2], roof), (roof, corners[3])]
    return np.array(pairs) @ c2w[:3, :3].T + c2w[:3, 3]


def moved(lines: Array, matrix: object) -> npt.NDArray[np.float32]:
    """Return segments [N,2,3] under a [4,4] matrix, ready to be drawn."""
    M = np.array(matrix, np.float64)
    return (lines @ M[:3, :3].T + M[:3, 3]).astype(np.float32)
