# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The exact shape of a toy: what is inside it, points on its surface, and how far a point is from it.

Nothing is tessellated: membership and surface points follow from the unit solids' own formulas.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64
from numpy import ndarray
from scipy.spatial import KDTree

from limbeck.playset.solids import Kind, Solids

MOST_BATCHES = 40
"""Batches of twice as many points as asked for: enough where an 80th of all solids' surface shows; of toys far more."""


@dataclass(frozen=True)
class SurfacePoints:
    """Points spread evenly by area over a surface.

    Attributes:
        points: world positions.
        normals: outward unit normals.
        colors: sRGB in 0 to 1 of the solid each lies on, without its pattern.
    """

    points: Float64[ndarray, "points 3"]
    normals: Float64[ndarray, "points 3"]
    colors: Float64[ndarray, "points 3"]


def contains(solids: Solids, points: Float64[ndarray, "points 3"]) -> Bool[ndarray, " points"]:
    """Return which points lie inside the union (its surface included)."""
    inside = np.zeros(len(points), bool)
    for index in range(len(solids.kinds)):
        inside |= _level(solids, index, points) <= 0
    return inside


def surface_points(solids: Solids, count: int, generator: np.random.Generator) -> SurfacePoints:
    """Draw ``count`` points from the union's surface, uniformly by area.

    Each solid is sampled by its own area, and points inside another solid are thrown away.

    Raises:
        ValueError: if nearly all of the surface is hidden, which no toy's is.
    """
    kept: list[SurfacePoints] = []
    found = 0
    for _ in range(MOST_BATCHES):
        batch = _visible(solids, _draw(solids, 2 * count, generator))
        kept.append(batch)
        found += len(batch.points)
        if found >= count:
            points, normals, colors = (
                np.concatenate([getattr(part, name) for part in kept])[:count]
                for name in ("points", "normals", "colors")
            )
            return SurfacePoints(points, normals, colors)
    raise ValueError(f"expected a surface that shows, found {found} of {count} points")


def signed_distance(
    solids: Solids, points: Float64[ndarray, "points 3"], *, samples: int = 200_000, seed: int = 0
) -> Float64[ndarray, " points"]:
    """Return the distance to the surface, negative inside.

    The sign is exact; the distance is to the nearest of ``samples`` surface points, so too large by about their
    spacing (0.005 for toys in the unit ball).
    """
    surface = surface_points(solids, samples, np.random.default_rng(seed)).points
    distance, _ = KDTree(surface).query(points)
    return np.where(contains(solids, points), -distance, distance)


def _level(solids: Solids, index: int, points: ndarray) -> ndarray:
    """Return a function that is negative inside one solid, 0 on its surface (not a distance)."""
    unit = np.linalg.solve(solids.linear[index], (points - solids.center[index]).T).T
    match Kind(solids.kinds[index]):
        case Kind.ELLIPSOID:
            return np.linalg.norm(unit, axis=1) - 1
        case Kind.BOX:
            return np.abs(unit).max(1) - 1
        case Kind.CONE:
            taper = solids.taper[index]
            radius = (1 + taper) / 2 + unit[:, 2] * (taper - 1) / 2
            return np.maximum(np.linalg.norm(unit[:, :2], axis=1) - radius, np.abs(unit[:, 2]) - 1)


def _visible(solids: Solids, drawn: tuple[SurfacePoints, ndarray]) -> SurfacePoints:
    """Keep the points that lie inside no other solid."""
    surface, owner = drawn
    hidden = np.zeros(len(owner), bool)
    for index in range(len(solids.kinds)):
        hidden |= (owner != index) & (_level(solids, index, surface.points) < 0)
    return SurfacePoints(surface.points[~hidden], surface.normals[~hidden], surface.colors[~hidden])


def _draw(solids: Solids, count: int, generator: np.random.Generator) -> tuple[SurfacePoints, ndarray]:
    """Draw points from all solids' surfaces by area, with the index of the solid each lies on."""
    patches = [_unit_patches(solids, index) for index in range(len(solids.kinds))]
    owners = np.repeat(np.arange(len(patches)), [len(patch.areas) for patch in patches])
    areas = np.concatenate([patch.areas for patch in patches])
    chosen = generator.choice(len(areas), size=count, p=areas / areas.sum())
    first = np.concatenate([[0], np.cumsum([len(patch.areas) for patch in patches])])
    owner = owners[chosen]
    points, normals = np.empty((count, 3)), np.empty((count, 3))
    for index, patch in enumerate(patches):
        mine = np.flatnonzero(owner == index)
        unit, normal = patch.draw(chosen[mine] - first[index], generator)
        points[mine] = unit @ solids.linear[index].T + solids.center[index]
        outward = np.linalg.solve(solids.linear[index].T, normal.T).T
        normals[mine] = outward / np.linalg.norm(outward, axis=1, keepdims=True)
    return SurfacePoints(points, normals, solids.color[owner]), owner


