# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The density of a cloud of Gaussians on a regular grid.

    density(x) = sum_i opacity_i exp(-1/2 (x - mu_i)^T Sigma_i^-1 (x - mu_i))

Each Gaussian touches only the nodes within three standard deviations. The kernel is serial and adds Gaussians in their
order, so the same cloud gives the same bits whatever the number of threads; it releases the GIL.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from jaxtyping import Float, Float32
from numba import njit
from numpy import ndarray

from limbeck.assets.cloud import GaussianArrays, rotation_matrices

SUPPORT_SIGMAS = 3.0
MIN_SCALE_IN_CELLS = 0.5
"""Thinner Gaussians are thickened to this, else they could slip between the nodes."""


@dataclass(frozen=True)
class DensityGrid:
    """A density sampled at ``origin + spacing * (i, j, k)``.

    Attributes:
        values: density, not negative.
        origin: world position of node (0, 0, 0).
        spacing: distance of neighbouring nodes, the same along all axes.
    """

    values: Float32[ndarray, "nx ny nz"]
    origin: Float[ndarray, "3"]
    spacing: float


def grid_nodes(
    resolution: int, low: Float[ndarray, "3"], high: Float[ndarray, "3"]
) -> tuple[Float[ndarray, "nx ny nz 3"], float]:
    """Return the nodes of a grid from ``low`` to ``high``, and their spacing: ``density_grid``'s own."""
    spacing = max(float((high - low).max()), 1e-6) / resolution
    axes = [low[i] + spacing * np.arange(math.ceil((high - low)[i] / spacing - 1e-6) + 1) for i in range(3)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1), spacing


def density_grid(
    cloud: GaussianArrays, resolution: int, low: Float[ndarray, "3"], high: Float[ndarray, "3"]
) -> DensityGrid:
    """Sample the density in the box from ``low`` to ``high`` with ``resolution`` cells along its longest side."""
    spacing = max(float((high - low).max()), 1e-6) / resolution
    shape = tuple(math.ceil(cells - 1e-6) + 1 for cells in (high - low) / spacing)
    values = np.zeros(shape, np.float32)
    scales = np.maximum(cloud.scales.astype(np.float64), MIN_SCALE_IN_CELLS * spacing)
    rotations = rotation_matrices(cloud.quats)
    precisions = np.einsum("nij,nj,nkj->nik", rotations, scales**-2, rotations)
    extents = SUPPORT_SIGMAS * np.sqrt(np.einsum("nij,nj->ni", rotations**2, scales**2))
    offsets = cloud.means.astype(np.float64) - low
    _splat(values, spacing, (offsets, precisions, extents, cloud.opacities.astype(np.float64)))
    return DensityGrid(values, np.asarray(low, np.float64), spacing)


@njit(cache=True, nogil=True)
@no_type_check
def _splat(values, spacing, gaussians):
    """Add every Gaussian to the grid.

    Args:
        values: densities [nx, ny, nz], changed in place.
        spacing: distance of neighbouring nodes.
        gaussians: centres from node (0, 0, 0), inverse covariances, half the sizes of their boxes, and opacities.
    """
    nx, ny, _ = values.shape
    offsets, precisions, extents, opacities = gaussians
    for n in range(len(offsets)):
        step = math.exp(-precisions[n, 2, 2] * spacing * spacing)
        first_i = max(0, math.ceil((offsets[n, 0] - extents[n, 0]) / spacing))
        last_i = min(nx - 1, math.floor((offsets[n, 0] + extents[n, 0]) / spacing))
        first_j = max(0, math.ceil((offsets[n, 1] - extents[n, 1]) / spacing))
        last_j = min(ny - 1, math.floor((offsets[n, 1] + extents[n, 1]) / spacing))
        for i in range(first_i, last_i + 1):
            dx = i * spacing - offsets[n, 0]
            for j in range(first_j, last_j + 1):
                dy = j * spacing - offsets[n, 1]
                a = precisions[n, 2, 2]
                b = precisions[n, 0, 2] * dx + precisions[n, 1, 2] * dy
                c = precisions[n, 0, 0] * dx * dx + 2 * precisions[n, 0, 1] * dx * dy + precisions[n, 1, 1] * dy * dy
                _splat_row(values[i, j], spacing, offsets[n, 2], (a, b, c), (opacities[n], step))


@njit(cache=True, nogil=True)
@no_type_check
def _splat_row(row, spacing, offset_z, quadratic, opacity_and_step):
    """Add one Gaussian to the nodes of one row along z.

    Along the row the squared distance in sigmas is a quadratic a dz^2 + 2 b dz + c, so the support is one interval, and
    neighbouring values have ratios that themselves change by the constant factor exp(-a spacing^2): two products per
    node instead of an exponential.
    """
    a, b, c = quadratic
    opacity, step = opacity_and_step
    discriminant = b * b - a * (c - SUPPORT_SIGMAS * SUPPORT_SIGMAS)
    if discriminant < 0:
        return
    half_width = math.sqrt(discriminant) / a
    first = max(0, math.ceil((offset_z - b / a - half_width) / spacing))
    last = min(len(row) - 1, math.floor((offset_z - b / a + half_width) / spacing))
    dz = first * spacing - offset_z
    value = opacity * math.exp(-0.5 * (a * dz * dz + 2 * b * dz + c))
    ratio = math.exp(-0.5 * (a * (2 * dz + spacing) + 2 * b) * spacing)
    for k in range(first, last + 1):
        row[k] += value
        value *= ratio
        ratio *= step
