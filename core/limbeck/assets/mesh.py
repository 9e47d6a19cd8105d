# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Triangle meshes with vertex colours and perhaps a texture, and the small pure functions that measure them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, Int32, UInt8
from numpy import ndarray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from limbeck.assets.texture import Texture
from limbeck.errors import LimbeckError

NEUTRAL_SRGB = 186
"""Colour of a surface that nobody has painted yet: middle grey (linear 0.49)."""


@dataclass(frozen=True)
class Mesh:
    """A triangle mesh in Limbeck's world (z up, front -Y).

    Attributes:
        vertices: positions.
        faces: vertex indices, counter-clockwise seen from outside.
        colors_srgb: sRGB-encoded red, green, blue and opacity per vertex.
        texture: what to show instead of the vertex colours, if anything; whatever changes faces drops it.
        light: what was taken out of all colours (``delight.py``): exp(light . n - |light|) times a colour, n the
            surface's normal, is the colour that the asset was rendered in.

    Raises:
        ValueError: if a face names a vertex that is not there, or the texture is of other faces.
        LimbeckError: E_NOT_FINITE if a vertex is NaN or infinite.
    """

    vertices: Float32[ndarray, "vertices 3"]
    faces: Int32[ndarray, "faces 3"]
    colors_srgb: UInt8[ndarray, "vertices 4"]
    texture: Texture | None = None
    light: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        if self.vertices.shape != (len(self.colors_srgb), 3) or self.colors_srgb.shape[1:] != (4,):
            raise ValueError(
                "expected vertices [V, 3] and colors_srgb [V, 4], "
                f"got {self.vertices.shape} and {self.colors_srgb.shape}"
            )
        if self.faces.shape[1:] != (3,):
            raise ValueError(f"expected faces [F, 3], got {self.faces.shape}")
        if self.faces.size and not (self.faces.min() >= 0 and self.faces.max() < len(self.vertices)):
            raise ValueError(
                f"expected face indices in 0..{len(self.vertices) - 1}, got {self.faces.min()}..{self.faces.max()}"
            )
        if self.texture is not None and len(self.texture.uv_faces) != len(self.faces):
            raise ValueError(f"expected uvs of {len(self.faces)} faces, got {len(self.texture.uv_faces)}")
        require_finite("mesh vertices", self.vertices)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to see."""
        return len(self.faces) == 0


def require_finite(what: str, values: Float[ndarray, "..."]) -> None:
    """Refuse NaN and infinity: E_NOT_FINITE."""
    is_finite = np.isfinite(values)
    if not is_finite.all():
        raise LimbeckError(
            "E_NOT_FINITE",
            f"expected finite {what}, got {int((~is_finite).sum())} NaN or infinite numbers of {values.size}",
            "the optimisation diverged: try another seed, a lower guidance_scale or lower learning rates",
        )


def make_mesh(
    vertices: Float[ndarray, "vertices 3"],
    faces: Int[ndarray, "faces 3"],
    colors_srgb: UInt8[ndarray, "vertices 4"] | None = None,
) -> Mesh:
    """Build a mesh from arrays of any float and integer type; without colours it is opaque middle grey."""
    if colors_srgb is None:
        colors_srgb = np.full((len(vertices), 4), NEUTRAL_SRGB, np.uint8)
        colors_srgb[:, 3] = 255
    return Mesh(
        np.ascontiguousarray(vertices, np.float32),
        np.ascontiguousarray(faces, np.int32),
        np.ascontiguousarray(colors_srgb),
    )


def empty_mesh() -> Mesh:
    """Return the mesh without vertices."""
    return make_mesh(np.zeros((0, 3)), np.zeros((0, 3), np.int32))


def bounds(mesh: Mesh) -> tuple[Float[ndarray, "3"], Float[ndarray, "3"]]:
    """Return the lowest and the highest corner of a mesh that is not empty."""
    return mesh.vertices.min(0), mesh.vertices.max(0)


def ground_point(mesh: Mesh) -> tuple[float, float, float]:
    """Return the middle of the bottom of the box round a mesh that is not empty: where it stands on the ground."""
    low, high = bounds(mesh)
    x, y = ((low + high) / 2)[:2].tolist()
    return x, y, float(low[2])


def face_area_vectors(
    vertices: Float[ndarray, "vertices 3"], faces: Int[ndarray, "faces 3"]
) -> Float[ndarray, "faces 3"]:
    """Return float64 outward normals whose lengths are the faces' areas."""
    corners = vertices.astype(np.float64)[faces]
    return np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]) / 2


