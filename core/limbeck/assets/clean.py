# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Repair of extracted meshes: duplicates, floaters, cavities, noise, winding. Each step is a function of its own."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from limbeck.assets.mesh import (
    Mesh,
    adjacency,
    directed_edges,
    face_area_vectors,
    face_components,
    face_volumes,
    keep_faces,
    make_mesh,
    signed_volume,
    vertex_normals,
)

SHEET_GAP = 1e-3


def clean_mesh(
    mesh: Mesh, *, smoothing_steps: int = 8, min_volume_share: float = 0.005, min_area_share: float = 0.03
) -> Mesh:
    """Return the mesh without duplicates, floaters and cavities, lightly smoothed, faces outwards.

    A closed mesh stays closed. See ``remove_floaters`` and ``smooth`` for the parameters.
    """
    mesh = drop_degenerate_faces(merge_duplicate_vertices(mesh))
    mesh = remove_floaters(mesh, min_volume_share=min_volume_share, min_area_share=min_area_share)
    return orient_outwards(smooth(mesh, steps=smoothing_steps))


def merge_duplicate_vertices(mesh: Mesh) -> Mesh:
    """Merge vertices at exactly the same position; the first one's colour stays."""
    if len(mesh.vertices) == 0:
        return mesh
    # Adding zero turns -0.0 into 0.0, which are equal as numbers and differ as bytes.
    _, first, number = np.unique(mesh.vertices + np.float32(0.0), axis=0, return_index=True, return_inverse=True)
    merged_to = first[number.ravel()]
    if np.array_equal(merged_to, np.arange(len(merged_to))):
        return mesh
    return keep_faces(make_mesh(mesh.vertices, merged_to[mesh.faces], mesh.colors_srgb), np.ones(len(mesh.faces), bool))


def drop_degenerate_faces(mesh: Mesh) -> Mesh:
    """Drop faces that name a vertex twice, copies of a face, and pairs of faces that cancel each other out.

    Of the faces on the same three vertices only the surplus of one winding over the other remains, at most one face: so
    the border of a closed mesh stays empty.
    """
    faces = mesh.faces
    is_proper = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    ordered = np.sort(faces, axis=1).astype(np.int64)
    count = len(mesh.vertices)
    keys = (ordered[:, 0] * count + ordered[:, 1]) * count + ordered[:, 2]
    # An even permutation of the sorted corners has winding +1, an odd one -1.
    winding = np.sign(
        (faces[:, 1] - faces[:, 0]) * (faces[:, 2] - faces[:, 1]) * (faces[:, 2] - faces[:, 0]).astype(np.int64)
    )
    _, groups = np.unique(keys, return_inverse=True)
    surplus = np.bincount(groups, winding * is_proper, minlength=1)[groups]
    is_wanted = is_proper & (np.sign(surplus) == winding)
    wanted = np.flatnonzero(is_wanted)
    _, first = np.unique(groups[wanted], return_index=True)
    is_kept = np.zeros(len(faces), bool)
    is_kept[wanted[first]] = True
    return keep_faces(mesh, is_kept)


def separate_touching_sheets(mesh: Mesh) -> Mesh:
    """Give each sheet of the surface its own vertices where sheets touch along an edge or at a point.

    Edge collapse lets parts of a surface touch. An edge of four faces is then no manifold's, and Blender's tools
    stumble over it. Corners of faces stay one vertex only if a fan of faces over edges of two faces joins them; the
    separated vertices move a thousandth of the way to their own neighbours, so that nothing merges them again.
    """
    corners, sheets = _join_corners(mesh.faces, len(mesh.vertices))
    _, first, faces = np.unique(sheets, return_index=True, return_inverse=True)
    origin = corners[first]
    if len(origin) == len(np.unique(origin)):
        return mesh
    vertices = mesh.vertices[origin].astype(np.float64)
    separated = make_mesh(vertices, faces.reshape(-1, 3), mesh.colors_srgb[origin])
    is_shared = np.bincount(origin, minlength=len(mesh.vertices))[origin] > 1
    neighbours = adjacency(separated.faces, len(vertices))
    means = (neighbours @ vertices) / np.maximum(np.asarray(neighbours.sum(axis=1)), 1.0)
    vertices[is_shared] += SHEET_GAP * (means - vertices)[is_shared]
    return make_mesh(vertices, separated.faces, separated.colors_srgb)


