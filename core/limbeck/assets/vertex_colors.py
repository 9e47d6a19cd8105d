# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Colours for vertices: blended from rendered views (the asset), or read from the nearest Gaussians (previews)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from limbeck.assets.blend import PreparedView, blend_views, fill_unseen, nearest_points
from limbeck.assets.cloud import GaussianArrays
from limbeck.assets.contact_sheet import to_uint8
from limbeck.assets.mesh import Mesh, make_mesh, vertex_normals


def project_colors(mesh: Mesh, views: list[PreparedView]) -> Mesh:
    """Return the mesh with each vertex in the blend of the colours that the views show of it.

    Vertices that no view sees take the mean of the nearest coloured vertices. Texture coordinates are lost.
    """
    blended = blend_views(mesh.vertices, vertex_normals(mesh), views)
    return with_colors(mesh, fill_unseen(mesh.vertices, blended))


def with_colors(mesh: Mesh, colors_srgb: Float[ndarray, "vertices 3"]) -> Mesh:
    """Return the mesh with opaque colours from sRGB values 0 to 1."""
    opaque = np.full((len(mesh.vertices), 1), 255, np.uint8)
    return make_mesh(mesh.vertices, mesh.faces, np.concatenate([to_uint8(colors_srgb), opaque], axis=1))


def nearest_colors(mesh: Mesh, cloud: GaussianArrays, *, neighbours: int = 6) -> Mesh:
    """Return the mesh in the colours of the Gaussians nearest to each vertex: fast enough for live previews.

    Neighbours count by their opacity and by a Gaussian of their distance, as wide as the nearest one is far.
    """
    if mesh.is_empty:
        return mesh
    distances, nearest = nearest_points(cloud.means, mesh.vertices, neighbours)
    widths = np.maximum(distances[:, :1], 1e-6)
    weights = cloud.opacities[nearest] * np.exp(-0.5 * (distances / widths) ** 2) + 1e-12
    weights = weights / weights.sum(1, keepdims=True)
    return with_colors(mesh, np.einsum("nk,nkc->nc", weights, cloud.colors_srgb[nearest].astype(np.float64)))
