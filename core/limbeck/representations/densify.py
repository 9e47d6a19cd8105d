# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Where Gaussians are added and removed while they are optimised.

The original rule thresholds screen-space gradients, whose scale depends on the loss, its weight and the batch size, so
no threshold carries over between score distillation methods. Here a share of the Gaussians with the
largest gradients is densified instead, which depends on neither.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Float, Int
from pydantic import ConfigDict
from torch import Tensor, nn

from limbeck.representations.gaussians import Gaussians
from limbeck.representations.representation import Rendering


@dataclass(frozen=True)
class DensifySettings:
    """When and how much to densify and prune.

    Attributes:
        every: share of the run between two rounds.
        begin, end: progress between which rounds happen.
        share: share of the Gaussians that is densified in a round, those with the largest mean gradients.
        split_scale: Gaussians wider than this (world units) are split in two smaller ones, others are cloned.
        max_count: no round goes beyond this many.
        min_opacity: Gaussians below are removed.
        max_scale: Gaussians wider than this (world units) are removed.
        rule: how a round chooses: the ``share`` with the largest gradients, or ``relocate`` (MCMC), which moves what is
            to be removed onto others by their opacity and adds ``share`` more; neither depends on the loss's scale.
        reset_every: share of the run between two resets of the opacities, between ``begin`` and ``end``; 0 is never.
        reset_opacity: what they are lowered to.
    """

    every: float = 0.1
    begin: float = 0.1
    end: float = 0.7
    share: float = 0.1
    split_scale: float = 0.03
    max_count: int = 10_000
    min_opacity: float = 0.01
    max_scale: float = 0.4
    rule: Literal["share", "relocate"] = "share"
    reset_every: float = 0.0
    reset_opacity: float = 0.1

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    def __post_init__(self) -> None:
        """Refuse what no round can do."""
        if not (0 < self.every <= 1 and 0 <= self.share <= 1 and 0 < self.max_count <= 5_000_000):
            raise ValueError(
                "expected every in (0, 1], share in [0, 1] and max_count up to 5,000,000, "
                f"got {self.every}, {self.share}, {self.max_count}"
            )
        if not (0 <= self.reset_every <= 1 and self.min_opacity < self.reset_opacity < 1):
            raise ValueError(
                "expected reset_every from 0 to 1 and a reset_opacity above min_opacity and below 1, "
                f"got {self.reset_every} and {self.reset_opacity}"
            )


class GradientStatistics:
    """Running mean over views of each point's screen-space gradient; explicit state, saved with checkpoints."""

    def __init__(self, total: Float[Tensor, " points"], seen: Float[Tensor, " points"]) -> None:
        """Take the sums so far."""
        self.total = total
        self.seen = seen

    @classmethod
    def empty(cls, points: int, device: torch.device) -> GradientStatistics:
        """Return statistics of nothing seen yet."""
        return cls(torch.zeros(points, device=device), torch.zeros(points, device=device))

    def add(self, rendering: Rendering) -> None:
        """Add the gradients that ``backward`` left in ``rendering.points2d``."""
        if rendering.points2d is None or rendering.is_visible is None or rendering.points2d.grad is None:
            return
        # The CPU rasteriser answers on the CPU even where the parameters are on another device.
        visible = rendering.is_visible.to(self.seen.device)
        gradient = rendering.points2d.grad.norm(dim=-1).to(self.total.device)
        self.total += (gradient * visible).sum(0)
        self.seen += visible.sum(0)

    def mean(self) -> Float[Tensor, " points"]:
        """Return the mean gradient per view that saw the point."""
        return self.total / self.seen.clamp_min(1)


def is_due(settings: DensifySettings, step: int, steps: int) -> bool:
    """Return whether a round follows step ``step`` of ``steps``."""
    return _is_due(settings, settings.every, step, steps)


def is_reset_due(settings: DensifySettings, step: int, steps: int) -> bool:
    """Return whether opacities are reset after step ``step`` of ``steps``."""
    return settings.reset_every > 0 and _is_due(settings, settings.reset_every, step, steps)


