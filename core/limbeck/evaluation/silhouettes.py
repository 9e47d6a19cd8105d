# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Silhouettes of pictures of one thing over a uniform background, and how well two of them agree."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

THRESHOLD = 0.08
"""The largest difference of a channel (sRGB, 0 to 1) that still counts as background."""
BORDER = 3
"""Pixels along the edge that show the background alone."""


def silhouette(
    rgb: Float[Tensor, "images 3 H W"], background: Float[Tensor, "images 3"] | None = None
) -> Bool[Tensor, "images H W"]:
    """Return where something is: pixels that differ from the background, or from the border's median colour."""
    behind = border_color(rgb) if background is None else background
    return (rgb - behind[:, :, None, None]).abs().amax(1) > THRESHOLD


def border_color(rgb: Float[Tensor, "images 3 H W"]) -> Float[Tensor, "images 3"]:
    """Return the median colour of each image's border."""
    is_border = torch.ones(rgb.shape[2:], dtype=torch.bool, device=rgb.device)
    is_border[BORDER:-BORDER, BORDER:-BORDER] = False
    return rgb[:, :, is_border].median(2).values


def intersection_over_union(
    first: Bool[Tensor, "images H W"], second: Bool[Tensor, "images H W"]
) -> Float[Tensor, " images"]:
    """Return how well two silhouettes agree, 0 to 1; two empty ones agree."""
    both, either = (first & second).sum((1, 2)), (first | second).sum((1, 2))
    return torch.where(either > 0, both / either.clamp_min(1), torch.ones_like(both, dtype=torch.float32))
