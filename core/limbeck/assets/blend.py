# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The colours of points on a surface, blended from pictures of it: for vertices and for texels alike.

A picture counts for a point by

    bilinear(reliability, same surface) * max(cos, 0)^facing_power * (pixels per unit)^2

with cos between the surface's normal and the direction to the camera. "Same surface" is a depth test against the mesh
for each of the four pixels round the point, so that nothing bleeds across an outline.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import no_type_check

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from numba import njit
from numpy import ndarray
from scipy import ndimage
from scipy.spatial import KDTree

from limbeck.assets.mesh import Mesh
from limbeck.assets.render import NEAR, rasterize_view

MIN_ALPHA = 0.5
FULL_ALPHA = 0.95
STEEP = 4.0
"""Depth per width of a pixel at which a surface stops being one: it is then seen at more than 75 degrees."""
EDGE_WEIGHT = 0.01
"""How much a sample beside a silhouette counts: splats smear across it."""
EDGE_SHARE = 1 / 192
"""How far, as a share of the picture's height."""
FACING_POWER = 2.0
"""What Gaussians learn of a light that moves with the camera is a mean over angles; steeper powers pick the glare."""
MIN_WEIGHT = 1e-3
"""Below this a point is not seen: at most along an outline or at a grazing angle, where its neighbours know better."""
MAX_KNOWN = 200_000
"""As many seen points know enough to fill in the others."""
POINTS_AT_ONCE = 1 << 16


@dataclass(frozen=True)
class ColorView:
    """One rendered picture and its camera.

    Attributes:
        rgb_srgb: sRGB-encoded colours 0 to 1.
        alpha: opacity 0 to 1.
        viewmat: world to camera, OpenCV axes.
        K: intrinsics in pixels; the centre of the top left pixel is at (0.5, 0.5).
        background_srgb: what ``rgb_srgb`` was composited over; it is taken out again. None leaves the colours alone.
    """

    rgb_srgb: Float32[ndarray, "height width 3"]
    alpha: Float32[ndarray, "height width"]
    viewmat: Float[ndarray, "4 4"]
    K: Float[ndarray, "3 3"]
    background_srgb: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class BlendedColors:
    """Colours of points.

    Attributes:
        rgb_srgb: 0 to 1; 0 where the weight is 0.
        weights: how well the views know each point, from 0 (hidden from all); 1 is about one view straight on.
    """

    rgb_srgb: Float32[ndarray, "points 3"]
    weights: Float32[ndarray, " points"]


@dataclass(frozen=True)
class PreparedView:
    """A picture without its background, the mesh's depth in it, and how far each pixel can be trusted, 0 to 1."""

    rgb_srgb: Float32[ndarray, "height width 3"]
    depth: Float32[ndarray, "height width"]
    reliability: Float32[ndarray, "height width"]
    viewmat: Float[ndarray, "4 4"]
    K: Float[ndarray, "3 3"]


def prepare_views(mesh: Mesh, views: list[ColorView]) -> list[PreparedView]:
    """Draw the mesh's depth into each view, and find out which pixels show its surface."""
    return [_prepared(mesh, view) for view in views]


def blend_views(
    points: Float[ndarray, "points 3"],
    normals: Float[ndarray, "points 3"],
    views: list[PreparedView],
    *,
    facing_power: float = FACING_POWER,
) -> BlendedColors:
    """Return what the views show of each point of a surface; no thread count changes a bit of it."""
    rgb, weights = np.zeros((len(points), 3), np.float32), np.zeros(len(points), np.float32)
    densities = [view.K[0, 0] / max(float(np.linalg.norm(view.viewmat[:3, 3])), NEAR) for view in views]
    densest = max(densities, default=1.0)

    def blend(start: int) -> None:
        part = slice(start, start + POINTS_AT_ONCE)
        surface = (np.ascontiguousarray(points[part], np.float64), np.ascontiguousarray(normals[part], np.float64))
        for view in views:
            pictures = (view.rgb_srgb, view.depth, view.reliability)
            camera = (view.viewmat.astype(np.float64), view.K.astype(np.float64))
            _add_view(surface, pictures, camera, (facing_power, densest), (rgb[part], weights[part]))
        rgb[part] /= np.maximum(weights[part], np.float32(1e-20))[:, None]

    with ThreadPoolExecutor(min(torch.get_num_threads(), os.cpu_count() or 1)) as pool:
        list(pool.map(blend, range(0, len(points), POINTS_AT_ONCE)))
    return BlendedColors(rgb, weights)


