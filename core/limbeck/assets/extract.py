# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Meshes from densities: the same code for live previews and, finer, for the asset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Float32
from numpy import ndarray
from scipy import ndimage
from skimage.measure import marching_cubes

from limbeck.assets.blend import ColorView
from limbeck.assets.carve import alpha_ceiling
from limbeck.assets.cloud import GaussianArrays, without_strays
from limbeck.assets.density import SUPPORT_SIGMAS, DensityGrid, density_grid
from limbeck.assets.mesh import Mesh, empty_mesh, make_mesh, require_finite

COARSE_RESOLUTION = 24
SEAL_SHARE = 1 / 32
"""Holes in a shell of up to twice this share of the object's size do not keep it from being filled."""


@runtime_checkable
class DensitySource(Protocol):
    """A shape as a density that can be sampled anywhere."""

    @property
    def surface_density(self) -> float:
        """The density of the surface."""
        ...

    def extent(self) -> tuple[Float[ndarray, "3"], Float[ndarray, "3"]]:
        """Return the corners of a box outside of which the density is zero."""
        ...

    def grid(self, resolution: int, low: Float[ndarray, "3"], high: Float[ndarray, "3"]) -> DensityGrid:
        """Sample the box from ``low`` to ``high`` with ``resolution`` cells along its longest side."""
        ...


@dataclass(frozen=True)
class CloudDensity:
    """The density of at least one Gaussian; one opaque Gaussian alone has 1 at its centre."""

    cloud: GaussianArrays
    surface_density: float = 0.3

    def extent(self) -> tuple[Float[ndarray, "3"], Float[ndarray, "3"]]:
        """Return the box that all Gaussians reach."""
        reach = SUPPORT_SIGMAS * self.cloud.scales.max(1, keepdims=True)
        return (self.cloud.means - reach).min(0), (self.cloud.means + reach).max(0)

    def grid(self, resolution: int, low: Float[ndarray, "3"], high: Float[ndarray, "3"]) -> DensityGrid:
        """Sample the density in a box."""
        return density_grid(self.cloud, resolution, low, high)


def cloud_density(cloud: GaussianArrays, surface_density: float = 0.3) -> CloudDensity | None:
    """Return the density of the Gaussians that have not left the scene; None where there are none."""
    kept = without_strays(cloud)
    return CloudDensity(kept, surface_density) if len(kept.means) else None


def extract_mesh(
    cloud: GaussianArrays,
    *,
    resolution: int = 128,
    threshold: float = 0.3,
    fallback_share: float = 0.4,
    blur_cells: float = 0.7,
) -> Mesh:
    """Return the surface on which a cloud's density crosses ``threshold``, as ``extract_surface`` does."""
    source = cloud_density(cloud, threshold)
    if source is None:
        return empty_mesh()
    return extract_surface(source, resolution=resolution, fallback_share=fallback_share, blur_cells=blur_cells)


def extract_surface(
    source: DensitySource,
    *,
    resolution: int = 128,
    fallback_share: float = 0.4,
    blur_cells: float = 0.7,
    views: list[ColorView] | None = None,
) -> Mesh:
    """Return the surface on which a density crosses its ``surface_density``; empty if there is no density at all.

    Args:
        source: the density.
        resolution: grid cells along the longest side of what is dense.
        fallback_share: where no node reaches the surface's density (the fuzzy first steps of a run), the surface is at
            this share of the highest density instead.
        blur_cells: standard deviation of the smoothing in cells; 0 is none.
        views: renders of the cloud that hold all of it, if the surface is to keep inside their silhouettes.
    """
    coarse = source.grid(COARSE_RESOLUTION, *source.extent())
    level = effective_threshold(coarse.values, source.surface_density, fallback_share)
    if level <= 0:
        return empty_mesh()
    # Nodes of the coarse grid can miss a small part's peak, hence half the level and a margin of one cell.
    nodes = np.argwhere(coarse.values > level / 2)
    low = coarse.origin + coarse.spacing * (nodes.min(0) - 1)
    high = coarse.origin + coarse.spacing * (nodes.max(0) + 1)
    grid = source.grid(resolution, low, high)
    level = effective_threshold(grid.values, source.surface_density, fallback_share)
    seal_cells = round(resolution * SEAL_SHARE)
    return mesh_from_density(grid, level, blur_cells=blur_cells, seal_cells=seal_cells, views=views)


