# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an asset goes in the scene, and what becomes of the object that it was made from. Knows no bpy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

Matrix = tuple[tuple[float, ...], ...]
Vector = tuple[float, float, float]
NO_BOX = (0.0, 0.0, 0.0)
BESIDE = 2.2
"""How far to the object's right the next one stands, in its own units: it is about two wide."""


@dataclass(frozen=True)
class Placement:
    """Where a job's meshes stand.

    Attributes:
        matrix: [4,4], from the core's frame (z up, the front faces -Y, about the unit ball) to Blender's world: a
            rotation, one scale for all axes, and a shift.
        source: full name of the scene's object that the job was made from, or "".
        use: what becomes of the source once the asset is there: it stays beside it, is hidden and replaced by it,
            or keeps its own geometry and gets the asset's material.
        box: half the edges of the box round the frame's origin that the asset is to fill, in the core's frame; zeros
            leave it in the size in which it was made.
        stands: whether the meshes' lowest points are to lie on the frame's origin, instead of about a unit below it.
    """

    matrix: Matrix
    source: str = ""
    use: Literal["beside", "replace", "texture"] = "beside"
    box: Vector = NO_BOX
    stands: bool = False


def at(location: Vector, radius: float = 1.0) -> Placement:
    """Return a placement at a point of the world, upright; an asset reaches about ``radius`` from there."""
    x, y, z = location
    return Placement(
        ((radius, 0.0, 0.0, x), (0.0, radius, 0.0, y), (0.0, 0.0, radius, z), (0.0, 0.0, 0.0, 1.0)),
    )


def rows(matrix: Any) -> Matrix:
    """Return a matrix as plain numbers."""
    return tuple(tuple(float(value) for value in row) for row in np.asarray(matrix, np.float64))


def fill(box: Vector, low: Vector, high: Vector, *, stands: bool = False) -> Matrix:
    """Return the [4,4] that makes a shape stand in a box, as large as fits; both in the core's frame.

    Args:
        box: half the edges, as ``Placement.box`` has them; zeros leave the size as it is.
        low, high: corners of the shape's bounding box.
        stands: where there is no box, whether the shape stands on the origin's height.
    """
    matrix = np.eye(4)
    if stands:
        matrix[2, 3] = -low[2]
    sizes = np.maximum(np.subtract(high, low), 1e-9)
    if min(box) > 0:
        scale = float((2 * np.array(box) / sizes).min())
        middle = np.add(low, high) / 2
        matrix[:3, :3] *= scale
        matrix[:3, 3] = -scale * middle
        matrix[2, 3] = -box[2] - scale * low[2]  # it stands on the floor of the box
    return rows(matrix)


def beside(placement: Placement) -> Placement:
    """Return the placement next to another one, or the same where it belongs to an object of the scene."""
    if placement.source:
        return placement
    moved = tuple((*row[:3], row[3] + BESIDE * row[0]) for row in placement.matrix[:3])
    return replace(placement, matrix=(*moved, placement.matrix[3]))
