# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Losses on the render itself, beside the prior's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from pydantic import ConfigDict
from torch import Tensor

from limbeck.representations.representation import Rendering, Representation
from limbeck.schedules import Schedule, constant

OWN = ("point_opaqueness", "scale")
"""Those that only some kinds of representations have; ``validity.py`` says which."""


@dataclass(frozen=True)
class Regularisers:
    """Weights over the run. All losses are means over pixels and views, or over points.

    Attributes:
        sparsity: on alpha: empties space that the prior does not need.
        opaqueness: on alpha (1 - alpha): makes silhouettes crisp.
        point_opaqueness: on each point's opacity o (1 - o): makes surfaces out of fog.
        scale: on the points' squared size: keeps single Gaussians from being a whole part.
    """

    sparsity: Schedule = constant(0.0)
    opaqueness: Schedule = constant(0.0)
    point_opaqueness: Schedule = constant(0.0)
    scale: Schedule = constant(0.0)

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    def __call__(self, rendering: Rendering, representation: Representation, progress: float) -> Float[Tensor, ""]:
        """Return the weighted sum."""
        alpha = rendering.alpha
        total = self.sparsity(progress) * alpha.mean() + self.opaqueness(progress) * (alpha * (1 - alpha)).mean()
        for name in OWN:
            weight = getattr(self, name)(progress)
            if weight:
                total = total + weight * representation.penalty(name, rendering)
        return total
