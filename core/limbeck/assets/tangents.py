# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The frame in which a normal map's normals are written: MikkTSpace's (Mikkelsen 2008), as glTF asks for.

At a corner of a face the tangent is the direction in which u grows, the mean over the faces round the vertex that share
its coordinates, weighted by their angles there; the bitangent points where the picture's v falls (glTF's v points
down). Inside a face a renderer interpolates normal N and tangent T without normalising them, and shows

    n = normalize(m_x T + m_y sign cross(N, T) + m_z N)        m: the map's colour, from 0..1 to -1..1.

glTF's own rule for a mesh without TANGENT is MikkTSpace's too, but a GLB carries them: programs differ in its fringes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int, UInt8
from numpy import ndarray
from scipy.sparse import csr_matrix

from limbeck.assets.mesh import Mesh, vertex_normals
from limbeck.assets.texture import Texture

LEAST_OUTWARDS = 0.02
"""A map's normal looks out of the surface at least this much: glTF allows none that look in."""


@dataclass(frozen=True)
class TangentFrames:
    """Normals and tangents at the corners of faces.

    Attributes:
        normals, tangents: unit vectors at the three corners of each face; the tangent of a corner whose faces have no
            area in the picture is 0.
        signs: 1, or -1 where a face is mirrored in the picture.
    """

    normals: Float32[ndarray, "faces 3 3"]
    tangents: Float32[ndarray, "faces 3 3"]
    signs: Float32[ndarray, " faces"]

    def at(
        self, faces: Int[ndarray, " points"], weights: Float[ndarray, "points 3"]
    ) -> tuple[Float[ndarray, "points 3"], Float[ndarray, "points 3"], Float[ndarray, "points 3"]]:
        """Return tangent, bitangent and normal at points on faces, not normalised, as renderers have them."""
        normals = np.einsum("pc,pcd->pd", weights, self.normals[faces])
        tangents = np.einsum("pc,pcd->pd", weights, self.tangents[faces])
        return tangents, np.cross(normals, tangents) * self.signs[faces][:, None], normals


def tangent_frames(mesh: Mesh, texture: Texture) -> TangentFrames:
    """Return MikkTSpace's frames of a mesh whose vertices are shaded smoothly."""
    corners, uvs = mesh.vertices.astype(np.float64)[mesh.faces], texture.uvs.astype(np.float64)[texture.uv_faces]
    uvs[..., 1] = 1 - uvs[..., 1]
    normals = vertex_normals(mesh)[mesh.faces]
    one, other = uvs[:, 1] - uvs[:, 0], uvs[:, 2] - uvs[:, 0]
    area = one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]
    signs = np.where(area < 0, -1.0, 1.0)
    along_u = (corners[:, 1] - corners[:, 0]) * other[:, 1:] - (corners[:, 2] - corners[:, 0]) * one[:, 1:]
    along_u *= signs[:, None] * (area != 0)[:, None]
    flat = _unit(along_u[:, None] - _dot(along_u[:, None], normals)[..., None] * normals)
    weighted = (flat * _angles(corners, normals)[..., None]).reshape(-1, 3)
    keys = np.stack([mesh.faces, texture.uv_faces, np.repeat(signs[:, None], 3, axis=1)], -1)
    _, groups = np.unique(keys.reshape(-1, 3), axis=0, return_inverse=True)
    gather = csr_matrix((np.ones(len(weighted)), (groups.ravel(), np.arange(len(weighted)))))
    tangents = _unit(gather @ weighted)[groups.ravel()].reshape(-1, 3, 3)
    return TangentFrames(normals.astype(np.float32), tangents.astype(np.float32), signs.astype(np.float32))


def to_tangent_space(
    directions: Float[ndarray, "points 3"],
    frame: tuple[Float[ndarray, "points 3"], Float[ndarray, "points 3"], Float[ndarray, "points 3"]],
) -> Float[ndarray, "points 3"]:
    """Return what a map has to hold for a renderer to show unit ``directions``; straight up where no frame is."""
    tangent, bitangent, normal = frame
    volume = _dot(tangent, np.cross(bitangent, normal))[:, None]
    # Cramer's rule; what divides all three goes with the length, but its sign stays.
    mapped = np.stack(
        [
            _dot(directions, np.cross(bitangent, normal)),
            _dot(directions, np.cross(normal, tangent)),
            _dot(directions, np.cross(tangent, bitangent)),
        ],
        axis=1,
    )
    mapped = np.where(np.abs(volume) > 1e-9, mapped * np.sign(volume), [0.0, 0.0, 1.0])
    mapped = _unit(mapped)
    mapped[:, 2] = np.maximum(mapped[:, 2], LEAST_OUTWARDS)
    return _unit(mapped)


def from_tangent_space(
    mapped: Float[ndarray, "points 3"],
    frame: tuple[Float[ndarray, "points 3"], Float[ndarray, "points 3"], Float[ndarray, "points 3"]],
) -> Float[ndarray, "points 3"]:
    """Return the unit normals that a renderer shows; ``to_tangent_space`` inverts it."""
    return _unit(np.einsum("apd,pa->pd", np.stack(frame), mapped))


def encode_normals(mapped: Float[ndarray, "*shape 3"]) -> UInt8[ndarray, "*shape 3"]:
    """Return unit vectors as colours: -1..1 becomes 0..255."""
    return np.rint((mapped + 1) * 127.5).astype(np.uint8)


def decode_normals(picture: Float[ndarray, "*shape 3"]) -> Float[ndarray, "*shape 3"]:
    """Return vectors of colours in 0 to 1, as a renderer reads them: nearly of unit length."""
    return picture * 2 - 1


def _angles(corners: Float[ndarray, "faces 3 3"], normals: Float[ndarray, "faces 3 3"]) -> Float[ndarray, "faces 3"]:
    """Return the angles at the corners between the edges, seen along the corners' normals."""
    ahead, behind = np.roll(corners, -1, axis=1) - corners, np.roll(corners, 1, axis=1) - corners
    ahead, behind = (_unit(edge - _dot(edge, normals)[..., None] * normals) for edge in (ahead, behind))
    return np.arccos(np.clip(_dot(ahead, behind), -1, 1))


def _dot(one: Float[ndarray, "..."], other: Float[ndarray, "..."]) -> Float[ndarray, "..."]:
    return np.einsum("...i,...i->...", one, other)


def _unit(vectors: Float[ndarray, "*shape 3"]) -> Float[ndarray, "*shape 3"]:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-20)
