# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The voxel kernels as one differentiable function of a grid, and images from their sums."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy import ndarray
from torch import Tensor
from torch.autograd.function import once_differentiable

from limbeck.cameras import Cameras
from limbeck.representations.field.kernels import (
    ALPHA,
    AWAY,
    CHANNELS,
    DEPTH,
    MEDIAN,
    NORMAL,
    SLOTS,
    march,
    unmarch,
)
from limbeck.representations.rasterize.threads import run_in_chunks
from limbeck.representations.representation import Rendering

SOLID = 0.5
"""Opacity from which a pixel has a normal."""


def march_rays(
    values: Float[Tensor, "R R R 4"],
    occupancy: Bool[Tensor, "B B B"],
    cameras: Cameras,
    half_size: float,
    step: float,
    *,
    with_slopes: bool = False,
) -> Float[Tensor, "views H W channels"]:
    """Return the sums that ``kernels.march`` makes along every pixel's ray; differentiable in ``values``, on the CPU.

    Args:
        values: raw density, then colour, by node of a grid over the box.
        occupancy: which blocks of ``kernels.BLOCK`` cells may hold something.
        cameras: on any device.
        half_size: of the box, in world units.
        step: distance of samples on a ray, in world units.
        with_slopes: whether to fill the channels AWAY and NORMAL.
    """
    table = camera_rows(cameras)
    lens = (half_size, step, with_slopes, cameras.width, cameras.height)
    images, rest = _March.apply(values, occupancy.numpy(), table, lens)
    return torch.cat([images, rest], -1)


def camera_rows(cameras: Cameras) -> Float[ndarray, "views 16"]:
    """Return what the kernels take of cameras, float64."""
    c2w, Ks = cameras.c2w.detach().cpu().double().numpy(), cameras.Ks.detach().cpu().double().numpy()
    lens = np.stack([Ks[:, 0, 0], Ks[:, 1, 1], Ks[:, 0, 2], Ks[:, 1, 2]], -1)
    return np.concatenate([c2w[:, :3, :3].reshape(-1, 9), c2w[:, :3, 3], lens], -1)


def rendering_of(
    sums: Float[Tensor, "views H W channels"], background: float | Float[Tensor, "views 3"], *, with_slopes: bool
) -> Rendering:
    """Return images from sums along rays."""
    images = sums.permute(0, 3, 1, 2)
    alpha = images[:, ALPHA : ALPHA + 1]
    behind = torch.as_tensor(background).to(images).expand(len(images), 3)[:, :, None, None]
    normals = torch.nn.functional.normalize(images[:, NORMAL:CHANNELS], dim=1)
    return Rendering(
        images[:, :3] + (1 - alpha) * behind,
        alpha,
        images[:, DEPTH : DEPTH + 1] / alpha.clamp_min(1e-6),
        median_depth=images[:, MEDIAN : MEDIAN + 1],
        normals=normals * (alpha.detach() >= SOLID) if with_slopes else None,
        away=images[:, AWAY : AWAY + 1] if with_slopes else None,
    )


class _March(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, values: Tensor, occupancy: ndarray, table: ndarray, lens: tuple[float, float, bool, int, int]
    ) -> tuple[Tensor, Tensor]:
        half_size, step, with_slopes, width, height = lens
        images = np.empty((len(table), height, width, CHANNELS), np.float32)
        grid = values.detach().contiguous().numpy()
        run_in_chunks(march, grid, occupancy, table, half_size, step, with_slopes, images)
        ctx.kernel_arguments = grid, occupancy, table, half_size, step, images
        found = torch.from_numpy(images)
        rest = found[..., MEDIAN:].clone()
        ctx.mark_non_differentiable(rest)
        return found[..., :MEDIAN].clone(), rest

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        grid, occupancy, table, half_size, step, images = ctx.kernel_arguments
        v_images = grads[0].contiguous().numpy()
        v_values = np.zeros((SLOTS, *grid.shape), np.float32)
        run_in_chunks(unmarch, grid, occupancy, table, half_size, step, images, v_images, v_values)
        total = v_values[0]
        for slot in range(1, SLOTS):  # in a fixed order
            total += v_values[slot]
        return torch.from_numpy(total), None, None, None
