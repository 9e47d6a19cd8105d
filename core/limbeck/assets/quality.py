# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What is wrong with an asset's mesh, counted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from limbeck.assets.bake import rasterize_uvs
from limbeck.assets.mesh import Mesh, directed_edges, face_area_vectors
from limbeck.assets.texture import Texture
from limbeck.assets.unwrap import Unwrapping

MIN_AREA_SHARE = 1e-9
"""Of the squared diagonal; a smaller face has no usable normal in float32."""
FOLDED_COSINE = -0.95
"""Neighbours whose normals are further apart than this lie on each other: one of them is inverted."""
OVERLAP_STEPS = 4
"""Overlaps are looked for on a grid this much finer than the texture."""


@dataclass(frozen=True)
class MeshQuality:
    """Counts of faults; a flawless asset has none but its faces.

    Attributes:
        faces: how many there are, to compare with the budget.
        boundary_edges: edges that do not belong to exactly two faces of agreeing winding; 0 is watertight.
        degenerate_faces: faces with next to no area.
        inverted_faces: edges at which a face lies folded back on its neighbour.
        overlapping_texels: texels' worth of texture that two faces share.
    """

    faces: int
    boundary_edges: int
    degenerate_faces: int
    inverted_faces: int
    overlapping_texels: float


def measure_quality(mesh: Mesh) -> MeshQuality:
    """Count the faults of a mesh that is not empty."""
    area_vectors = face_area_vectors(mesh.vertices, mesh.faces)
    areas = np.linalg.norm(area_vectors, axis=1)
    diagonal = float(np.linalg.norm(np.ptp(mesh.vertices, axis=0)))
    faulty_edges, pairs = _edges(mesh)
    return MeshQuality(
        len(mesh.faces),
        faulty_edges,
        int((areas < MIN_AREA_SHARE * diagonal**2).sum()),
        int(_is_folded(area_vectors, pairs).sum()),
        0.0 if mesh.texture is None else overlap(mesh.texture),
    )


def boundary_edges(mesh: Mesh) -> int:
    """Return how many edges do not belong to exactly two faces of agreeing winding; 0 is watertight."""
    return _edges(mesh)[0]


def folded_faces(mesh: Mesh) -> Int[ndarray, " folded"]:
    """Return the numbers of the faces that lie folded back on a neighbour, and of those neighbours."""
    _, pairs = _edges(mesh)
    return np.unique(pairs[_is_folded(face_area_vectors(mesh.vertices, mesh.faces), pairs)])


def _is_folded(area_vectors: Float[ndarray, "faces 3"], pairs: Int[ndarray, "edges 2"]) -> Bool[ndarray, " edges"]:
    normals = area_vectors / np.maximum(np.linalg.norm(area_vectors, axis=1), 1e-30)[:, None]
    return np.einsum("ij,ij->i", normals[pairs[:, 0]], normals[pairs[:, 1]]) < FOLDED_COSINE


def overlap(texture: Texture) -> float:
    """Return how many texels' worth of the picture belong to more than one face, up to sampling noise.

    The sum of the faces' areas less the area of their union; flat faces count nothing.
    """
    fine = OVERLAP_STEPS * texture.size
    corners = texture.uvs.astype(np.float64)[texture.uv_faces] * fine
    total = np.abs(_doubled_areas(corners)).sum() / 2
    union = int((rasterize_uvs(Unwrapping(texture.uvs, texture.uv_faces), fine).faces >= 0).sum())
    return max(total - union, 0.0) / OVERLAP_STEPS**2


def _doubled_areas(corners: Float[ndarray, "faces 3 2"]) -> Float[ndarray, " faces"]:
    one, other = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]


def _edges(mesh: Mesh) -> tuple[int, ndarray]:
    """Return the number of faulty edges, and the two faces [E, 2] of each sound one."""
    edges = directed_edges(mesh.faces).astype(np.int64)
    keys = edges.min(axis=1) * len(mesh.vertices) + edges.max(axis=1)
    order = np.argsort(keys, kind="stable")
    _, first, counts = np.unique(keys[order], return_index=True, return_counts=True)
    one, other = order[first[counts == 2]], order[first[counts == 2] + 1]
    is_sound = edges[one, 0] == edges[other, 1]
    faces = np.tile(np.arange(len(mesh.faces)), 3)
    return int(len(counts) - is_sound.sum()), np.stack([faces[one], faces[other]], axis=1)[is_sound]
