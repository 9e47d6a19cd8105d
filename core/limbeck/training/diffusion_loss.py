# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The loss of every diffusion model here: v-prediction, weighted by a clamped signal-to-noise ratio."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

MAX_SNR = 5.0
LAYOUT_FROM_CONDITION = 1.0
"""Weight of pure noise where words, cameras or images decide the layout: there the view is decided, and what says so is
the last to be learned. The published rule has 0."""
LAYOUT_GIVEN = 0.3
"""The same where a control shows the layout at every timestep."""

Predict = Callable[[Tensor, Tensor], Tensor]
"""Maps x_t and t to the predicted v."""


def v_loss(
    predict: Predict,
    latents: Float[Tensor, "batch channels h w"],
    alphas_cumprod: Float[Tensor, " timesteps"],
    generator: torch.Generator,
    *,
    group: int = 1,
    min_weight: float,
) -> tuple[Tensor, dict[str, float]]:
    """Return the weighted error of v = alpha eps - sigma x0 (arXiv:2202.00512) at random timesteps, and its plain mean.

    The weight is (min(SNR, 5) + min_weight) / (SNR + 1): Min-SNR's for v-prediction (arXiv:2303.09556) with a floor.

    Args:
        group: how many neighbouring samples share a timestep.
        min_weight: the weight of pure noise.
    """
    shape = (len(latents) // group,)
    t = torch.randint(0, len(alphas_cumprod), shape, generator=generator).repeat_interleave(group)
    noise = torch.randn(latents.shape, generator=generator).to(latents)
    t = t.to(latents.device)
    alpha_bar = alphas_cumprod[t]
    target, xt = _diffuse(latents, noise, alpha_bar)
    error = (predict(xt, t) - target).square().mean((1, 2, 3))
    snr = alpha_bar / (1 - alpha_bar)
    weight = (snr.clamp(max=MAX_SNR) + min_weight) / (snr + 1)
    return (error * weight).mean(), {"v_mse": float(error.detach().mean())}


def _diffuse(
    latents: Float[Tensor, "batch channels h w"],
    noise: Float[Tensor, "batch channels h w"],
    alpha_bar: Float[Tensor, " batch"],
) -> tuple[Tensor, Tensor]:
    """Return (v, x_t)."""
    alpha = alpha_bar.sqrt()[:, None, None, None]
    sigma = (1 - alpha_bar).sqrt()[:, None, None, None]
    xt = (alpha * latents + sigma * noise).contiguous(memory_format=torch.channels_last)
    return alpha * noise - sigma * latents, xt


def seeded(seed: int, step: int) -> torch.Generator:
    """Return the generator of one step's draws: a resumed run then sees the same batches."""
    return torch.Generator().manual_seed(seed * 1_000_003 + step)


def keep_or_drop(count: int, probability: float, generator: torch.Generator) -> Int[Tensor, " count"]:
    """Return 0 with the given probability, else 1, for each sample."""
    return (torch.rand(count, generator=generator) >= probability).long()
