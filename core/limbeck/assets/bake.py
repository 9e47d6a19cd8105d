# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Bake pictures of a surface into its texture.

Unwrap -> find out which texel lies where on the surface -> blend the views there -> fill what none sees -> dilate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import no_type_check

import numpy as np
from jaxtyping import Bool, Float, Float32, Int32, UInt8
from numba import njit
from numpy import ndarray
from scipy import ndimage

from limbeck.assets.blend import BlendedColors, PreparedView, blend_views, fill_unseen
from limbeck.assets.contact_sheet import to_uint8
from limbeck.assets.mesh import Mesh, vertex_normals
from limbeck.assets.texture import Texture
from limbeck.assets.unwrap import Unwrapping, unwrap

TEXELS_AT_ONCE = 1 << 20
EDGE_SLACK = 1e-6


@dataclass(frozen=True)
class Texels:
    """Which face's point each texel of a square picture shows.

    Attributes:
        faces: face number; -1 is room between charts.
        weights: barycentric weights of the face's first two corners.
    """

    faces: Int32[ndarray, "size size"]
    weights: Float32[ndarray, "size size 2"]


def textured(mesh: Mesh, views: list[PreparedView], size: int) -> Mesh:
    """Return the mesh unwrapped, with a base colour of ``size`` pixels baked from the views.

    Args:
        mesh: not empty; faces look outwards.
        views: of its surface.
        size: at least 16; see ``require_texture_memory``.

    Raises:
        LimbeckError: E_UNWRAP.
    """
    unwrapping = unwrap(mesh, size)
    picture = bake_base_color(mesh, unwrapping, views, size)
    return replace(mesh, texture=Texture(unwrapping.uvs, unwrapping.uv_faces, picture))


def bake_base_color(
    mesh: Mesh, unwrapping: Unwrapping, views: list[PreparedView], size: int
) -> UInt8[ndarray, "size size 3"]:
    """Return the picture of the surface's colours, sRGB.

    Texels that no view knows take the colours of the nearest points of the surface that one does, and the room between
    charts those of the nearest texels, so that neither bilinear reads nor mipmaps find anything else at a seam.
    """
    texels = rasterize_uvs(unwrapping, size)
    is_surface = texels.faces >= 0
    picture = np.zeros((size, size, 3), np.uint8)
    if not is_surface.any():
        return picture
    points, blended = _blend_texels(mesh, texels.faces[is_surface], texels.weights[is_surface], views)
    picture[is_surface] = to_uint8(fill_unseen(points, blended))
    return dilated(picture, is_surface)


def _blend_texels(
    mesh: Mesh, faces: Int32[ndarray, " texels"], weights: Float32[ndarray, "texels 2"], views: list[PreparedView]
) -> tuple[Float32[ndarray, "texels 3"], BlendedColors]:
    """Return the texels' points on the surface and what the views show there; part by part, to save memory."""
    normals = vertex_normals(mesh).astype(np.float32)
    points, colors = np.empty((len(faces), 3), np.float32), np.empty((len(faces), 3), np.float32)
    known = np.empty(len(faces), np.float32)
    for start in range(0, len(faces), TEXELS_AT_ONCE):
        part = slice(start, start + TEXELS_AT_ONCE)
        corners = mesh.faces[faces[part]]
        points[part] = on_faces(mesh.vertices, corners, weights[part])
        blended = blend_views(points[part], on_faces(normals, corners, weights[part], is_unit=True), views)
        colors[part], known[part] = blended.rgb_srgb, blended.weights
    return points, BlendedColors(colors, known)


def on_faces(
    values: Float[ndarray, "vertices d"],
    corners: Int32[ndarray, "points 3"],
    weights: Float32[ndarray, "points 2"],
    *,
    is_unit: bool = False,
) -> Float32[ndarray, "points d"]:
    """Interpolate values at the vertices to points on faces, given each face's corners; ``is_unit`` normalises."""
    a, b = weights[:, :1], weights[:, 1:]
    mixed = a * values[corners[:, 0]] + b * values[corners[:, 1]] + (1 - a - b) * values[corners[:, 2]]
    if is_unit:
        mixed /= np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), 1e-12)
    return mixed.astype(np.float32)


def dilated(
    picture: UInt8[ndarray, "height width 3"], is_surface: Bool[ndarray, "height width"]
) -> UInt8[ndarray, "height width 3"]:
    """Return the picture with everything between charts in the colour of the nearest texel of a chart."""
    nearest = ndimage.distance_transform_edt(~is_surface, return_distances=False, return_indices=True)
    rows, columns = np.asarray(nearest)
    return picture[rows, columns]


def rasterize_uvs(unwrapping: Unwrapping, size: int) -> Texels:
    """Find the face under each texel's centre; of faces that overlap, the first one wins."""
    faces = np.full((size, size), -1, np.int32)
    weights = np.zeros((size, size, 2), np.float32)
    _rasterize(unwrapping.uvs.astype(np.float64) * size, unwrapping.uv_faces, faces, weights)
    return Texels(faces, weights)


@njit(cache=True, nogil=True)
@no_type_check
def _rasterize(corners, triangles, faces, weights):
    """Draw triangles [F, 3] with corners [U, 2] in texels into faces and weights, in place."""
    size = len(faces)
    for f in range(len(triangles)):
        ax, ay = corners[triangles[f, 0]]
        bx, by = corners[triangles[f, 1]]
        cx, cy = corners[triangles[f, 2]]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area == 0:
            continue
        first_x, last_x = max(0, int(np.ceil(min(ax, bx, cx) - 0.5))), min(size - 1, int(max(ax, bx, cx) - 0.5))
        first_y, last_y = max(0, int(np.ceil(min(ay, by, cy) - 0.5))), min(size - 1, int(max(ay, by, cy) - 0.5))
        for row in range(first_y, last_y + 1):
            y = row + 0.5
            for column in range(first_x, last_x + 1):
                x = column + 0.5
                wa = ((bx - x) * (cy - y) - (by - y) * (cx - x)) / area
                wb = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) / area
                is_inside = wa >= -EDGE_SLACK and wb >= -EDGE_SLACK and wa + wb <= 1 + EDGE_SLACK
                if is_inside and faces[row, column] < 0:
                    faces[row, column] = f
                    weights[row, column, 0] = wa
                    weights[row, column, 1] = wb
