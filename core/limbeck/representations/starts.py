# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Gaussians and fields that start as a given shape instead of a ball of fog."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from scipy.spatial import KDTree
from torch import Tensor

from limbeck.assets.extract import SEAL_SHARE, hollow_nodes
from limbeck.representations.field.settings import FieldSettings
from limbeck.representations.field.voxels import SURFACE_DENSITY, VoxelField, node_positions, raw_density
from limbeck.representations.gaussians import Gaussians, GaussianSettings
from limbeck.representations.shape import Shape

SHAPE_OPACITY = 0.5
"""Opacity of Gaussians that start on a surface: fog's would let the eye through a single layer of them."""
SAMPLES = 50_000
NEIGHBOURS = 3
SHELL = 0.6
"""Cells from a surface within which a node belongs to its shell: above a half, so that a closed surface's is closed."""
FALL = 2.0
"""How much the density before its activation falls per cell outside of a shape."""
COLOR_NOISE = 0.2
"""Of colours before the sigmoid, also round a shape's own colours (GaussianDreamer, section 3.3, jitters them too)."""


def gaussians_from(
    shape: Shape, settings: GaussianSettings, generator: torch.Generator, device: torch.device
) -> Gaussians:
    """Return ``settings.count`` Gaussians on a surface, or on and beside the points of a cloud.

    They reach half as far as their neighbours are, so that together they look like the surface.
    """
    points, colors = shape.sampled(settings.count, _seed(generator))
    spacing = _spacing(points)
    means = torch.from_numpy(points).float()
    if shape.faces is None:  # points drawn more than once must not coincide
        repeated = torch.arange(len(means)) >= len(shape.points)
        noise = torch.randn(means.shape, generator=generator)
        typical = float(np.median(spacing[spacing > 0])) if (spacing > 0).any() else 0.01
        spacing = np.maximum(spacing, 0.5 * typical)
        means = torch.where(repeated[:, None], means + 0.5 * typical * noise, means)
    scales = torch.from_numpy(spacing / 2).float().clamp_min(1e-4)
    parameters = {
        "means": means,
        "log_scales": scales.log()[:, None].repeat(1, 3),
        "quats": torch.nn.functional.normalize(torch.randn(len(means), 4, generator=generator), dim=-1),
        "opacity_logits": torch.logit(torch.tensor(SHAPE_OPACITY)).expand(len(means)),
        "color_logits": _color_logits(colors, (len(means), 3), generator),
    }
    return Gaussians({name: tensor.to(device) for name, tensor in parameters.items()})


def voxels_from(shape: Shape, settings: FieldSettings, generator: torch.Generator, device: torch.device) -> VoxelField:
    """Return a field that is dense on and inside a shape and thins out around it."""
    points, colors = shape.sampled(max(SAMPLES, min(len(shape.points), 4 * SAMPLES)), _seed(generator))
    nodes = node_positions(settings)
    R, cell = settings.resolution, 2 * settings.half_size / (settings.resolution - 1)
    distances, nearest = KDTree(points).query(nodes.view(-1, 3).numpy())
    distances = np.where(_solid_nodes(distances.reshape(R, R, R) < SHELL * cell), 0.0, distances.reshape(R, R, R))
    outside = torch.from_numpy(distances).float() / cell
    logits = _color_logits(None if colors is None else colors[nearest], (R**3, 3), generator)
    parameters = {
        "densities": (raw_density(2 * SURFACE_DENSITY) - FALL * outside).clamp_min(raw_density(1e-3)),
        "color_logits": logits.view(R, R, R, 3),
    }
    return VoxelField({name: value.to(device) for name, value in parameters.items()}, settings)


def _solid_nodes(is_shell: ndarray) -> ndarray:
    """Return a shell with what it encloses."""
    seal = max(1, round(len(is_shell) * SEAL_SHARE))
    padded = np.pad(is_shell, seal + 2)
    filled = padded | hollow_nodes(padded, seal)
    inner = slice(seal + 2, -(seal + 2))
    return filled[inner, inner, inner]


def _spacing(points: Float[ndarray, "points 3"]) -> Float[ndarray, " points"]:
    """Return each point's mean distance to its nearest neighbours; of a point alone, a tenth."""
    count = min(NEIGHBOURS, len(points) - 1)
    if count == 0:
        return np.full(len(points), 0.1)
    found = KDTree(points).query(points, k=count + 1)[0]
    return found[:, 1:].mean(1)


def _color_logits(
    colors: Float[ndarray, "n 3"] | None, size: tuple[int, int], generator: torch.Generator
) -> Float[Tensor, "n 3"]:
    noise = COLOR_NOISE * torch.randn(size, generator=generator)
    if colors is None:
        return noise
    return torch.logit(torch.from_numpy(colors).float(), eps=0.02) + noise


def _seed(generator: torch.Generator) -> int:
    return int(torch.randint(2**31, (), generator=generator))
