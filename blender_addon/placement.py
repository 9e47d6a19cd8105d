# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an asset goes in the scene, and what becomes of the object that it was made from. Knows no bpy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Matrix = tuple[tuple[float, ...], ...]
BESIDE = 2.2
"""How far to the object's right the next one stands, in its own units: it is about two wide."""


@dataclass(frozen=True)
class Placement:
    """Where a job's meshes stand.

    Attributes:
        matrix: [4,4], from the core's frame (z up, the front faces -Y, about the unit ball) to Blender's world.
        source: name of the scene's object that the job was made from, or "".
        use: what becomes of the source once the asset is there: it stays beside it, is hidden and replaced by it,
            or keeps its own geometry and gets the asset's material.
    """

    matrix: Matrix
    source: str = ""
    use: Literal["beside", "replace", "texture"] = "beside"


def at(location: tuple[float, float, float]) -> Placement:
    """Return a placement at a point of the world, upright, in the asset's own size."""
    x, y, z = location
    return Placement(((1.0, 0.0, 0.0, x), (0.0, 1.0, 0.0, y), (0.0, 0.0, 1.0, z), (0.0, 0.0, 0.0, 1.0)))


def beside(placement: Placement) -> Placement:
    """Return the placement next to another one, or the same where it belongs to an object of the scene."""
    if placement.source:
        return placement
    moved = tuple((*row[:3], row[3] + BESIDE * row[0]) for row in placement.matrix[:3])
    return replace(placement, matrix=(*moved, placement.matrix[3]))
