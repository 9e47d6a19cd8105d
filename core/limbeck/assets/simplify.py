# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Fewer faces: quadric edge collapse (fast-simplification) down to a budget, and the repair of what it leaves."""

from __future__ import annotations

import fast_simplification
from scipy.spatial import KDTree

from limbeck.assets.clean import (
    drop_degenerate_faces,
    merge_duplicate_vertices,
    orient_outwards,
    separate_touching_sheets,
)
from limbeck.assets.mesh import Mesh, is_closed, make_mesh
from limbeck.errors import LimbeckError

MIN_FACES = 4
MAX_ATTEMPTS = 8


def simplify_mesh(mesh: Mesh, faces: int, *, aggressiveness: float = 5.0) -> Mesh:
    """Return the mesh with at most ``faces`` faces; colours come from the nearest old vertex.

    A closed mesh stays closed unless no attempt manages that. fast-simplification keeps its state in C globals: do not
    call this from two threads at once.

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
    for attempt in range(MAX_ATTEMPTS):
        simpler = _collapse(mesh, target, min(aggressiveness + attempt, 10.0))
        if 0 < len(simpler.faces) <= faces:
            best = best or simpler
            if is_closed(simpler) or not must_be_closed:
                return simpler
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
    return orient_outwards(separate_touching_sheets(simpler))
