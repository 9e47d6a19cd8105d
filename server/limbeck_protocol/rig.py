# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Where a job looks from: an orbit of ranges, or cameras of one's own."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from limbeck_protocol.checks import require

Row3 = tuple[float, float, float]
Row4 = tuple[float, float, float, float]
Range = tuple[float, float]


@dataclass(frozen=True)
class Camera:
    """A pinhole camera.

    Attributes:
        c2w: camera to world, OpenGL axes (x right, y up, looks along -z), rows; the rotation orthonormal within 1e-3.
        K: intrinsics in pixels of a ``width`` x ``height`` image, rows.
        weight: how often it is chosen, relative to the others.
        jitter_deg: it is turned round the rig's centre by up to this much, in azimuth and elevation.
    """

    c2w: tuple[Row4, Row4, Row4, Row4]
    K: tuple[Row3, Row3, Row3]
    width: int
    height: int
    weight: float = 1.0
    jitter_deg: float = 0.0

    def __post_init__(self) -> None:
        numbers = list(itertools.chain(*self.c2w, *self.K))
        require(all(map(math.isfinite, numbers)), "c2w", "finite numbers", "NaN or infinity")
        require(max(map(abs, numbers)) <= 1e6, "c2w", "numbers up to 1e6", max(map(abs, numbers)))
        require(
            _is_rigid(self.c2w), "c2w", "a rotation (orthonormal within 1e-3, right-handed) and a translation", self.c2w
        )
        require(self.K[0][0] > 0 and self.K[1][1] > 0, "K", "positive focal lengths", self.K)
        require(self.K[2] == (0.0, 0.0, 1.0), "K", "a last row of 0, 0, 1", self.K[2])
        require(1 <= self.width <= 16384 and 1 <= self.height <= 16384, "width", "1 to 16384 pixels", self.width)
        require(0.0 < self.weight <= 1e6, "weight", "more than 0, up to 1e6", self.weight)
        require(0.0 <= self.jitter_deg <= 180.0, "jitter_deg", "0 to 180 degrees", self.jitter_deg)


@dataclass(frozen=True)
class Orbit:
    """Cameras drawn uniformly from (low, high) ranges, looking at the rig's centre; None is the recipe's own range."""

    elevation_deg: Range | None = None
    azimuth_deg: Range | None = None
    distance: Range | None = None
    fov_y_deg: Range | None = None

    def __post_init__(self) -> None:
        limits = {
            "elevation_deg": (-90, 90),
            "azimuth_deg": (-360, 720),
            "distance": (1e-3, 1e4),
            "fov_y_deg": (1, 170),
        }
        for name, (lowest, highest) in limits.items():
            low, high = getattr(self, name) or (lowest, highest)
            require(lowest <= low <= high <= highest, name, f"low to high within {lowest} to {highest}", (low, high))


@dataclass(frozen=True)
class CameraRig:
    """Either an orbit or at least one camera.

    Attributes:
        centre: the point to look at, in world units.
        radius: of the ball round the centre in which the object should lie.
    """

    orbit: Orbit | None = None
    cameras: tuple[Camera, ...] = ()
    centre: Row3 = (0.0, 0.0, 0.0)
    radius: float = 1.0

    def __post_init__(self) -> None:
        require((self.orbit is None) == bool(self.cameras), "rig", "an orbit or cameras, one of the two", self)
        is_near = all(abs(x) <= 1e6 for x in self.centre)  # false for NaN
        require(is_near, "centre", "numbers up to 1e6", self.centre)
        require(1e-6 <= self.radius <= 1e6, "radius", "1e-6 to 1e6", self.radius)


def _is_rigid(c2w: tuple[Row4, Row4, Row4, Row4]) -> bool:
    (a, b, c), last_row = (row[:3] for row in c2w[:3]), c2w[3]
    pairs = [(a, a, 1.0), (b, b, 1.0), (c, c, 1.0), (a, b, 0.0), (a, c, 0.0), (b, c, 0.0)]
    is_orthonormal = all(abs(sum(x * y for x, y in zip(u, v, strict=True)) - dot) <= 1e-3 for u, v, dot in pairs)
    cross = (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])
    is_right_handed = sum(x * y for x, y in zip(cross, c, strict=True)) > 0
    return is_orthonormal and is_right_handed and last_row == (0.0, 0.0, 0.0, 1.0)
