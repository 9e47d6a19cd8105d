# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Make the representation that a recipe asks for, at the start of a run or out of a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from limbeck.config import Recipe
from limbeck.representations.gaussians import initial_gaussians
from limbeck.representations.representation import Representation
from limbeck.representations.splatting import Splatting


def initial_representation(recipe: Recipe, generator: torch.Generator, device: torch.device) -> Representation:
    """Return the recipe's representation before the first step.

    Args:
        recipe: whose kind and settings to take.
        generator: CPU generator of what is random at the start.
        device: where the parameters shall be.
    """
    gaussians = initial_gaussians(recipe.gaussians, generator, device)
    return Splatting(gaussians, recipe.gaussians, recipe.densify)


def restored_representation(
    recipe: Recipe, parameters: Mapping[str, Tensor], buffers: Mapping[str, Tensor]
) -> Representation:
    """Return the representation of the same recipe whose parameters and buffers were saved."""
    return Splatting.restored(parameters, buffers, recipe.gaussians, recipe.densify)