def effective_threshold(values: Float32[ndarray, "nx ny nz"], threshold: float, fallback_share: float) -> float:
    """Return ``threshold``, or the share of the highest density if none reaches it; 0 if there is no density."""
    highest = float(values.max(initial=0.0))
    return threshold if highest > threshold else fallback_share * highest


def mesh_from_density(
    grid: DensityGrid,
    threshold: float,
    *,
    blur_cells: float = 0.7,
    seal_cells: int = 2,
    views: list[ColorView] | None = None,
) -> Mesh:
    """Return the closed surface of everything denser than ``threshold`` in any sampled density.

    Hollow shells become solid, also those with holes of up to about ``2 * seal_cells`` cells. Faces look outwards. What
    touches the border of the grid is closed there.

    Args:
        grid: the density; must be finite.
        threshold: positive density of the surface.
        blur_cells: standard deviation of the smoothing in cells; 0 is none.
        seal_cells: how far holes are closed from either side.
        views: what no silhouette of theirs covers is outside (``carve.alpha_ceiling``).

    Raises:
        LimbeckError: E_NOT_FINITE if the density is NaN or infinite.
    """
    require_finite("densities", grid.values)
    margin = seal_cells + 2
    density = np.pad(grid.values, margin)
    # Saturates inside, so that the blur cannot swell very dense parts; the surface is at 1/2 for every threshold.
    occupancy = (1.0 - np.exp2(density * np.float32(-1.0 / threshold))).astype(np.float32)
    occupancy[hollow_nodes(occupancy > 0.5, seal_cells)] = 1.0
    if blur_cells > 0:
        occupancy = ndimage.gaussian_filter(occupancy, blur_cells, truncate=3.0)
    if views:
        inner = occupancy[margin:-margin, margin:-margin, margin:-margin]
        np.minimum(inner, alpha_ceiling(grid, views), out=inner)
    # The blur can only pull a lonely node below the surface; nothing then remains.
    if occupancy.max() <= 0.5:
        return empty_mesh()
    # scikit-image names the directions for a left-handed frame: "ascent" is outwards in ours.
    vertices, faces, _, _ = marching_cubes(occupancy, 0.5, gradient_direction="ascent", allow_degenerate=False)
    return make_mesh(grid.origin + grid.spacing * (vertices.astype(np.float64) - margin), faces)


def hollow_nodes(is_dense: Bool[ndarray, "nx ny nz"], seal_cells: int) -> Bool[ndarray, "nx ny nz"]:
    """Return the nodes inside dense shells, holes of a shell up to about ``2 * seal_cells`` cells notwithstanding.

    A cube that rolls about outside and fits through no hole tells inside from outside. It grows from one node to
    ``seal_cells`` on either side by doubling, because a large cube has no room in small chambers. Outer grooves and
    gaps between parts, where it has no room either, stay open. The border of the grid must be empty that far.
    """
    solid = is_dense
    for cells in (0, *(2**power for power in range(seal_cells.bit_length()))):
        solid = solid | _chamber_nodes(solid, cells)
    return solid & ~is_dense


def _chamber_nodes(is_dense: Bool[ndarray, "nx ny nz"], cells: int) -> Bool[ndarray, "nx ny nz"]:
    """Return the nodes that only a cube reaches, ``cells`` to either side, which cannot get there from the border."""
    labels = np.empty(is_dense.shape, np.int32)
    ndimage.label(~_grown(is_dense, cells), output=labels)
    is_outside = labels == labels[0, 0, 0]
    is_inside = (labels > 0) & ~is_outside
    if not is_inside.any():
        return is_inside
    return _grown(is_inside, cells + 1) & ~_grown(is_outside, cells) & ~is_dense


def _grown(nodes: Bool[ndarray, "nx ny nz"], cells: int) -> Bool[ndarray, "nx ny nz"]:
    """Return the nodes and all others at most ``cells`` away along every axis."""
    if cells == 0 or not nodes.any():
        return nodes
    distances = np.empty(nodes.shape, np.int32)
    ndimage.distance_transform_cdt(~nodes, "chessboard", distances=distances)
    return distances <= cells