def _is_due(settings: DensifySettings, every: float, step: int, steps: int) -> bool:
    interval = max(1, round(every * steps))
    return settings.begin <= step / steps <= settings.end and step > 0 and step % interval == 0


@torch.no_grad()
def densify_and_prune(
    gaussians: Gaussians,
    optimizer: torch.optim.Optimizer,
    statistics: GradientStatistics,
    settings: DensifySettings,
    generator: torch.Generator,
) -> GradientStatistics:
    """Run one round in place, carry Adam's moments along, and return fresh statistics.

    Survivors keep their order and moments, new Gaussians follow with zero moments.
    """
    arrays = gaussians.activated()
    width = arrays.scales.amax(-1)
    keep = (arrays.opacities >= settings.min_opacity) & (width <= settings.max_scale)
    if not keep.any():
        keep = torch.ones_like(keep)
    parents = _parents(statistics.mean(), keep, settings)
    rows = torch.cat([keep.nonzero()[:, 0], parents])
    is_new = torch.arange(len(rows), device=rows.device) >= len(rows) - len(parents)
    take_rows(gaussians, optimizer, rows, is_new)
    _shrink_and_scatter(gaussians, rows, parents, width, settings, generator)
    return GradientStatistics.empty(len(gaussians), rows.device)


def _parents(
    gradient: Float[Tensor, " points"], keep: Bool[Tensor, " points"], settings: DensifySettings
) -> Int[Tensor, " parents"]:
    """Return which kept points are densified: the top share, as room allows, in index order."""
    kept = int(keep.sum())
    count = min(int(settings.share * kept), settings.max_count - kept)
    if count <= 0:
        return torch.zeros(0, dtype=torch.long, device=gradient.device)
    order = torch.sort(torch.where(keep, gradient, -torch.ones_like(gradient)), descending=True, stable=True)[1]
    return order[:count].sort()[0]


def take_rows(
    gaussians: Gaussians,
    optimizer: torch.optim.Optimizer,
    rows: Int[Tensor, " rows"],
    is_new: Bool[Tensor, " rows"],
) -> None:
    """Make every parameter, and its moments, the given rows of itself; new rows start with zero moments."""
    parameters = gaussians.parameters()
    for group in optimizer.param_groups:
        old = group["params"][0]
        new = nn.Parameter(old.detach()[rows].clone())
        state = optimizer.state.pop(old, {})
        for key, value in state.items():
            if torch.is_tensor(value) and value.shape == old.shape:
                state[key] = torch.where(
                    is_new.view(-1, *[1] * (old.ndim - 1)), torch.zeros_like(value[:1]), value[rows]
                )
        if state:
            optimizer.state[new] = state
        group["params"][0] = new
        parameters[group["name"]] = new


def _shrink_and_scatter(
    gaussians: Gaussians,
    rows: Int[Tensor, " rows"],
    parents: Int[Tensor, " parents"],
    width: Float[Tensor, " points"],
    settings: DensifySettings,
    generator: torch.Generator,
) -> None:
    """Move the two halves of split Gaussians apart along their own axes and make them 1.6 times smaller (3DGS)."""
    if not len(parents):
        return
    has_child = torch.isin(rows, parents) & (width[rows] > settings.split_scale)
    arrays = gaussians.activated()
    drawn = torch.randn(len(rows), 3, generator=generator).to(arrays.means)
    offsets = _rotate(arrays.quats, drawn * arrays.scales)
    parameters = gaussians.parameters()
    parameters["means"][has_child] += 0.7 * offsets[has_child]
    parameters["log_scales"][has_child] -= math.log(1.6)


def _rotate(quats: Float[Tensor, "points 4"], vectors: Float[Tensor, "points 3"]) -> Float[Tensor, "points 3"]:
    """Rotate vectors by unit quaternions (wxyz)."""
    axis, w = quats[:, 1:], quats[:, :1]
    twice = 2 * torch.cross(axis, vectors, dim=-1)
    return vectors + w * twice + torch.cross(axis, twice, dim=-1)
