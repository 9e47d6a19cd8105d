# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A ball round the origin, seen by cameras, in closed form."""

import torch


def ball_depth(cameras, radius=0.8):
    """Camera z of the nearer intersection of every pixel's centre's ray; 0 beside the ball. In the cameras' dtype."""
    dtype = cameras.Ks.dtype
    y, x = torch.meshgrid(
        torch.arange(cameras.height, dtype=dtype) + 0.5, torch.arange(cameras.width, dtype=dtype) + 0.5, indexing="ij"
    )
    return ball_depth_at(cameras, torch.stack([x, y], -1).expand(len(cameras.Ks), -1, -1, -1), radius)


def ball_depth_at(cameras, pixels, radius=0.8):
    """The same at given places [views, ..., 2] in pixels."""
    shape = pixels.shape[:-1]
    rays = torch.cat([pixels, torch.ones(*shape, 1, dtype=pixels.dtype)], -1).flatten(1, -2)
    rays = rays @ torch.linalg.inv(cameras.Ks).transpose(1, 2)
    centre = cameras.viewmats[:, None, :3, 3]
    a, b, c = (rays**2).sum(-1), (rays * centre).sum(-1), (centre**2).sum(-1) - radius**2
    discriminant = b * b - a * c
    z = (b - discriminant.clamp_min(0).sqrt()) / a
    return z.where(discriminant > 0, torch.zeros_like(z)).reshape(shape)
