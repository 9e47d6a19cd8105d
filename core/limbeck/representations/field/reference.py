# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Volume rendering in plain torch: the oracle of the voxel kernels, and the hash grid's renderer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from limbeck.cameras import Cameras
from limbeck.representations.field.kernels import DENSITY, NEAR

Query = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Points [n, 3] in the box to densities [n] per world unit and colours [n, 3]."""


@dataclass(frozen=True)
class Samples:
    """Points on rays, a fixed distance apart.

    Attributes:
        points: in the world; meaningless where not ``is_inside``.
        z: camera z.
        is_inside: whether a sample lies in the box.
        directions: unit, in the world.
    """

    points: Float[Tensor, "rays samples 3"]
    z: Float[Tensor, "rays samples"]
    is_inside: Bool[Tensor, "rays samples"]
    directions: Float[Tensor, "rays 3"]


def sample_rays(cameras: Cameras, half_size: float, step: float) -> Samples:
    """Return the samples of every pixel's ray, views first, then rows; at the places where the kernels take theirs."""
    c2w, Ks = cameras.c2w, cameras.Ks
    y, x = torch.meshgrid(torch.arange(cameras.height), torch.arange(cameras.width), indexing="ij")
    x, y = (x.to(c2w) + 0.5)[None], (y.to(c2w) + 0.5)[None]
    u, v = ((at - Ks[:, i, 2, None, None]) / Ks[:, i, i, None, None] for i, at in ((0, x), (1, y)))
    local = torch.stack([u, -v, -torch.ones_like(u)], -1).flatten(1, 2)
    lengths = local.norm(dim=-1)
    directions = torch.einsum("vnj,vij->vni", local / lengths[..., None], c2w[:, :3, :3]).flatten(0, 1)
    origins = c2w[:, None, :3, 3].expand(-1, local.shape[1], 3).flatten(0, 1)
    safe = torch.where(directions.abs() < 1e-12, torch.full_like(directions, 1e-12), directions)
    walls = torch.stack([(-half_size - origins) / safe, (half_size - origins) / safe])
    enter, leave = walls.amin(0).amax(-1).clamp_min(NEAR), walls.amax(0).amin(-1)
    count = int(torch.ceil(((leave - enter) / step).amax().clamp_min(1)))
    t = enter[:, None] + (torch.arange(count).to(c2w) + 0.5) * step
    points = origins[:, None] + t[..., None] * directions[:, None]
    return Samples(points, t / lengths.flatten()[:, None], t < leave[:, None], directions)


def composite(
    densities: Float[Tensor, "rays samples"],
    features: Float[Tensor, "rays samples channels"],
    z: Float[Tensor, "rays samples"],
    step: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Return weights, premultiplied features, alpha, depth times alpha, and median depth of every ray."""
    opacity = 1 - torch.exp(-densities * step)
    passed = torch.cumprod(1 - opacity, -1)
    before = torch.cat([torch.ones_like(passed[:, :1]), passed[:, :-1]], -1)
    weights = before * opacity
    is_half = (before > 0.5) & (passed <= 0.5)
    median = (z * is_half).sum(-1)
    return weights, (weights[..., None] * features).sum(1), weights.sum(-1), (weights * z).sum(-1), median


def query_grid(values: Float[Tensor, "R R R 4"], half_size: float) -> Query:
    """Return the trilinear look-up of a voxel grid."""

    def query(points: Tensor) -> tuple[Tensor, Tensor]:
        found = trilinear(values, points, half_size)
        return DENSITY * torch.nn.functional.softplus(found[:, 0]), found[:, 1:]

    return query


def trilinear(
    values: Float[Tensor, "R R R channels"], points: Float[Tensor, "n 3"], half_size: float
) -> Float[Tensor, "n channels"]:
    """Return a grid's values at points, those of the box's border outside of it; differentiable in both."""
    R, channels = values.shape[0], values.shape[-1]
    at = ((points + half_size) * ((R - 1) / (2 * half_size))).clamp(0, R - 1)
    cell = at.detach().long().clamp(max=R - 2)
    share, rows = at - cell, values.reshape(-1, channels)
    total = values.new_zeros(())
    for corner in range(8):
        offset = torch.tensor([corner >> 2, (corner >> 1) & 1, corner & 1]).to(cell)
        x, y, z = (cell + offset).unbind(-1)
        weight = torch.where(offset.bool(), share, 1 - share).prod(-1, keepdim=True)
        # An embedding, because its gradient is summed in a fixed order on any number of threads.
        total = total + weight * torch.nn.functional.embedding((x * R + y) * R + z, rows)
    return total
