# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Colours for vertices: blended from rendered views (the asset), or read from the nearest Gaussians (previews)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int
from numpy import ndarray
from scipy import ndimage
from scipy.spatial import KDTree

from limbeck.assets.cloud import GaussianArrays
from limbeck.assets.contact_sheet import to_uint8
from limbeck.assets.mesh import Mesh, make_mesh, vertex_normals
from limbeck.assets.render import NEAR, rasterize_view

MIN_ALPHA = 0.5
FULL_ALPHA = 0.95
STEEP = 4.0
"""Depth per width of a pixel at which a surface stops being one: it is then seen at more than 75 degrees."""
MIN_WEIGHT = 1e-3
"""Below this a vertex is not seen: at most along an outline or at a grazing angle, where its neighbours know better."""
EDGE_WEIGHT = 0.01
"""How much a sample beside a silhouette counts: splats smear a pixel or two across it."""


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


def project_colors(mesh: Mesh, views: list[ColorView], *, facing_power: float = 4.0) -> Mesh:
    """Return the mesh with each vertex in the blend of the colours that the views show of it.

    A view counts by the cosine between the vertex normal and the direction to the camera, to ``facing_power``, times
    alpha. It counts only where the mesh itself does not hide the vertex, and hardly where the sample lies beside an
    outline. Vertices that no view sees take the mean of the nearest coloured vertices.
    """
    normals = vertex_normals(mesh)
    sums, weights = np.zeros((len(mesh.vertices), 3)), np.zeros(len(mesh.vertices))
    for view in views:
        colors, reliability = sample_view(mesh, view)
        weight = reliability * facing(mesh, normals, view) ** facing_power
        sums += colors * weight[:, None]
        weights += weight
    is_seen = weights > MIN_WEIGHT
    colors = np.divide(sums, weights[:, None], out=np.full_like(sums, 0.5), where=is_seen[:, None])
    return with_colors(mesh, fill_unseen(mesh, colors, is_seen))


def with_colors(mesh: Mesh, colors_srgb: Float[ndarray, "vertices 3"]) -> Mesh:
    """Return the mesh with opaque colours from sRGB values 0 to 1."""
    opaque = np.full((len(mesh.vertices), 1), 255, np.uint8)
    return make_mesh(mesh.vertices, mesh.faces, np.concatenate([to_uint8(colors_srgb), opaque], axis=1))


def facing(mesh: Mesh, normals: Float[ndarray, "vertices 3"], view: ColorView) -> Float[ndarray, " vertices"]:
    """Return the cosine between each vertex normal and the direction to the camera, 0 where it looks away."""
    camera_centre = -view.viewmat[:3, :3].T @ view.viewmat[:3, 3]
    towards = camera_centre - mesh.vertices
    towards = towards / np.maximum(np.linalg.norm(towards, axis=1, keepdims=True), 1e-12)
    return np.maximum(np.einsum("ij,ij->i", normals, towards), 0.0)


def sample_view(mesh: Mesh, view: ColorView) -> tuple[Float[ndarray, "vertices 3"], Float[ndarray, " vertices"]]:
    """Return each vertex's colour in a view, and how far it can be trusted, 0 (hidden) to 1.

    Of the four pixels round the vertex, only those are mixed that show the vertex's own surface.
    """
    height, width = view.alpha.shape
    depth = rasterize_view(mesh, view.viewmat, view.K, width, height).depth
    pixel_weight = pixel_reliability(view.alpha, depth, float(view.K[0, 0]))
    rgb = straight_colors(view)
    camera_points = mesh.vertices.astype(np.float64) @ view.viewmat[:3, :3].T + view.viewmat[:3, 3]
    z = camera_points[:, 2]
    pixels = (camera_points @ view.K.T)[:, :2] / np.maximum(z, NEAR)[:, None] - 0.5
    tolerance = STEEP * z / view.K[0, 0]
    first = np.floor(pixels).astype(np.int64)
    share = pixels - first
    sums, weights = np.zeros((len(z), 3)), np.zeros(len(z))
    for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1)):
        column, row = first[:, 0] + dx, first[:, 1] + dy
        is_inside = (column >= 0) & (column < width) & (row >= 0) & (row < height) & (z > NEAR)
        column, row = np.where(is_inside, column, 0), np.where(is_inside, row, 0)
        bilinear = np.abs(1 - dx - share[:, 0]) * np.abs(1 - dy - share[:, 1])
        is_same = is_inside & (np.abs(depth[row, column] - z) < tolerance)
        weight = bilinear * is_same * pixel_weight[row, column]
        sums += weight[:, None] * rgb[row, column]
        weights += weight
    return np.divide(sums, weights[:, None], out=sums, where=weights[:, None] > 0), weights


