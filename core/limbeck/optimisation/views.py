# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The views of one step: their cameras, their neighbours, and what a term sees of them."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from limbeck.cameras import Cameras, rotation_about
from limbeck.config import Recipe
from limbeck.priors.prior import PriorSpec
from limbeck.rigs import Rig, sample_cameras


def sample_views(recipe: Recipe, rig: Rig, spec: PriorSpec, progress: float, generator: torch.Generator) -> Cameras:
    """Draw the cameras of one step: ``recipe.views``, of which the second half are neighbours where it wants any.

    Neighbours of four orthogonal views are four orthogonal views again.
    """
    size = round(recipe.render_size(progress)) or spec.image_size
    count = recipe.views // 2 if recipe.neighbours_deg else recipe.views
    cameras = sample_cameras(rig, spec, count, size, generator, are_orthogonal=recipe.needs_orthogonal_views)
    return with_neighbours(cameras, recipe.neighbours_deg) if recipe.neighbours_deg else cameras


def with_neighbours(cameras: Cameras, degrees: float) -> Cameras:
    """Append every camera turned about the world's z axis, counter-clockwise seen from above."""
    count = len(cameras.c2w)
    up = torch.tensor([0.0, 0.0, 1.0]).to(cameras.c2w).expand(count, 3)
    turned = rotation_about(up, torch.full((count,), degrees).to(cameras.c2w)) @ cameras.c2w
    return replace(
        cameras,
        c2w=torch.cat([cameras.c2w, turned]),
        Ks=cameras.Ks.repeat(2, 1, 1),
        elevation_deg=cameras.elevation_deg.repeat(2),
        azimuth_deg=torch.cat([cameras.azimuth_deg, cameras.azimuth_deg + degrees]),
    )


def neighbour_pairs(views: int) -> Int[Tensor, "pairs 2"]:
    """Return which views are neighbours in what ``with_neighbours`` returned."""
    first = torch.arange(views // 2)
    return torch.stack([first, first + views // 2], -1)


def fit_to(rgb: Float[Tensor, "views 3 H W"], size: int) -> Float[Tensor, "views 3 size size"]:
    """Resize images to the pixels that a prior takes."""
    if rgb.shape[-1] == size:
        return rgb
    return torch.nn.functional.interpolate(rgb, (size, size), mode="bilinear", antialias=True)
