# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The solids that toys are made of: ellipsoids, boxes and capped cones, each an affine image of a unit solid."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from jaxtyping import Bool, Float64, Int32
from numpy import ndarray

from limbeck.playset.palette import CHALK, INK, Rgb

Vector = Sequence[float] | ndarray


class Kind(IntEnum):
    """The unit solids: the unit ball, the cube [-1, 1]^3, and the cone of radius 1 at z = -1 and ``taper`` at z = 1."""

    ELLIPSOID = 0
    BOX = 1
    CONE = 2


@dataclass(frozen=True)
class Solids:
    """A union of solids.

    Attributes:
        kinds: which unit solid each one is (``Kind``).
        linear, center: unit to world: x = linear u + center.
        taper: the cone's radius at its upper end, 0 to 1.
        color: sRGB in 0 to 1.
        is_main: whether it wears the toy's pattern.
    """

    kinds: Int32[ndarray, " solids"]
    linear: Float64[ndarray, "solids 3 3"]
    center: Float64[ndarray, "solids 3"]
    taper: Float64[ndarray, " solids"]
    color: Float64[ndarray, "solids 3"]
    is_main: Bool[ndarray, " solids"]

    def transformed(self, linear: Float64[ndarray, "3 3"], shift: Float64[ndarray, "3"]) -> Solids:
        """Return the image of the union under x -> linear x + shift."""
        return Solids(
            self.kinds, linear @ self.linear, self.center @ linear.T + shift, self.taper, self.color, self.is_main
        )

    def half_extents(self) -> Float64[ndarray, "solids 3"]:
        """Return each solid's extent from its centre along the world's axes (for cones an upper bound)."""
        rows = np.abs(self.linear)
        ball = np.linalg.norm(self.linear, axis=2)
        cone = np.linalg.norm(self.linear[:, :, :2], axis=2) + rows[:, :, 2]
        return np.where(
            (self.kinds == Kind.ELLIPSOID)[:, None],
            ball,
            np.where((self.kinds == Kind.BOX)[:, None], rows.sum(2), cone),
        )


@dataclass
class Sculptor:
    """Collects solids while a toy is built. World: front at -Y, right of the viewer in front at +X, up at +Z.

    ``main`` is the toy's own colour; solids of that very colour object wear the pattern.
    """

    main: Rgb
    _parts: list[tuple[Kind, ndarray, ndarray, float, Rgb]] = field(default_factory=list)

    def ball(self, center: Vector, radii: Vector | float, color: Rgb, turn: ndarray | None = None) -> None:
        """Add an ellipsoid; ``turn`` rotates it about its centre."""
        scale = np.diag(np.broadcast_to(np.asarray(radii, float), (3,)))
        self._add(Kind.ELLIPSOID, scale if turn is None else turn @ scale, center, color)

    def box(self, center: Vector, half: Vector, color: Rgb, turn: ndarray | None = None) -> None:
        """Add a box of the given half sizes."""
        scale = np.diag(np.asarray(half, float))
        self._add(Kind.BOX, scale if turn is None else turn @ scale, center, color)

    def cone(self, start: Vector, end: Vector, radius_start: float, radius_end: float, color: Rgb) -> None:
        """Add a capped cone (or cylinder) between two points."""
        start, end = np.asarray(start, float), np.asarray(end, float)
        if radius_start < radius_end:
            start, end, radius_start, radius_end = end, start, radius_end, radius_start
        axis = end - start
        scale = np.diag(np.array([radius_start, radius_start, float(np.linalg.norm(axis)) / 2]))
        self._add(Kind.CONE, _turn_z_to(axis) @ scale, (start + end) / 2, color, radius_end / radius_start)

    def tube(self, points: Sequence[Vector], radius: float, color: Rgb) -> None:
        """Add a bent tube: cylinders along the points, with balls at the joints."""
        for start, end in itertools.pairwise(points):
            self.cone(start, end, radius, radius, color)
        for point in points[1:-1]:
            self.ball(point, radius, color)

    def eyes(self, center: Vector, radius: float, white: Rgb = CHALK) -> None:
        """Add a pair of eyes with pupils at (+-x, y, z)."""
        x, y, z = center
        for side in (-1, 1):
            self.ball((side * x, y, z), (radius, radius * 0.6, radius), white)
            self.ball((side * x, y - radius * 0.42, z), (radius * 0.58, radius * 0.4, radius * 0.58), INK)

    def solids(self) -> Solids:
        """Return what was collected."""
        kinds, linear, center, taper, color = zip(*self._parts, strict=True)
        return Solids(
            np.array(kinds, np.int32),
            np.array(linear),
            np.array(center),
            np.array(taper, float),
            np.array(color, float),
            np.array([part is self.main for part in color]),
        )

    def _add(self, kind: Kind, linear: ndarray, center: Vector, color: Rgb, taper: float = 0.0) -> None:
        self._parts.append((kind, np.asarray(linear, float), np.asarray(center, float), taper, color))


def arc(
    center: Vector, right: Vector, up: Vector, radius: float, angles: tuple[float, float], count: int
) -> list[ndarray]:
    """Return ``count`` + 1 points of a circle's arc in the plane of two unit vectors, angles in radians."""
    middle, u, v = (np.asarray(vector, float) for vector in (center, right, up))
    return [middle + radius * (math.cos(a) * u + math.sin(a) * v) for a in np.linspace(*angles, count + 1)]


def turn_x(angle: float) -> ndarray:
    """Return the rotation about +X by an angle in radians."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])


def turn_y(angle: float) -> ndarray:
    """Return the rotation about +Y by an angle in radians."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


def turn_z(angle: float) -> ndarray:
    """Return the rotation about +Z by an angle in radians."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def _turn_z_to(direction: ndarray) -> ndarray:
    """Return a rotation whose third column is the direction."""
    w = direction / np.linalg.norm(direction)
    other = np.array([1.0, 0.0, 0.0]) if abs(w[0]) < 0.9 else np.array([0.0, 1.0, 0.0])
    u = np.cross(other, w)
    u /= np.linalg.norm(u)
    return np.stack([u, np.cross(w, u), w], 1)
