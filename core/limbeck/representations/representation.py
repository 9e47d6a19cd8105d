# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What a 3D representation renders."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True)
class Rendering:
    """A batch of differentiable images.

    Attributes:
        rgb: sRGB in 0 to 1, over the background.
        alpha: opacity in 0 to 1.
        depth: expected camera z, normalised by alpha; 0 where nothing is.
        points2d: projected points in pixels, kept in the graph so that their gradient can steer densification.
        is_visible: which points each view sees.
    """

    rgb: Float[Tensor, "views 3 H W"]
    alpha: Float[Tensor, "views 1 H W"]
    depth: Float[Tensor, "views 1 H W"]
    points2d: Float[Tensor, "views points 2"]
    is_visible: Bool[Tensor, "views points"]
