# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Normals from rendered depth, for representations that have no surface of their own to ask."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from limbeck.cameras import Cameras

OPAQUE = 0.5
"""Opacity from which a pixel has a surface."""


def normals_from_depth(
    depth: Float[Tensor, "views 1 H W"], alpha: Float[Tensor, "views 1 H W"], cameras: Cameras
) -> Float[Tensor, "views 3 H W"]:
    """Return unit world normals that face the camera, 0 where less than half is covered; differentiable in depth.

    Of the neighbours left and right (above and below), the one whose depth differs less is taken, so that a normal
    beside an outline belongs to its own surface.
    """
    points = unprojected(depth[:, 0], cameras)
    across, down = _step(points, depth[:, 0], 2), _step(points, depth[:, 0], 1)
    normals = torch.nn.functional.normalize(torch.cross(down, across, dim=-1), dim=-1, eps=1e-12)
    is_solid = alpha[:, 0, :, :, None] >= OPAQUE
    return (normals * is_solid).permute(0, 3, 1, 2)


def unprojected(depth: Float[Tensor, "views H W"], cameras: Cameras) -> Float[Tensor, "views H W 3"]:
    """Return the world points that pixels' centres show at a camera z."""
    focal, centre = cameras.Ks[:, (0, 1), (0, 1)], cameras.Ks[:, :2, 2]
    H, W = depth.shape[1:]
    x = (torch.arange(W).to(depth) + 0.5 - centre[:, None, :1]) / focal[:, None, :1]
    y = (torch.arange(H).to(depth)[:, None] + 0.5 - centre[:, 1, None, None]) / focal[:, 1, None, None]
    rays = torch.stack([x.expand(-1, H, W), -y.expand(-1, H, W), -torch.ones_like(depth)], -1)
    rotation, position = cameras.c2w[:, :3, :3], cameras.c2w[:, None, None, :3, 3]
    return torch.einsum("vhwj,vij->vhwi", rays * depth[..., None], rotation) + position


def _step(points: Tensor, depth: Tensor, dim: int) -> Tensor:
    """Return the difference to the next or from the last pixel along a side, whichever jumps less in depth."""
    size = depth.shape[dim]
    here, there = torch.arange(size - 1), torch.arange(1, size)
    step = points[:, there] - points[:, here] if dim == 1 else points[:, :, there] - points[:, :, here]
    jump = (depth.index_select(dim, there) - depth.index_select(dim, here)).abs()
    last, first = torch.tensor([size - 2]), torch.tensor([0])
    forward = torch.cat([step, step.index_select(dim, last)], dim)
    backward = torch.cat([step.index_select(dim, first), step], dim)
    jump_forward = torch.cat([jump, jump.index_select(dim, last)], dim)
    jump_backward = torch.cat([jump.index_select(dim, first), jump], dim)
    return torch.where((jump_forward <= jump_backward)[..., None], forward, backward)
