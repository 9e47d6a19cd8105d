# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""How near a mesh is to the true toy: Chamfer distance and IoU, after the best rotation about the vertical.

Both are fitted into one ball first (bounding box centred, farthest point at ``RADIUS``), as the playset fits its toys:
a prompt does not say how large a thing is. It leaves proportions open as well, so that another toy of the same words is
not at zero; docs/lab.md says how far such toys are apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from jaxtyping import Bool, Float, Int
from numba import njit
from numpy import ndarray
from scipy.spatial import KDTree

from limbeck.assets.mesh import Mesh, face_area_vectors
from limbeck.playset.geometry import contains, surface_points
from limbeck.playset.solids import Solids
from limbeck.playset.things import RADIUS

POINTS = 4000
FITTING_POINTS = 40_000
"""Of the true surface, to find its box and its farthest point."""
ANGLE_STEP_DEG = 5.0
GRID = 48
"""Cells per side of the grid on which insides are compared: 0.04 wide, half of a thin part of a toy."""
COLUMN_SHIFT = (0.31830989e-3, 0.57721566e-3)
"""Of the grid's columns, in world units, so that none goes through the edge of a face."""


@dataclass(frozen=True)
class GeometryFigures:
    """How near a mesh is to the truth.

    Attributes:
        chamfer: mean distance to the nearest point of the other surface, averaged over both directions; the ball's
            radius is 0.98.
        iou: volume of both over volume of either, 0 to 1.
        rotation_deg: by which the toy was turned about the vertical, counter-clockwise seen from above.
    """

    chamfer: float
    iou: float
    rotation_deg: float


def compare_geometry(mesh: Mesh, solids: Solids, *, points: int = POINTS, grid: int = GRID) -> GeometryFigures:
    """Compare a mesh that is not empty with the true toy; the same inputs give the same figures.

    The rotation is the one, of 72, with the smallest Chamfer distance; it decides the IoU, too.
    """
    vertices = _fit_of(mesh.vertices)(mesh.vertices.astype(np.float64))
    surface = surface_points(solids, FITTING_POINTS, np.random.default_rng(0)).points
    fit = _fit_of(surface)
    ours, truth = _spread_points(vertices, mesh.faces, points), fit(surface[:points])
    angles = np.arange(0.0, 360.0, ANGLE_STEP_DEG)
    trees = KDTree(ours), KDTree(truth)
    distances = [_chamfer(ours, truth, trees, angle) for angle in angles]
    best = float(angles[int(np.argmin(distances))])
    cells = _cells(grid)
    within = contains(solids, fit.undone(_turned(cells, -best))).reshape((grid,) * 3)
    iou = _iou(solid_cells(vertices, mesh.faces, grid), within)
    return GeometryFigures(round(min(distances), 5), round(iou, 5), best if best <= 180 else best - 360)


@dataclass(frozen=True)
class Fit:
    """Moves a shape's box to the origin and scales its farthest point to ``RADIUS``."""

    centre: Float[ndarray, "3"]
    scale: float

    def __call__(self, points: Float[ndarray, "points 3"]) -> Float[ndarray, "points 3"]:
        """Return points of the shape, fitted."""
        return (points - self.centre) * self.scale

    def undone(self, points: Float[ndarray, "points 3"]) -> Float[ndarray, "points 3"]:
        """Return where fitted points are on the shape as it was."""
        return points / self.scale + self.centre


def _fit_of(points: Float[ndarray, "points 3"]) -> Fit:
    centre = (points.min(0) + points.max(0)).astype(np.float64) / 2
    return Fit(centre, RADIUS / max(float(np.linalg.norm(points - centre, axis=1).max()), 1e-9))


def _spread_points(
    vertices: Float[ndarray, "vertices 3"], faces: Int[ndarray, "faces 3"], count: int
) -> Float[ndarray, "count 3"]:
    """Return points spread over the surface uniformly by area."""
    generator = np.random.default_rng(0)
    areas = np.linalg.norm(face_area_vectors(vertices, faces), axis=1)
    corners = vertices[faces[generator.choice(len(faces), size=count, p=areas / areas.sum())]]
    one, other = np.sqrt(generator.random(count)), generator.random(count)
    return np.einsum("nk,nkc->nc", np.stack([1 - one, one * (1 - other), one * other], 1), corners)


def _turned(points: Float[ndarray, "points 3"], angle_deg: float) -> Float[ndarray, "points 3"]:
    """Return points turned about the vertical, counter-clockwise seen from above."""
    cosine, sine = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    return points @ np.array([[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]])


def _chamfer(ours: ndarray, truth: ndarray, trees: tuple[KDTree, KDTree], angle_deg: float) -> float:
    """Return the distance to the truth turned by an angle; turning our points back instead spares a new tree."""
    there, _ = trees[1].query(_turned(ours, -angle_deg))
    back, _ = trees[0].query(_turned(truth, angle_deg))
    return float((there.mean() + back.mean()) / 2)


def _cells(grid: int) -> Float[ndarray, "cells 3"]:
    centres = (np.arange(grid) + 0.5) * (2 / grid) - 1
    x, y, z = np.meshgrid(centres + COLUMN_SHIFT[0], centres + COLUMN_SHIFT[1], centres, indexing="ij")
    return np.stack([x, y, z], -1).reshape(-1, 3)


def _iou(ours: Bool[ndarray, "grid grid grid"], truth: Bool[ndarray, "grid grid grid"]) -> float:
    either = int((ours | truth).sum())
    return float((ours & truth).sum()) / either if either else 0.0


def solid_cells(
    vertices: Float[ndarray, "vertices 3"], faces: Int[ndarray, "faces 3"], grid: int
) -> Bool[ndarray, "grid grid grid"]:
    """Return which cells' centres, in -1 to 1 along x, y and z, lie inside a mesh by its winding from below."""
    crossings = np.zeros((grid, grid, grid + 1), np.int32)
    _cross_columns(vertices.astype(np.float64), faces.astype(np.int64), COLUMN_SHIFT, crossings)
    return np.cumsum(crossings, axis=2)[..., :grid] > 0


@njit(cache=True)
@no_type_check
def _cross_columns(vertices, faces, shift, crossings):
    """Add to ``crossings`` +1 where a vertical column enters the surface, and -1 where it leaves it."""
    grid = crossings.shape[0]
    width = 2.0 / grid
    for face in range(faces.shape[0]):
        a, b, c = vertices[faces[face, 0]], vertices[faces[face, 1]], vertices[faces[face, 2]]
        area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        if area == 0.0:
            continue
        sign = -1 if area > 0 else 1
        low_x, high_x = min(a[0], b[0], c[0]), max(a[0], b[0], c[0])
        low_y, high_y = min(a[1], b[1], c[1]), max(a[1], b[1], c[1])
        for i in range(max(0, int((low_x + 1) / width) - 1), min(grid, int((high_x + 1) / width) + 2)):
            x = (i + 0.5) * width - 1 + shift[0]
            for j in range(max(0, int((low_y + 1) / width) - 1), min(grid, int((high_y + 1) / width) + 2)):
                y = (j + 0.5) * width - 1 + shift[1]
                u = ((b[0] - x) * (c[1] - y) - (b[1] - y) * (c[0] - x)) / area
                v = ((c[0] - x) * (a[1] - y) - (c[1] - y) * (a[0] - x)) / area
                if u < 0 or v < 0 or u + v > 1:
                    continue
                z = u * a[2] + v * b[2] + (1 - u - v) * c[2]
                cell = int(np.ceil((z + 1) / width - 0.5))
                crossings[i, j, min(max(cell, 0), grid)] += sign
