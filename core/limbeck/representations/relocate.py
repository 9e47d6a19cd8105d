# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Densify without gradients: dead Gaussians move onto living ones, and opacities can be reset.

"3D Gaussian Splatting as Markov Chain Monte Carlo" (Kheradmand et al. 2024, arXiv:2404.09591), section 3.3: where N
Gaussians of opacity o' and covariance C' take the place of one of opacity o and covariance C, the image stays if

    o' = 1 - (1 - o)^(1 / N)                                                                               (eq. 8)
    C' = C o^2 / (sum_{i=1..N} sum_{k=0..i-1} binom(i - 1, k) (-1)^k o'^(k + 1) / sqrt(k + 1))^2             (eq. 9)

Which ones are chosen depends on opacities alone: neither on the loss, nor on its weight, nor on the batch. The paper's
noise on the means is left out; score distillation's own gradients are noisy enough.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from limbeck.representations.densify import DensifySettings, GradientStatistics, take_rows
from limbeck.representations.gaussians import Gaussians

MAX_SHARES = 51
"""Gaussians that may take the place of one, as in the paper's code: eq. 9's alternating sum loses digits beyond."""


@torch.no_grad()
def relocate(
    gaussians: Gaussians, optimizer: torch.optim.Optimizer, settings: DensifySettings, generator: torch.Generator
) -> GradientStatistics:
    """Move what is transparent or too wide onto living Gaussians, add ``settings.share`` more, and return statistics.

    Whatever moves or shares its place starts with zero moments. Without any living Gaussian nothing happens.
    """
    arrays = gaussians.activated()
    opacities = arrays.opacities.cpu()
    is_dead = (opacities < settings.min_opacity) | (arrays.scales.amax(-1).cpu() > settings.max_scale)
    alive, count = (~is_dead).nonzero()[:, 0], len(gaussians)
    added = max(0, min(int(settings.share * count), settings.max_count - count))
    moving = int(is_dead.sum())
    if not len(alive) or moving + added == 0:
        return GradientStatistics.empty(count, gaussians.device)
    drawn = torch.multinomial(opacities[alive], moving + added, replacement=True, generator=generator)
    rows = torch.cat([torch.arange(count), torch.empty(added, dtype=torch.long)])
    rows[torch.cat([is_dead.nonzero()[:, 0], torch.arange(count, count + added)])] = alive[drawn]
    shares = torch.bincount(rows, minlength=count).clamp(1, MAX_SHARES)[rows]
    is_shared = (shares > 1) | torch.cat([is_dead, torch.ones(added, dtype=torch.bool)])
    take_rows(gaussians, optimizer, rows.to(gaussians.device), is_shared.to(gaussians.device))
    new_opacities, factors = shared(opacities[rows], shares)
    parameters, device = gaussians.parameters(), gaussians.device
    logits = torch.logit(new_opacities.clamp(max=1 - 1e-6)).to(device)
    parameters["opacity_logits"].copy_(torch.where(is_shared.to(device), logits, parameters["opacity_logits"]))
    growth = torch.where(is_shared, factors.log(), torch.zeros_like(factors))
    parameters["log_scales"].add_(growth.to(device)[:, None])
    return GradientStatistics.empty(len(gaussians), device)


def shared(
    opacities: Float[Tensor, " n"], shares: Int[Tensor, " n"]
) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
    """Return the opacity of each of N Gaussians in the place of one, and the factor of their scales (eq. 8 and 9)."""
    o, N = opacities.double(), shares
    each = 1 - (1 - o) ** (1 / N)
    total = torch.zeros_like(o)
    for i in range(1, int(N.max()) + 1):
        terms = [math.comb(i - 1, k) * (-1) ** k * each ** (k + 1) / math.sqrt(k + 1) for k in range(i)]
        total += torch.where(i <= N, torch.stack(terms).sum(0), torch.zeros_like(o))
    return each.to(opacities), (o / total.clamp_min(1e-12)).to(opacities)


@torch.no_grad()
def reset_opacities(gaussians: Gaussians, optimizer: torch.optim.Optimizer, highest: float) -> None:
    """Lower opacities to at most ``highest`` and forget their moments (3DGS, section 5.2): fog must earn its place."""
    logits = gaussians.parameters()["opacity_logits"]
    logits.clamp_(max=math.log(highest / (1 - highest)))
    for key, value in optimizer.state.get(logits, {}).items():
        if key != "step" and torch.is_tensor(value):
            value.zero_()
