# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What decimation took away, as a picture: the dense mesh's normals in the tangent space of the coarse one.

Each texel's point on the coarse surface takes the normal of the nearest point of the dense one that faces the same way.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from jaxtyping import Float, UInt8
from numba import njit
from numpy import ndarray
from scipy.spatial import KDTree

from limbeck.assets.bake import TEXELS_AT_ONCE, dilated, on_faces, rasterize_uvs
from limbeck.assets.mesh import Mesh, corner_matrix, vertex_normals
from limbeck.assets.tangents import encode_normals, tangent_frames, to_tangent_space
from limbeck.assets.texture import Texture
from limbeck.assets.unwrap import Unwrapping

NEAREST = 4
"""Dense vertices whose faces are searched for the nearest point."""
FLAT = (128, 128, 255)


def bake_normal_map(mesh: Mesh, texture: Texture, dense: Mesh) -> UInt8[ndarray, "size size 3"]:
    """Return the normal map of an unwrapped mesh, of its texture's size; conventions as in ``tangents``.

    Args:
        mesh: the coarse mesh.
        texture: where its faces lie.
        dense: the surface that it stands for; faces look outwards.
    """
    texels = rasterize_uvs(Unwrapping(texture.uvs, texture.uv_faces), texture.size)
    is_surface = texels.faces >= 0
    picture = np.full((texture.size, texture.size, 3), FLAT, np.uint8)
    if not is_surface.any():
        return picture
    faces, weights = texels.faces[is_surface], texels.weights[is_surface]
    frames, surface, normals = tangent_frames(mesh, texture), _Surface(dense), np.empty((len(faces), 3), np.uint8)
    for start in range(0, len(faces), TEXELS_AT_ONCE):
        part = slice(start, start + TEXELS_AT_ONCE)
        corners = np.concatenate([weights[part], 1 - weights[part].sum(1, keepdims=True)], axis=1)
        frame = frames.at(faces[part], corners)
        points = on_faces(mesh.vertices, mesh.faces[faces[part]], weights[part])
        normals[part] = encode_normals(to_tangent_space(surface.normals_near(points, frame[2]), frame))
    picture[is_surface] = normals
    return dilated(picture, is_surface)


class _Surface:
    """A dense mesh that can be asked for the normal nearest to a point."""

    def __init__(self, mesh: Mesh) -> None:
        self._vertices, self._faces = mesh.vertices.astype(np.float64), mesh.faces
        self._normals = vertex_normals(mesh)
        self._tree = KDTree(self._vertices)
        around = corner_matrix(mesh.faces, len(mesh.vertices)).tocsc()
        self._first_face, self._faces_around = around.indptr, around.indices

    def normals_near(
        self, points: Float[ndarray, "points 3"], outwards: Float[ndarray, "points 3"]
    ) -> Float[ndarray, "points 3"]:
        """Return unit normals; where nothing near faces as ``outwards`` does, that direction itself."""
        count = min(NEAREST, len(self._vertices))
        nearest = np.reshape(self._tree.query(points, k=count)[1], (len(points), count))
        found = outwards.astype(np.float64)
        mesh = (self._vertices, self._faces, self._normals)
        _find_normals(mesh, (self._first_face, self._faces_around), nearest, points.astype(np.float64), found)
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-20)


@njit(cache=True, nogil=True)
@no_type_check
def _find_normals(mesh, around, nearest, points, directions):
    """Replace each direction by the normal at the nearest point of a face that faces that way.

    Args:
        mesh: vertices [V, 3], faces [F, 3] and unit normals [V, 3].
        around: where each vertex's faces begin [V + 1] in the list of faces.
        nearest: vertices [P, k] whose faces are searched.
        points: positions [P, 3].
        directions: outward directions [P, 3], changed in place.
    """
    vertices, faces, normals = mesh
    first_face, faces_around = around
    weights, found = np.empty(3), np.empty(3)
    for p in range(len(points)):
        best = np.inf
        for vertex in nearest[p]:
            for slot in range(first_face[vertex], first_face[vertex + 1]):
                a, b, c = faces[faces_around[slot]]
                if _facing(vertices[a], vertices[b], vertices[c], directions[p]) <= 0:
                    continue
                distance = _nearest_on_face(points[p], vertices[a], vertices[b], vertices[c], weights)
                if distance < best:
                    best = distance
                    for axis in range(3):
                        found[axis] = (
                            weights[0] * normals[a, axis]
                            + weights[1] * normals[b, axis]
                            + weights[2] * normals[c, axis]
                        )
        if best < np.inf:
            directions[p] = found


@njit(cache=True, nogil=True)
@no_type_check
def _facing(a, b, c, direction):
    """Return the direction's part along a face's outward normal, which is not of unit length."""
    e, f = b - a, c - a
    x, y, z = e[1] * f[2] - e[2] * f[1], e[2] * f[0] - e[0] * f[2], e[0] * f[1] - e[1] * f[0]
    return x * direction[0] + y * direction[1] + z * direction[2]


@njit(cache=True, nogil=True)
@no_type_check
def _nearest_on_face(p, a, b, c, weights):
    """Return the squared distance to a triangle, and fill in the weights of its corners at the nearest point.

    By the regions of Ericson, "Real-Time Collision Detection" (2005), section 5.1.5.
    """
    e, f, g = b - a, c - a, p - a
    d1, d2 = e @ g, f @ g
    d3, d4 = d1 - e @ e, d2 - e @ f
    d5, d6 = d1 - e @ f, d2 - f @ f
    va, vb, vc = d3 * d6 - d5 * d4, d5 * d2 - d1 * d6, d1 * d4 - d3 * d2
    if d1 <= 0 and d2 <= 0:
        v, w = 0.0, 0.0
    elif d3 >= 0 and d4 <= d3:
        v, w = 1.0, 0.0
    elif d6 >= 0 and d5 <= d6:
        v, w = 0.0, 1.0
    elif vc <= 0 and d1 >= 0 and d3 <= 0:
        v, w = d1 / (d1 - d3), 0.0
    elif vb <= 0 and d2 >= 0 and d6 <= 0:
        v, w = 0.0, d2 / (d2 - d6)
    elif va <= 0 and d4 - d3 >= 0 and d5 - d6 >= 0:
        w = (d4 - d3) / ((d4 - d3) + (d5 - d6))
        v = 1 - w
    else:
        total = va + vb + vc
        v, w = vb / total, vc / total
    weights[0], weights[1], weights[2] = 1 - v - w, v, w
    gap = g - v * e - w * f
    return gap @ gap
