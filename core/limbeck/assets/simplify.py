# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Fewer faces: quadric edge collapse (fast-simplification) down to a budget, and the repair of what it leaves."""

from __future__ import annotations

import fast_simplification
import numpy as np
from jaxtyping import Int
from numpy import ndarray
from scipy.spatial import KDTree

from limbeck.assets.clean import (
    drop_degenerate_faces,
    merge_duplicate_vertices,
    orient_outwards,
    separate_touching_sheets,
)
from limbeck.assets.mesh import Mesh, adjacency, is_closed, make_mesh
from limbeck.assets.quality import folded_faces, measure_quality
from limbeck.errors import LimbeckError

MIN_FACES = 4
MAX_ATTEMPTS = 8
UNFOLD_ATTEMPTS = 2
"""After so many more attempts a mesh with folded faces will do."""
UNFOLD_STEPS = 4


def simplify_mesh(mesh: Mesh, faces: int, *, aggressiveness: float = 5.0) -> Mesh:
    """Return the mesh with at most ``faces`` faces; colours come from the nearest old vertex.

    A closed mesh stays closed, and none of its faces lies folded back on another, unless no attempt manages that.
    fast-simplification keeps its state in C globals: do not call this from two threads at once.

    Args:
        mesh: faces look outwards.
        faces: the budget, at least 4.
        aggressiveness: 0 is slow and careful, 10 is fast and rough.

    Raises:
        LimbeckError: E_FACES_TOO_FEW if the shape cannot be told in so few faces, or nothing could.
    """
    require_budget(faces)
    if len(mesh.faces) <= faces:
        return mesh
    best, target, must_be_closed = None, faces, is_closed(mesh)

    def faults(simpler: Mesh) -> tuple[bool, int]:
        return must_be_closed and not is_closed(simpler), len(folded_faces(simpler))

    for attempt in range(MAX_ATTEMPTS):
        simpler = _collapse(mesh, target, min(aggressiveness + attempt, 10.0))
        if 0 < len(simpler.faces) <= faces:
            best = simpler if best is None else min(best, simpler, key=faults)
            if faults(best) == (False, 0) or (attempt >= UNFOLD_ATTEMPTS and not faults(best)[0]):
                return best
        target = max(target - (target // 20 + 1), MIN_FACES)
    if best is None:
        message = f"expected a surface of {len(mesh.faces)} faces to fit into {faces}, which only breaks it"
        raise LimbeckError("E_FACES_TOO_FEW", message, "ask for more faces")
    return best


def require_budget(faces: int) -> None:
    """Refuse a budget that no closed surface fits into.

    Raises:
        LimbeckError: E_FACES_TOO_FEW.
    """
    if faces < MIN_FACES:
        message = f"expected a budget of at least {MIN_FACES} faces, those of a tetrahedron, got {faces}"
        raise LimbeckError("E_FACES_TOO_FEW", message, "ask for more faces")


def _collapse(mesh: Mesh, target: int, aggressiveness: float) -> Mesh:
    vertices, faces, *_ = fast_simplification.simplify(
        mesh.vertices, mesh.faces, target_count=target, agg=aggressiveness
    )
    _, nearest = KDTree(mesh.vertices).query(vertices)
    simpler = drop_degenerate_faces(merge_duplicate_vertices(make_mesh(vertices, faces, mesh.colors_srgb[nearest])))
    return unfolded(orient_outwards(separate_touching_sheets(simpler)))


def unfolded(mesh: Mesh) -> Mesh:
    """Return the mesh with fewer faces that lie folded back on a neighbour, if moving their corners helps.

    Edge collapse leaves a few. Their corners go half of the way to the middle of their neighbours, a few times.
    """
    best = mesh
    for _ in range(UNFOLD_STEPS):
        folded = folded_faces(mesh)
        if not len(folded):
            break
        mesh = _relaxed(mesh, np.unique(mesh.faces[folded]))
        if measure_quality(mesh).degenerate_faces:
            break
        best = min(best, mesh, key=lambda found: len(folded_faces(found)))
    return best


def _relaxed(mesh: Mesh, corners: Int[ndarray, " corners"]) -> Mesh:
    neighbours = adjacency(mesh.faces, len(mesh.vertices))[corners]
    vertices = mesh.vertices.astype(np.float64)
    means = (neighbours @ vertices) / np.asarray(neighbours.sum(axis=1))
    vertices[corners] += (means - vertices[corners]) / 2
    return make_mesh(vertices, mesh.faces, mesh.colors_srgb)