def pixel_reliability(
    alpha: Float32[ndarray, "height width"], depth: Float32[ndarray, "height width"], focal: float
) -> Float[ndarray, "height width"]:
    """Return how far each pixel's colour belongs to the mesh's surface there, 0 to 1.

    It falls to 0 with opacity (background shines through) and to ``EDGE_WEIGHT`` beside jumps of the mesh's depth
    (``focal`` in pixels tells jumps from slopes).
    """
    opacity = np.clip((alpha - MIN_ALPHA) / (FULL_ALPHA - MIN_ALPHA), 0.0, 1.0)
    low, high = ndimage.minimum_filter(depth, 3), ndimage.maximum_filter(depth, 3)
    is_edge = (high - low) > 2 * STEEP * high / focal
    return opacity * np.where(is_edge, EDGE_WEIGHT, 1.0) * (depth > 0)


def straight_colors(view: ColorView) -> Float[ndarray, "height width 3"]:
    """Return the view's colours without its background; where alpha is low they mean nothing."""
    if view.background_srgb is None:
        return view.rgb_srgb
    alpha = view.alpha[..., None]
    return np.clip(
        (view.rgb_srgb - (1 - alpha) * np.asarray(view.background_srgb, np.float32)) / np.maximum(alpha, 0.1), 0.0, 1.0
    )


def fill_unseen(mesh: Mesh, colors: Float[ndarray, "vertices 3"], is_seen: ndarray) -> Float[ndarray, "vertices 3"]:
    """Give vertices that no view sees the mean colour of the four nearest seen ones, the nearer the stronger."""
    if is_seen.all() or not is_seen.any():
        return colors
    seen = np.flatnonzero(is_seen)
    distances, nearest = _nearest(mesh.vertices[seen], mesh.vertices[~is_seen], 4)
    weights = 1.0 / np.maximum(distances, 1e-9)
    filled = colors.copy()
    filled[~is_seen] = np.einsum("nk,nkc->nc", weights / weights.sum(1, keepdims=True), colors[seen[nearest]])
    return filled


def nearest_colors(mesh: Mesh, cloud: GaussianArrays, *, neighbours: int = 6) -> Mesh:
    """Return the mesh in the colours of the Gaussians nearest to each vertex: fast enough for live previews.

    Neighbours count by their opacity and by a Gaussian of their distance, as wide as the nearest one is far.
    """
    if mesh.is_empty:
        return mesh
    distances, nearest = _nearest(cloud.means, mesh.vertices, neighbours)
    widths = np.maximum(distances[:, :1], 1e-6)
    weights = cloud.opacities[nearest] * np.exp(-0.5 * (distances / widths) ** 2) + 1e-12
    weights = weights / weights.sum(1, keepdims=True)
    return with_colors(mesh, np.einsum("nk,nkc->nc", weights, cloud.colors_srgb[nearest].astype(np.float64)))


def _nearest(
    points: Float[ndarray, "points 3"], queries: Float[ndarray, "queries 3"], count: int
) -> tuple[Float[ndarray, "queries k"], Int[ndarray, "queries k"]]:
    """Return distances and numbers of the ``count`` points nearest to each query, or of all if there are fewer."""
    count = min(count, len(points))
    distances, numbers = KDTree(points).query(queries, k=count)
    return np.reshape(distances, (len(queries), count)), np.reshape(numbers, (len(queries), count))