def vertex_normals(mesh: Mesh) -> Float[ndarray, "vertices 3"]:
    """Return unit outward normals of vertices, the area-weighted mean of their faces'.

    Where that mean vanishes (a vertex without area round it) the normal is +z: never zero, which glTF forbids.
    """
    area_vectors = face_area_vectors(mesh.vertices, mesh.faces)
    sums = corner_matrix(mesh.faces, len(mesh.vertices)).T @ area_vectors
    normals = _normalized(sums)
    normals[~normals.any(axis=1)] = (0.0, 0.0, 1.0)
    return normals


def corner_matrix(faces: Int[ndarray, "faces 3"], vertex_count: int) -> csr_matrix:
    """Return the sparse [F, V] matrix that sums over the corners of each face."""
    rows = np.repeat(np.arange(len(faces)), 3)
    return csr_matrix((np.ones(faces.size), (rows, faces.ravel())), shape=(len(faces), vertex_count))


def face_volumes(mesh: Mesh) -> Float[ndarray, " faces"]:
    """Return the signed volumes of the tetrahedra between the faces and the origin."""
    corners = mesh.vertices.astype(np.float64)[mesh.faces]
    return np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6


def signed_volume(mesh: Mesh) -> float:
    """Return the enclosed volume; negative if the faces of a closed mesh look inwards."""
    return float(face_volumes(mesh).sum())


def surface_area(mesh: Mesh) -> float:
    """Return the total area of the faces."""
    return float(np.linalg.norm(face_area_vectors(mesh.vertices, mesh.faces), axis=1).sum())


def directed_edges(faces: Int[ndarray, "faces 3"]) -> Int[ndarray, "edges 2"]:
    """Return the three directed edges of each face, [3 F, 2]: all first edges, then all second, then all third."""
    return np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])


def adjacency(faces: Int[ndarray, "faces 3"], vertex_count: int) -> csr_matrix:
    """Return the symmetric [V, V] matrix that counts, for each pair of vertices, the faces that share their edge."""
    edges = directed_edges(faces)
    ends = (np.concatenate([edges[:, 0], edges[:, 1]]), np.concatenate([edges[:, 1], edges[:, 0]]))
    return csr_matrix((np.ones(len(ends[0])), ends), shape=(vertex_count, vertex_count))


def is_closed(mesh: Mesh) -> bool:
    """Whether every edge belongs to exactly two faces that agree on the winding."""
    edges = directed_edges(mesh.faces).astype(np.int64)
    forward = np.sort(edges[:, 0] * len(mesh.vertices) + edges[:, 1])
    backward = np.sort(edges[:, 1] * len(mesh.vertices) + edges[:, 0])
    return not mesh.is_empty and len(np.unique(forward)) == len(forward) and np.array_equal(forward, backward)


def face_components(mesh: Mesh) -> Int[ndarray, " faces"]:
    """Return for each face the number (from 0) of the connected part that it belongs to."""
    _, labels = connected_components(adjacency(mesh.faces, len(mesh.vertices)), directed=False)
    _, numbers = np.unique(labels[mesh.faces[:, 0]], return_inverse=True)
    return numbers


def keep_faces(mesh: Mesh, is_kept: Bool[ndarray, " faces"]) -> Mesh:
    """Return the mesh of some of the faces and only the vertices that they use, in the same order."""
    faces = mesh.faces[is_kept]
    used = np.zeros(len(mesh.vertices), bool)
    used[faces] = True
    new_index = np.cumsum(used) - 1
    return make_mesh(mesh.vertices[used], new_index[faces], mesh.colors_srgb[used])


def transform_positions(mesh: Mesh, transform: Callable[[ndarray], ndarray]) -> Mesh:
    """Return the mesh, texture and all, with its vertices [V, 3] moved; ``transform`` must not mirror."""
    return replace(mesh, vertices=np.ascontiguousarray(transform(mesh.vertices), np.float32))


def _normalized(vectors: Float[ndarray, "n 3"]) -> Float[ndarray, "n 3"]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
