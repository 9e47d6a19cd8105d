# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Triangles of the scene as the small file that a job starts from, and the place where they stood. Knows no bpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .refusal import DescriptionError

Array = npt.NDArray[np.float64]
Faces = npt.NDArray[np.int32]
MAX_TRIANGLES = 500_000
REACH = 0.98
"""The server puts a shape into the ball of this radius round the origin; one that fills it already stays as it is."""
LEAST_STRETCH = 1e-6


@dataclass(frozen=True)
class StartMesh:
    """What a job starts from.

    Attributes:
        vertices: [V,3] in the core's frame.
        faces: [F,3], counter-clockwise seen from outside.
        matrix: [4,4], from the core's frame to the world: a rotation, one scale and a shift.
        is_mirrored: whether the corners of each face are in the opposite order, because the object is mirrored.
    """

    vertices: npt.NDArray[np.float32]
    faces: Faces
    matrix: Array
    is_mirrored: bool = False

    def ply(self) -> bytes:
        """Return it as a binary PLY, whose world is z up as ours; every bit of every vertex stays."""
        records = np.zeros(len(self.faces), [("count", "u1"), ("indices", "<i4", 3)])
        records["count"] = 3
        records["indices"] = self.faces
        head = (
            "ply\nformat binary_little_endian 1.0\n"
            f"element vertex {len(self.vertices)}\nproperty float x\nproperty float y\nproperty float z\n"
            f"element face {len(self.faces)}\nproperty list uchar int vertex_indices\nend_header\n"
        )
        return head.encode() + self.vertices.astype("<f4").tobytes() + records.tobytes()


def start_mesh(vertices: Array, faces: Faces, matrix: Any, name: str) -> StartMesh:
    """Return an object's triangles, scaled as it is but unrotated, in the core's frame.

    Args:
        vertices: [V,3] in the object's own frame.
        faces: [F,3] into them, in the order that is kept.
        matrix: [4,4] of the object; may stretch, shear and mirror.
        name: of the object, for messages.

    Raises:
        DescriptionError: if there is nothing to start from, or the server could not use it.
    """
    require_few(len(faces), name)
    if not len(faces):
        raise DescriptionError(f'"{name}" has no faces', "choose an object with a surface; loose edges are not enough")
    kept, faces = np.unique(faces, return_inverse=True)
    faces = faces.reshape(-1, 3).astype(np.int32)
    bad = int((~np.isfinite(vertices[kept])).any(axis=1).sum())
    if bad:
        raise DescriptionError(
            f'"{name}" has {bad} vertices whose coordinates are not numbers', "delete them in Edit Mode"
        )
    rotation, stretch = decompose(matrix, name)
    points = vertices[kept] @ stretch.T
    is_mirrored = bool(np.linalg.det(stretch) < 0)
    faces = faces[:, ::-1].copy() if is_mirrored else faces
    centre = (points.min(0) + points.max(0)) / 2
    radius = float(np.linalg.norm(points - centre, axis=1).max()) / REACH
    if not radius > 1e-9:
        raise DescriptionError(f'"{name}" has all its vertices at one place', "give it a size")
    require_manifold(faces, len(points), name)
    to_world = np.eye(4)
    to_world[:3, :3] = rotation * radius
    to_world[:3, 3] = rotation @ centre + np.asarray(matrix, np.float64)[:3, 3]
    return StartMesh(((points - centre) / radius).astype(np.float32), faces, to_world, is_mirrored)


def decompose(matrix: Any, name: str) -> tuple[Array, Array]:
    """Split a [4,4] matrix's linear part into a rotation and what is done before it: stretching, and mirroring in x.

    The rotation is the nearest one, so an object that is only scaled keeps its axes.

    Raises:
        DescriptionError: if the object is flattened to nothing.
    """
    linear = np.asarray(matrix, np.float64)[:3, :3]
    if not np.isfinite(linear).all():
        raise DescriptionError(f'"{name}" has a transform that is not finite', "clear its transform")
    mirror: Array = np.diag([-1.0 if np.linalg.det(linear) < 0 else 1.0, 1.0, 1.0])
    parts: Any = np.linalg.svd(linear @ mirror)
    u, sizes, vt = parts
    if not sizes.min() > max(LEAST_STRETCH * sizes.max(), 1e-12):
        raise DescriptionError(f'"{name}" has a scale of zero', "give it a scale along every axis (N panel > Item)")
    return u @ vt, vt.T @ np.diag(sizes) @ vt @ mirror


def require_few(triangles: int, name: str) -> None:
    """Refuse a huge mesh, best before its triangles are made.

    Raises:
        DescriptionError: if there are more than MAX_TRIANGLES.
    """
    if triangles > MAX_TRIANGLES:
        raise DescriptionError(
            f'"{name}" has {triangles:,} triangles; at most {MAX_TRIANGLES:,} can be sent',
            "add a Decimate modifier, or hide its subdivision in viewports",
        )


def require_manifold(faces: Faces, vertex_count: int, name: str) -> None:
    """Refuse edges that three or more triangles share, as the server does.

    Raises:
        DescriptionError: with how many there are.
    """
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).astype(np.int64), axis=1)
    shared = np.unique(edges[:, 0] * vertex_count + edges[:, 1], return_counts=True)[1]
    if shared.max() > 2:
        raise DescriptionError(
            f'"{name}" has {int((shared > 2).sum())} edges that three or more faces share',
            "find them in Edit Mode: Select > Select All by Trait > Non Manifold; or add a Remesh modifier",
        )
