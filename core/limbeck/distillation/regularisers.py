# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Losses on the render itself, beside the prior's."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar

from jaxtyping import Float
from pydantic import ConfigDict
from torch import Tensor

from limbeck.representations.representation import PENALTIES, Rendering, Representation
from limbeck.schedules import Schedule, constant


@dataclass(frozen=True)
class Regularisers:
    """Weights over the run. All losses are means over pixels and views, or over points.

    Attributes:
        sparsity: on alpha: empties space that the prior does not need.
        opaqueness: on alpha (1 - alpha): makes silhouettes crisp.
        entropy: on alpha's binary entropy: another way to crisp silhouettes, stronger on what is nearly clear.
        point_opaqueness: Gaussians alone; on each one's opacity o (1 - o): makes surfaces out of fog.
        scale: Gaussians alone; on their squared size: keeps single ones from being a whole part.
        orientation: fields alone; on what is seen from behind (Ref-NeRF, arXiv:2112.03907, eq. 11; DreamFusion takes
            1e-4 to 1e-2 on a sum over a ray): makes shells out of fog. The weights of samples count as constant.
        smoothness: fields alone; on squared differences of neighbouring densities before the activation.
    """

    sparsity: Schedule = constant(0.0)
    opaqueness: Schedule = constant(0.0)
    point_opaqueness: Schedule = constant(0.0)
    scale: Schedule = constant(0.0)
    entropy: Schedule = constant(0.0)
    orientation: Schedule = constant(0.0)
    smoothness: Schedule = constant(0.0)

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    def __call__(self, rendering: Rendering, representation: Representation, progress: float) -> Float[Tensor, ""]:
        """Return the weighted sum."""
        alpha = rendering.alpha
        total = self.sparsity(progress) * alpha.mean() + self.opaqueness(progress) * (alpha * (1 - alpha)).mean()
        if entropy := self.entropy(progress):
            total = total + entropy * binary_entropy(alpha).mean()
        if (inner := representation.inner_loss()) is not None:
            total = total + inner
        for name in PENALTIES[representation.kind]:
            weight = getattr(self, name)(progress)
            if weight:
                total = total + weight * representation.penalty(name, rendering)
        return total

    @property
    def used(self) -> tuple[str, ...]:
        """The names of those with a weight at any time."""
        names = [field.name for field in fields(self)]
        return tuple(name for name in names if any(weight for _, weight in getattr(self, name).points))


def binary_entropy(probability: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Return the entropy in nats of an event of that probability; 0 to ln 2."""
    p = probability.clamp(1e-5, 1 - 1e-5)
    return -(p * p.log() + (1 - p) * (1 - p).log())