@dataclass(frozen=True)
class _Patches:
    """A unit solid's surface cut into small cells of two parameters, with each cell's area in the world."""

    kind: Kind
    taper: float
    low: Float64[ndarray, "cells 3"]
    """Part of the surface (box face, cone side 0 and caps 1 and 2), and the cell's lower corner in its parameters."""
    step: tuple[float, float]
    areas: Float64[ndarray, " cells"]

    def draw(self, cells: ndarray, generator: np.random.Generator) -> tuple[ndarray, ndarray]:
        """Return unit-solid points and normals, one in each of the cells."""
        low = self.low[cells]
        u = low[:, 1] + generator.random(len(cells)) * self.step[0]
        v = low[:, 2] + generator.random(len(cells)) * self.step[1]
        return _chart(self.kind, self.taper, low[:, 0].astype(int), u, v)


CELLS = 24
"""Cells per parameter of a chart: the density of points is taken as constant within a cell."""


def _unit_patches(solids: Solids, index: int) -> _Patches:
    kind, taper = Kind(solids.kinds[index]), float(solids.taper[index])
    parts = {Kind.ELLIPSOID: 1, Kind.BOX: 6, Kind.CONE: 3}[kind]
    step = (1 / CELLS, 1 / CELLS)
    grid = np.stack(np.meshgrid(np.arange(parts), *[np.arange(CELLS) / CELLS] * 2, indexing="ij"), -1).reshape(-1, 3)
    corners = [
        _chart(kind, taper, grid[:, 0].astype(int), grid[:, 1] + du * step[0], grid[:, 2] + dv * step[1])[0]
        @ solids.linear[index].T
        for du, dv in ((0, 0), (1, 0), (1, 1), (0, 1))
    ]
    areas = np.linalg.norm(np.cross(corners[2] - corners[0], corners[3] - corners[1]), axis=1) / 2
    return _Patches(kind, taper, grid, step, areas)


def _chart(kind: Kind, taper: float, part: ndarray, u: ndarray, v: ndarray) -> tuple[ndarray, ndarray]:
    """Map parameters in 0 to 1 to points of a unit solid's surface and its outward normals there."""
    around = 2 * np.pi * u
    if kind == Kind.ELLIPSOID:
        z = 2 * v - 1
        flat = np.sqrt(np.maximum(1 - z * z, 0))
        points = np.stack([flat * np.cos(around), flat * np.sin(around), z], 1)
        return points, points
    if kind == Kind.BOX:
        axis, side = part % 3, np.where(part < 3, 1.0, -1.0)
        points = np.empty((len(u), 3))
        rows = np.arange(len(u))
        points[rows, axis], points[rows, (axis + 1) % 3], points[rows, (axis + 2) % 3] = side, 2 * u - 1, 2 * v - 1
        normals = np.zeros_like(points)
        normals[rows, axis] = side
        return points, normals
    return _cone_chart(taper, part, around, v)


def _cone_chart(taper: float, part: ndarray, around: ndarray, v: ndarray) -> tuple[ndarray, ndarray]:
    """The cone's side (part 0), its lower cap (1) of radius 1 and its upper cap (2) of radius ``taper``."""
    is_side, is_low = part == 0, part == 1
    z = np.where(is_side, 2 * v - 1, np.where(is_low, -1.0, 1.0))
    side_radius = (1 + taper) / 2 + z * (taper - 1) / 2
    radius = np.where(is_side, side_radius, v * np.where(is_low, 1.0, taper))
    points = np.stack([radius * np.cos(around), radius * np.sin(around), z], 1)
    slope = np.stack([np.cos(around), np.sin(around), np.full_like(v, (1 - taper) / 2)], 1)
    caps = np.zeros_like(points)
    caps[:, 2] = z
    return points, np.where(is_side[:, None], slope / np.linalg.norm(slope, axis=1, keepdims=True), caps)
