# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Noise sources: how clean latents become x_t = alpha_t x_0 + sigma_t noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Int
from pydantic import ConfigDict
from torch import Tensor

from limbeck.devices import uploaded
from limbeck.distillation.context import StepContext


@dataclass(frozen=True)
class Noised:
    """Latents at timestep t.

    Attributes:
        xt: the noised latents.
        t: each view's timestep.
        noise: the noise that was injected.
        alpha, sigma: sqrt(alphas_cumprod) and sqrt(1 - alphas_cumprod) at t, shaped to multiply latents.
        path: the noise prediction that made the last step to x_t, where a DDIM inversion led there.
        shared: share of what views see of 3D-consistent noise that another view sees, too; None for other noise.
    """

    xt: Float[Tensor, "views channels h w"]
    t: Int[Tensor, " views"]
    noise: Float[Tensor, "views channels h w"]
    alpha: Float[Tensor, "views 1 1 1"]
    sigma: Float[Tensor, "views 1 1 1"]
    path: Float[Tensor, "views channels h w"] | None = None
    shared: float | None = None


@dataclass(frozen=True)
class GaussianNoise:
    """Independent Gaussian noise in every view (DreamFusion, arXiv:2209.14988, eq. 3)."""

    kind: Literal["gaussian"] = "gaussian"

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    def __call__(
        self,
        latents: Float[Tensor, "views channels h w"],
        t: Int[Tensor, " views"],
        alphas_cumprod: Float[Tensor, " timesteps"],
        generator: torch.Generator,
        context: StepContext | None = None,
    ) -> Noised:
        """Draw noise from ``generator`` (a CPU generator, so that every device draws alike) and add it."""
        noise = uploaded(torch.randn(latents.shape, generator=generator), latents)
        return add_noise(latents, noise, t, alphas_cumprod)


def add_noise(
    latents: Float[Tensor, "views channels h w"],
    noise: Float[Tensor, "views channels h w"],
    t: Int[Tensor, " views"],
    alphas_cumprod: Float[Tensor, " timesteps"],
) -> Noised:
    """Return x_t for clean latents and given noise; no gradient flows through it."""
    alpha, sigma = alpha_sigma(t, alphas_cumprod)
    return Noised(alpha * latents.detach() + sigma * noise, t, noise, alpha, sigma)


def noised_at(
    xt: Float[Tensor, "views channels h w"], t: Int[Tensor, " views"], alphas_cumprod: Float[Tensor, " timesteps"]
) -> Noised:
    """Take x_t as it is, as a sampler does; its ``noise`` is not known and is zero."""
    return Noised(xt, t, torch.zeros_like(xt), *alpha_sigma(t, alphas_cumprod))


def alpha_sigma(
    t: Int[Tensor, " views"], alphas_cumprod: Float[Tensor, " timesteps"]
) -> tuple[Float[Tensor, "views 1 1 1"], Float[Tensor, "views 1 1 1"]]:
    """Return sqrt(alphas_cumprod) and sqrt(1 - alphas_cumprod) at t, shaped to multiply latents."""
    alpha_bar = alphas_cumprod[t][:, None, None, None]
    return alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