def _join_corners(
    faces: Int[ndarray, "faces 3"], vertex_count: int
) -> tuple[Int[ndarray, " corners"], Int[ndarray, " corners"]]:
    """Return for each corner of each face, in order, its vertex and the number of its sheet."""
    edges = directed_edges(faces).astype(np.int64)
    slots = np.arange(len(faces)) * 3
    starts = np.concatenate([slots, slots + 1, slots + 2])
    ends = np.concatenate([slots + 1, slots + 2, slots])
    keys = edges.min(axis=1) * vertex_count + edges.max(axis=1)
    order = np.argsort(keys, kind="stable")
    _, first, counts = np.unique(keys[order], return_index=True, return_counts=True)
    one, other = order[first[counts == 2]], order[first[counts == 2] + 1]
    is_opposite = edges[one, 0] == edges[other, 1]
    one, other = one[is_opposite], other[is_opposite]
    rows, columns = np.concatenate([starts[one], ends[one]]), np.concatenate([ends[other], starts[other]])
    joined = csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(faces.size, faces.size))
    _, sheets = connected_components(joined, directed=False)
    return faces.ravel(), sheets


def remove_floaters(mesh: Mesh, *, min_volume_share: float = 0.005, min_area_share: float = 0.03) -> Mesh:
    """Drop parts that are small in both volume and area, and inner cavities.

    Detached parts are often real (a hat that hovers, a foot, a wheel), so a part stays if its volume or its area
    reaches its share of the largest part's: a thin pole has little volume but area, a ball has little area but volume.
    A closed part whose faces look inwards bounds a cavity that no camera can see; it always goes.

    Args:
        mesh: faces look outwards.
        min_volume_share: of the largest part's volume.
        min_area_share: of the largest part's area.
    """
    if mesh.is_empty:
        return mesh
    parts = face_components(mesh)
    volumes = np.bincount(parts, face_volumes(mesh))
    areas = np.bincount(parts, np.linalg.norm(face_area_vectors(mesh.vertices, mesh.faces), axis=1))
    is_large = (volumes >= min_volume_share * volumes.max()) | (areas >= min_area_share * areas.max())
    is_kept = is_large & (volumes > 0) if volumes.max() > 0 else is_large
    return keep_faces(mesh, is_kept[parts])


def smooth(mesh: Mesh, *, steps: int = 8, shrink: float = 0.5, inflate: float = -0.53, crease_power: int = 4) -> Mesh:
    """Smooth lightly without shrinking (Taubin 1995, "A signal processing approach to fair surface design").

    Each step moves vertices towards their neighbours' mean by ``shrink`` and then away by ``inflate``. Neighbours whose
    normals differ weigh less, by the cosine to ``crease_power``, so that creases stay roughly where they are.
    """
    if mesh.is_empty or steps == 0:
        return mesh
    means = neighbour_means(mesh, crease_power)
    vertices = mesh.vertices.astype(np.float64)
    for _ in range(steps):
        for factor in (shrink, inflate):
            vertices = vertices + factor * (means @ vertices - vertices)
    return make_mesh(vertices, mesh.faces, mesh.colors_srgb)


def neighbour_means(mesh: Mesh, crease_power: int) -> csr_matrix:
    """Return the sparse [V, V] matrix that takes the weighted mean over each vertex's neighbours; rows sum to 1."""
    edges = adjacency(mesh.faces, len(mesh.vertices)).tocoo()
    # Marching cubes' own stair steps are no creases: normals of a once smoothed surface decide.
    normals = _smoothed_normals(mesh, edges.row, edges.col)
    cosines = np.einsum("ij,ij->i", normals[edges.row], normals[edges.col])
    weights = np.maximum(cosines, 0.1) ** crease_power
    sums = np.bincount(edges.row, weights, minlength=len(mesh.vertices))
    return csr_matrix((weights / sums[edges.row], (edges.row, edges.col)), shape=edges.shape)


def _smoothed_normals(
    mesh: Mesh, rows: Int[ndarray, " n"], columns: Int[ndarray, " n"]
) -> Float[ndarray, "vertices 3"]:
    normals = vertex_normals(mesh)
    neighbours = csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(normals), len(normals)))
    summed = normals + neighbours @ normals
    return summed / np.maximum(np.linalg.norm(summed, axis=1, keepdims=True), 1e-12)


def orient_outwards(mesh: Mesh) -> Mesh:
    """Turn all faces of a consistently wound mesh round if it encloses a negative volume."""
    if signed_volume(mesh) >= 0:
        return mesh
    return make_mesh(mesh.vertices, mesh.faces[:, ::-1], mesh.colors_srgb)