def fill_unseen(points: Float[ndarray, "points 3"], blended: BlendedColors) -> Float32[ndarray, "points 3"]:
    """Return all colours; points that no view knows take the mean of the four nearest known ones, nearer ones more.

    Without any known point all are middle grey.
    """
    is_seen = blended.weights > MIN_WEIGHT
    if not is_seen.any():
        return np.full_like(blended.rgb_srgb, 0.5)
    seen = np.flatnonzero(is_seen)
    seen = seen[:: -(-len(seen) // MAX_KNOWN)]
    distances, nearest = nearest_points(points[seen], points[~is_seen], 4)
    weights = 1.0 / np.maximum(distances, 1e-9)
    filled = blended.rgb_srgb.copy()
    filled[~is_seen] = np.einsum("nk,nkc->nc", weights / weights.sum(1, keepdims=True), blended.rgb_srgb[seen[nearest]])
    return filled


def nearest_points(
    points: Float[ndarray, "points 3"], queries: Float[ndarray, "queries 3"], count: int
) -> tuple[Float[ndarray, "queries k"], Int[ndarray, "queries k"]]:
    """Return distances and numbers of the ``count`` points nearest to each query, or of all if there are fewer."""
    count = min(count, len(points))
    distances, numbers = KDTree(points).query(queries, k=count)
    return np.reshape(distances, (len(queries), count)), np.reshape(numbers, (len(queries), count))


@njit(cache=True, nogil=True)
@no_type_check
def _add_view(surface, pictures, camera, constants, sums):
    """Add one view to the sums of each point.

    Args:
        surface: positions and unit normals [N, 3].
        pictures: colours [H, W, 3], depth [H, W] and reliability [H, W].
        camera: viewmat [4, 4] and K [3, 3].
        constants: facing_power, and the pixels per unit that count 1.
        sums: of weighted colours [N, 3] and weights [N], changed in place.
    """
    points, normals = surface
    rgb, depth, reliability = pictures
    viewmat, K = camera
    facing_power, densest = constants
    colors, weights = sums
    height, width = depth.shape
    for n in range(len(points)):
        px, py, pz = points[n]
        x = viewmat[0, 0] * px + viewmat[0, 1] * py + viewmat[0, 2] * pz + viewmat[0, 3]
        y = viewmat[1, 0] * px + viewmat[1, 1] * py + viewmat[1, 2] * pz + viewmat[1, 3]
        z = viewmat[2, 0] * px + viewmat[2, 1] * py + viewmat[2, 2] * pz + viewmat[2, 3]
        if z <= NEAR:
            continue
        facing = 0.0
        for axis in range(3):
            # The direction to the camera is -(x, y, z) in the camera's axes.
            facing -= normals[n, axis] * (viewmat[0, axis] * x + viewmat[1, axis] * y + viewmat[2, axis] * z)
        if facing <= 0:
            continue
        facing /= np.sqrt(x * x + y * y + z * z)
        u, v = K[0, 0] * x / z + K[0, 2] - 0.5, K[1, 1] * y / z + K[1, 2] - 0.5
        if not (-1 < u < width and -1 < v < height):
            continue
        column, row = int(np.floor(u)), int(np.floor(v))
        tolerance = STEEP * z / K[0, 0]
        scale = facing**facing_power * (K[0, 0] / z / densest) ** 2
        for j in range(max(row, 0), min(row + 2, height)):
            for i in range(max(column, 0), min(column + 2, width)):
                if abs(depth[j, i] - z) < tolerance:
                    weight = (1 - abs(i - u)) * (1 - abs(j - v)) * reliability[j, i] * scale
                    weights[n] += weight
                    for axis in range(3):
                        colors[n, axis] += weight * rgb[j, i, axis]


def _prepared(mesh: Mesh, view: ColorView) -> PreparedView:
    height, width = view.alpha.shape
    depth = rasterize_view(mesh, view.viewmat, view.K, width, height).depth
    reliability = pixel_reliability(view.alpha, depth, float(view.K[0, 0])).astype(np.float32)
    return PreparedView(straight_colors(view).astype(np.float32), depth, reliability, view.viewmat, view.K)


def pixel_reliability(
    alpha: Float32[ndarray, "height width"], depth: Float32[ndarray, "height width"], focal: float
) -> Float[ndarray, "height width"]:
    """Return how far each pixel's colour belongs to the mesh's surface there, 0 to 1.

    It falls to 0 with opacity (background shines through) and to ``EDGE_WEIGHT`` beside jumps of the mesh's depth
    (``focal`` in pixels tells jumps from slopes).
    """
    opacity = np.clip((alpha - MIN_ALPHA) / (FULL_ALPHA - MIN_ALPHA), 0.0, 1.0)
    reach = max(1, round(len(depth) * EDGE_SHARE))
    low, high = ndimage.minimum_filter(depth, 3), ndimage.maximum_filter(depth, 3)
    is_edge = (high - low) > 2 * STEEP * high / focal
    if reach > 1:
        is_edge = ndimage.maximum_filter(is_edge, 2 * reach - 1)
    return opacity * np.where(is_edge, EDGE_WEIGHT, 1.0) * (depth > 0)


def straight_colors(view: ColorView) -> Float[ndarray, "height width 3"]:
    """Return the view's colours without its background; where alpha is low they mean nothing."""
    if view.background_srgb is None:
        return view.rgb_srgb
    alpha = view.alpha[..., None]
    return np.clip(
        (view.rgb_srgb - (1 - alpha) * np.asarray(view.background_srgb, np.float32)) / np.maximum(alpha, 0.1), 0.0, 1.0
    )
