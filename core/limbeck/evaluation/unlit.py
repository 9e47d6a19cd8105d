# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Many unlit pictures of one asset, fast: what ``render_mesh`` draws flat before black, without depth and normals."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import no_type_check

import numpy as np
from jaxtyping import Float, Float32, UInt8
from numba import njit
from numpy import ndarray

from limbeck.assets.mesh import Mesh
from limbeck.assets.render import rasterize_view
from limbeck.cameras import Cameras

SUPERSAMPLING = 2


def draw_unlit(mesh: Mesh, cameras: Cameras) -> UInt8[ndarray, "views height width 3"]:
    """Draw the texture, else the vertex colours, before black; each pixel is the mean of four samples."""
    size = (cameras.width, cameras.height)
    viewmats, Ks = cameras.viewmats.numpy(), cameras.Ks.numpy()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return np.stack(list(pool.map(lambda viewmat, K: _draw(mesh, viewmat, K, size), viewmats, Ks)))


def _draw(
    mesh: Mesh, viewmat: Float[ndarray, "4 4"], K: Float[ndarray, "3 3"], size: tuple[int, int]
) -> UInt8[ndarray, "height width 3"]:
    fine_K = K * np.array([SUPERSAMPLING, SUPERSAMPLING, 1.0])[:, None]
    seen = rasterize_view(mesh, viewmat, fine_K, size[0] * SUPERSAMPLING, size[1] * SUPERSAMPLING)
    picture = np.zeros((size[1], size[0], 3), np.float32)
    if mesh.texture is None:
        _shade_vertices((seen.faces, seen.weights), mesh.faces, mesh.colors_srgb, picture)
    else:
        texture = mesh.texture
        _shade_texture((seen.faces, seen.weights), texture.uv_faces, texture.uvs, texture.base_color_srgb, picture)
    return _rounded(picture / SUPERSAMPLING**2)


def _rounded(picture: Float32[ndarray, "height width 3"]) -> UInt8[ndarray, "height width 3"]:
    return (np.clip(picture, 0, 255) + 0.5).astype(np.uint8)


@njit(cache=True, nogil=True)
@no_type_check
def _shade_vertices(fragments, faces, colors, picture):
    """Add every sample's interpolated colour, 0 to 255, to its pixel."""
    seen, weights = fragments
    for row in range(seen.shape[0]):
        for column in range(seen.shape[1]):
            face = seen[row, column]
            if face < 0:
                continue
            for corner in range(3):
                vertex, weight = faces[face, corner], weights[row, column, corner]
                for channel in range(3):
                    color = np.float32(colors[vertex, channel])
                    picture[row // SUPERSAMPLING, column // SUPERSAMPLING, channel] += weight * color


@njit(cache=True, nogil=True)
@no_type_check
def _shade_texture(fragments, uv_faces, uvs, base_color, picture):
    """Add every sample's colour in the picture, bilinear as ``sample_bilinear``, 0 to 255, to its pixel."""
    seen, weights = fragments
    height, width, _ = base_color.shape
    for row in range(seen.shape[0]):
        for column in range(seen.shape[1]):
            face = seen[row, column]
            if face < 0:
                continue
            u, v = 0.0, 0.0
            for corner in range(3):
                weight, uv = weights[row, column, corner], uv_faces[face, corner]
                u += weight * uvs[uv, 0]
                v += weight * uvs[uv, 1]
            x = min(max(u * width - 0.5, 0.0), width - 1.0)
            y = min(max(v * height - 0.5, 0.0), height - 1.0)
            left, top = min(int(x), width - 2), min(int(y), height - 2)
            share_x, share_y = x - left, y - top
            for channel in range(3):
                upper = base_color[top, left, channel] * (1 - share_x) + base_color[top, left + 1, channel] * share_x
                lower = (
                    base_color[top + 1, left, channel] * (1 - share_x)
                    + base_color[top + 1, left + 1, channel] * share_x
                )
                color = upper * (1 - share_y) + lower * share_y
                picture[row // SUPERSAMPLING, column // SUPERSAMPLING, channel] += np.float32(color)
