# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A place for the next asset beside those that stand where it was to go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import bpy
import mathutils
import numpy as np

from . import live_mesh, provenance
from .placement import BESIDE, Placement, Vector

if TYPE_CHECKING:
    from .job import FollowedJob

GAP = 1.25
"""Assets stand this many widths apart, as variations do."""


@dataclass(frozen=True)
class Standing:
    """What stands in the world: the middle of its bounding box, its larger width and its height, in world units."""

    middle: Vector
    width: float
    height: float


def beside_others(placement: Placement, scene: Any, jobs: Iterable[FollowedJob]) -> Placement:
    """Return a placement moved along the world's X until no asset or live mesh stands within its own size of it.

    Args:
        jobs: all that are followed; one that goes on and shows no mesh yet keeps its place.
    """
    bpy.context.view_layer.update()
    standing = [*_assets(scene), *_awaited(jobs)]
    x, y, z = (row[3] for row in placement.matrix[:3])
    radius = abs(placement.matrix[0][0])
    while other := next((it for it in standing if _is_there(it, (x, y, z))), None):
        x = other.middle[0] + GAP * max(other.width, radius)
    first = (*placement.matrix[0][:3], x)
    return replace(placement, matrix=(first, *placement.matrix[1:]))


def _is_there(other: Standing, place: Vector) -> bool:
    x, y, z = np.abs(np.subtract(place, other.middle)).tolist()
    return max(x, y) < other.width and z < other.height


def _assets(scene: Any) -> Iterator[Standing]:
    for thing in scene.objects:
        is_ours = provenance.is_made_here(thing) or live_mesh.JOB_KEY in thing
        if is_ours and thing.type == "MESH" and thing.visible_get():
            corners = np.array([thing.matrix_world @ mathutils.Vector(corner) for corner in thing.bound_box])
            low, high = corners.min(0), corners.max(0)
            x, y, z = ((low + high) / 2).tolist()
            width, depth, height = (high - low).tolist()
            yield Standing((x, y, z), max(width, depth), height)


def _awaited(jobs: Iterable[FollowedJob]) -> Iterator[Standing]:
    for job in jobs:
        if job.goes_on and not job.placement.source and live_mesh.find(job.id, job.title) is None:
            x, y, z = (row[3] for row in job.placement.matrix[:3])
            size = BESIDE / GAP * abs(job.placement.matrix[0][0])
            yield Standing((x, y, z), size, size)
