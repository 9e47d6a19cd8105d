# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What the optimisation loop asks of a 3D representation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn

from limbeck.cameras import Cameras


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
    is_visible: Tensor


@runtime_checkable
class Representation(Protocol):
    """A renderable set of parameters. Parameter names are stable; recipes name learning rates by them."""

    def parameters(self) -> Mapping[str, nn.Parameter]:
        """Return the parameters by name."""
        ...

    def render(self, cameras: Cameras, background: float) -> Rendering:
        """Render a batch of views over a grey level (sRGB, 0 to 1)."""
        ...
