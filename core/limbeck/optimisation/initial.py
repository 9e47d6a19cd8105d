# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Make the representation that a recipe asks for, at the start of a run or out of a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from limbeck.config import Recipe
from limbeck.errors import LimbeckError
from limbeck.representations.field.hash_grid import HashField, initial_hash_field
from limbeck.representations.field.voxels import VoxelField, initial_voxels
from limbeck.representations.gaussians import initial_gaussians
from limbeck.representations.meshes.surface import MeshSurface, locked_surface
from limbeck.representations.representation import Representation
from limbeck.representations.shape import Shape
from limbeck.representations.splatting import Splatting
from limbeck.representations.starts import gaussians_from, voxels_from


def initial_representation(
    recipe: Recipe, generator: torch.Generator, device: torch.device, start: Shape | None = None
) -> Representation:
    """Return the recipe's representation before the first step.

    Args:
        recipe: whose kind and settings to take.
        generator: CPU generator of what is random at the start.
        device: where the parameters shall be.
        start: a shape in the unit ball to start from, or None for a ball of fog.

    Raises:
        LimbeckError: E_RECIPE_INVALID for representation=mesh without a mesh.
    """
    if recipe.representation == "mesh" and require_start(recipe, start) is not None and start is not None:
        return locked_surface(start, recipe.mesh, generator, device)
    if recipe.representation == "field":
        voxels = (
            initial_voxels(recipe.field, generator, device)
            if start is None
            else voxels_from(start, recipe.field, generator, device)
        )
        return initial_hash_field(voxels, generator) if _is_hashed(recipe, device) else voxels
    gaussians = (
        initial_gaussians(recipe.gaussians, generator, device)
        if start is None
        else gaussians_from(start, recipe.gaussians, generator, device)
    )
    return Splatting(gaussians, recipe.gaussians, recipe.densify)


def restored_representation(
    recipe: Recipe, parameters: Mapping[str, Tensor], buffers: Mapping[str, Tensor]
) -> Representation:
    """Return the representation of the same recipe whose parameters and buffers were saved."""
    if "faces" in buffers:
        return MeshSurface(parameters, recipe.mesh, buffers)
    if "features" in parameters:
        return HashField(parameters, recipe.field, buffers)
    if "densities" in parameters:
        return VoxelField(parameters, recipe.field, buffers["occupancy"])
    return Splatting.restored(parameters, buffers, recipe.gaussians, recipe.densify)


def require_start(recipe: Recipe, start: Shape | None) -> Shape | None:
    """Refuse a recipe for a locked mesh without one, and one whose terms look at a shape that is not there.

    Raises:
        LimbeckError: E_RECIPE_INVALID.
    """
    if recipe.representation == "mesh" and (start is None or start.faces is None):
        raise LimbeckError(
            "E_RECIPE_INVALID",
            f"expected a mesh to start from for representation=mesh, got {'none' if start is None else 'points'}",
            "give one with --init MESH --lock-geometry",
        )
    if recipe.start_setting is not None and start is None:
        raise LimbeckError(
            "E_RECIPE_INVALID",
            f"expected a mesh or points to start from for {recipe.start_setting}=start in {recipe.name}, got none",
            "give them with --init MESH or --init POINTS",
        )
    return start


def _is_hashed(recipe: Recipe, device: torch.device) -> bool:
    backend = recipe.field.backend
    return backend == "hash" or (backend == "auto" and device.type == "cuda")
