# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A representation to a coloured mesh: the same chain for live previews and for the asset, at two resolutions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from limbeck.assets.bake import textured
from limbeck.assets.blend import ColorView, PreparedView, prepare_views
from limbeck.assets.clean import clean_mesh
from limbeck.assets.cloud import GaussianArrays
from limbeck.assets.delight import delit
from limbeck.assets.extract import extract_surface
from limbeck.assets.mesh import Mesh, empty_mesh, transform_positions
from limbeck.assets.normal_map import bake_normal_map
from limbeck.assets.simplify import simplify_mesh
from limbeck.assets.texture import TextureSettings
from limbeck.assets.vertex_colors import project_colors
from limbeck.cameras import distance_for, ring_cameras
from limbeck.errors import LimbeckError
from limbeck.representations.meshes.settings import MeshSettings
from limbeck.representations.meshes.surface import MeshSurface, free_surface
from limbeck.representations.representation import Representation
from limbeck.rigs import Placement

PREVIEW_RESOLUTION = 56
FINAL_RESOLUTION = 128
FINAL_BLUR_CELLS = 0.7
PREVIEW_BLUR_CELLS = 0.7
COLOR_RINGS = ((-25.0, 8), (15.0, 12), (50.0, 8))
"""Elevation in degrees and number of views of each ring that colours are taken from."""
SILHOUETTE_RINGS = ((-60.0, 4), (-25.0, 8), (0.0, 16), (25.0, 8), (60.0, 6))
"""The same for silhouettes: flat parts show their thickness from the side."""
SILHOUETTE_PIXELS = 128
"""At least; where a run's own renders are larger, as many as they have. The rasteriser widens Gaussians by half a
pixel, so that finer renders of the same Gaussians have narrower silhouettes."""
FOG_ALPHA = 0.9
"""Where no view shows anything more opaque, as after the first few steps of a run, silhouettes say nothing."""
COLOR_VIEW_PIXELS = (192, 1024)
"""Between these, pictures that colours are taken from are half as large as the texture ..."""
FINER = 1.5
"""... and at most this much larger than those that the run optimised: nobody has seen what finer ones show, such as the
gaps between Gaussians. On the playset this is worth 0.3 dB over pictures four times as large."""
COLOR_FOV_Y_DEG = 40.0
AS_RENDERED = TextureSettings(delight=0.0)
BLACK = (0.0, 0.0, 0.0)


def preview_mesh(representation: Representation) -> Mesh:
    """Return a coarse mesh in quick colours; empty if there is nothing yet."""
    if (own := representation.mesh()) is not None:
        return own
    surface = _surface(representation, PREVIEW_RESOLUTION, PREVIEW_BLUR_CELLS)
    return representation.painted(clean_mesh(surface, smoothing_steps=2))


def final_mesh(
    representation: Representation,
    faces: int,
    texture_size: int = 0,
    *,
    render_size: int = 0,
    texture: TextureSettings = AS_RENDERED,
) -> Mesh:
    """Return the asset's mesh: cleaned, within the face budget, coloured and textured from its renders.

    A mesh whose geometry is locked comes back with the vertices and faces that it has.

    Args:
        representation: what to make a mesh of.
        faces: the budget.
        texture_size: pixels along the texture's edge; 0 leaves it at vertex colours, as does a surface that cannot be
            laid flat: minutes of work are worth more than their texture.
        render_size: pixels along an edge of the pictures that the representation was optimised in; 0 is not known.
        texture: how it is made. A surface that fits the budget whole gets no normal map, which would be flat.

    Raises:
        LimbeckError: E_EMPTY if the representation encloses nothing, E_FACES_TOO_FEW if the budget is too small.
    """
    own = representation.mesh()
    dense = _clean_surface(representation, render_size) if own is None else own
    is_locked = isinstance(representation, MeshSurface) and representation.is_locked
    mesh = dense if is_locked else simplify_mesh(dense, faces)
    views = _color_views(representation, mesh, texture_size, render_size)
    mesh = project_colors(mesh, views) if own is None else representation.painted(mesh)
    try:
        mesh = textured(mesh, views, texture_size) if texture_size else mesh
    except LimbeckError as error:
        if error.code != "E_UNWRAP":
            raise
    mesh = delit(mesh, texture.delight)
    if mesh.texture is None or not texture.normal_map or len(mesh.faces) == len(dense.faces):
        return mesh
    return replace(mesh, texture=replace(mesh.texture, normal_map=bake_normal_map(mesh, mesh.texture, dense)))


def free_mesh(
    representation: Representation, settings: MeshSettings, generator: torch.Generator, *, render_size: int = 0
) -> MeshSurface:
    """Return the mesh of a representation, in its colours, with vertices that learn: what a run refines at its end.

    Raises:
        LimbeckError: E_EMPTY if the representation encloses nothing.
    """
    mesh = simplify_mesh(_clean_surface(representation, render_size), settings.faces)
    painted = project_colors(mesh, _color_views(representation, mesh, 0, render_size))
    return free_surface(painted, settings, generator, representation.device)


def _clean_surface(representation: Representation, render_size: int) -> Mesh:
    """Return the surface within the representation's own silhouettes, cleaned; all of it where they show but fog."""
    rough = _surface(representation, PREVIEW_RESOLUTION, PREVIEW_BLUR_CELLS)
    if not rough.is_empty:
        silhouettes = _views(representation, rough, SILHOUETTE_RINGS, max(SILHOUETTE_PIXELS, render_size))
        is_fog = max(float(view.alpha.max()) for view in silhouettes) < FOG_ALPHA
        for views in (None,) if is_fog else (silhouettes, None):
            mesh = clean_mesh(_surface(representation, FINAL_RESOLUTION, FINAL_BLUR_CELLS, views))
            if not mesh.is_empty:
                return mesh
    raise LimbeckError(
        "E_EMPTY",
        "the run ended with nothing dense enough to be a surface",
        "run more steps, lower regularisers.sparsity with --set, or try another seed",
    )


def _surface(
    representation: Representation, resolution: int, blur_cells: float, views: list[ColorView] | None = None
) -> Mesh:
    density = representation.density()
    if density is None:
        return empty_mesh()
    return extract_surface(density, resolution=resolution, blur_cells=blur_cells, views=views)


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


def _color_views(representation: Representation, mesh: Mesh, texture_size: int, render_size: int) -> list[PreparedView]:
    """Render what the mesh is coloured from, in pictures that suit the texture and the run."""
    smallest, largest = COLOR_VIEW_PIXELS
    finest = round(FINER * render_size) if render_size else largest
    size = max(min(texture_size // 2, finest, largest), smallest)
    return prepare_views(mesh, _views(representation, mesh, COLOR_RINGS, size))


@torch.no_grad()
def _views(
    representation: Representation, mesh: Mesh, rings: tuple[tuple[float, int], ...], size: int
) -> list[ColorView]:
    """Render the representation from all round, over black, framed to the mesh, ``size`` pixels along an edge."""
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
        ).to(representation.device)
        rendering = representation.render(cameras, 0.0)
        images = rendering.rgb.permute(0, 2, 3, 1).cpu().numpy()
        alphas, viewmats, Ks = (t.cpu().numpy() for t in (rendering.alpha[:, 0], cameras.viewmats, cameras.Ks))
        views += [ColorView(images[i], alphas[i], viewmats[i], Ks[i], BLACK) for i in range(count)]
    return views
