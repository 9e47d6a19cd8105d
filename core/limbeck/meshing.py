# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Gaussians to a coloured mesh: the same chain for live previews and for the asset, at two resolutions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from limbeck.assets.bake import textured
from limbeck.assets.blend import ColorView, prepare_views
from limbeck.assets.clean import clean_mesh
from limbeck.assets.cloud import GaussianArrays
from limbeck.assets.extract import extract_mesh
from limbeck.assets.mesh import Mesh, transform_positions
from limbeck.assets.simplify import simplify_mesh
from limbeck.assets.vertex_colors import nearest_colors, project_colors
from limbeck.cameras import distance_for, ring_cameras
from limbeck.errors import LimbeckError
from limbeck.representations.gaussians import Gaussians
from limbeck.rigs import Placement

PREVIEW_RESOLUTION = 56
FINAL_RESOLUTION = 128
FINAL_BLUR_CELLS = 0.7
SURFACE_DENSITY = 0.1
"""Distilled surfaces are stacks of translucent Gaussians: at 0.3, thin parts such as beaks fall out of the mesh."""
COLOR_RINGS = ((-25.0, 8), (15.0, 12), (50.0, 8))
"""Elevation in degrees and number of views of each ring that colours are taken from."""
SILHOUETTE_RINGS = ((-60.0, 4), (-25.0, 8), (0.0, 16), (25.0, 8), (60.0, 6))
"""The same for silhouettes: flat parts show their thickness from the side."""
SILHOUETTE_PIXELS = 128
"""About the pixels of the runs' own renders. The rasteriser widens Gaussians by half a pixel, so that finer renders
of the same Gaussians have narrower silhouettes."""
COLOR_VIEW_PIXELS = (192, 1024)
"""Between these, pictures are half as large as the texture."""
COLOR_FOV_Y_DEG = 40.0
BLACK = (0.0, 0.0, 0.0)


def preview_mesh(gaussians: Gaussians) -> Mesh:
    """Return a coarse mesh with the nearest Gaussians' colours, quickly; empty if there is nothing yet."""
    cloud = gaussians.cloud()
    mesh = extract_mesh(cloud, resolution=PREVIEW_RESOLUTION, threshold=SURFACE_DENSITY)
    return nearest_colors(clean_mesh(mesh, smoothing_steps=2), cloud)


def final_mesh(gaussians: Gaussians, faces: int, texture_size: int = 0) -> Mesh:
    """Return the asset's mesh: cleaned, within the face budget, coloured and textured as the Gaussians render.

    Args:
        gaussians: what to make a mesh of.
        faces: the budget.
        texture_size: pixels along the texture's edge; 0 leaves it at vertex colours, as does a surface that cannot be
            laid flat: minutes of work are worth more than their texture.

    Raises:
        LimbeckError: E_EMPTY if the Gaussians enclose nothing.
    """
    rough = extract_mesh(gaussians.cloud(), resolution=PREVIEW_RESOLUTION, threshold=SURFACE_DENSITY)
    surface = rough if rough.is_empty else _carved_surface(gaussians, rough)
    mesh = clean_mesh(surface)
    if mesh.is_empty:
        raise LimbeckError(
            "E_EMPTY",
            "the run ended with nothing dense enough to be a surface",
            "run more steps, lower regularisers.sparsity with --set, or try another seed",
        )
    mesh = simplify_mesh(mesh, faces)
    smallest, largest = COLOR_VIEW_PIXELS
    size = min(max(texture_size // 2, smallest), largest)
    views = prepare_views(mesh, _views(gaussians, mesh, COLOR_RINGS, size))
    mesh = project_colors(mesh, views)
    try:
        return textured(mesh, views, texture_size) if texture_size else mesh
    except LimbeckError as error:
        if error.code != "E_UNWRAP":
            raise
        return mesh


def _carved_surface(gaussians: Gaussians, rough: Mesh) -> Mesh:
    """Return the dense Gaussians' surface within their own silhouettes."""
    return extract_mesh(
        gaussians.cloud(),
        resolution=FINAL_RESOLUTION,
        threshold=SURFACE_DENSITY,
        blur_cells=FINAL_BLUR_CELLS,
        views=_views(gaussians, rough, SILHOUETTE_RINGS, SILHOUETTE_PIXELS),
    )


def placed(mesh: Mesh, placement: Placement) -> Mesh:
    """Return the mesh moved from the unit ball to where the artist wants it."""
    if placement == Placement():
        return mesh
    centre = np.asarray(placement.centre)
    return transform_positions(mesh, lambda vertices: vertices * placement.radius + centre)


def placed_cloud(cloud: GaussianArrays, placement: Placement) -> GaussianArrays:
    """Return the Gaussians moved and scaled as ``placed`` moves the mesh."""
    if placement == Placement():
        return cloud
    means = cloud.means * placement.radius + np.asarray(placement.centre)
    scales = cloud.scales * np.float32(placement.radius)
    return replace(cloud, means=means.astype(np.float32), scales=scales.astype(np.float32))


@torch.no_grad()
def _views(gaussians: Gaussians, mesh: Mesh, rings: tuple[tuple[float, int], ...], size: int) -> list[ColorView]:
    """Render the Gaussians from all round, over black, framed to the mesh, ``size`` pixels along an edge."""
    reach = float(np.linalg.norm(mesh.vertices, axis=1).max())
    distance = distance_for(COLOR_FOV_Y_DEG, 1.15 * reach) + 0.2 * reach
    views: list[ColorView] = []
    for elevation_deg, count in rings:
        cameras = ring_cameras(
            count,
            elevation_deg=elevation_deg,
            fov_y_deg=COLOR_FOV_Y_DEG,
            distance=distance,
            size=size,
        ).to(gaussians.device)
        rendering = gaussians.render(cameras, 0.0)
        images = rendering.rgb.permute(0, 2, 3, 1).cpu().numpy()
        alphas, viewmats, Ks = (t.cpu().numpy() for t in (rendering.alpha[:, 0], cameras.viewmats, cameras.Ks))
        views += [ColorView(images[i], alphas[i], viewmats[i], Ks[i], BLACK) for i in range(count)]
    return views
