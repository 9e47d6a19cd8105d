# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What a diffusion model that sees several views would make of the rendered ones: its own clean latents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from limbeck.devices import uploaded
from limbeck.distillation.energies.energy import Denoised, EnergyGradient, Mask, fit
from limbeck.distillation.guidance import ClassifierFreeGuidance, predict_x0
from limbeck.distillation.noise import add_noise
from limbeck.distillation.requests import Branch, mix_uncond, predict_branches
from limbeck.priors.prior import Cond, Prior

Space = Literal["latents", "images"]
"""How a critic's answer reaches the latents of the term's prior: as it is, or decoded and encoded again."""


@dataclass(frozen=True)
class Question:
    """What is asked of a critic.

    Attributes:
        prior: the critic.
        conds: its conditions, by branch: ``text`` and what ``uncond_branches`` says.
        negative: share of ``uncond`` in the unconditional prediction where ``null`` is asked for as well.
        guidance: of its answer; x0 is rescaled over groups of its ``views_per_group``.
        progress: how far the run is, 0 to 1.
    """

    prior: Prior
    conds: Mapping[Branch, Cond]
    guidance: ClassifierFreeGuidance
    progress: float
    negative: float = 1.0


@torch.no_grad()
def one_step_x0(
    question: Question, rgb: Float[Tensor, "views 3 H W"], t: Int[Tensor, " views"], generator: torch.Generator
) -> Float[Tensor, "views channels h w"]:
    """Encode images as the critic does, add fresh noise of its own at ``t``, and return its guided x0 prediction."""
    prior = question.prior
    size = prior.spec.image_size
    latents = prior.encode(fit(rgb, size, size))
    noise = uploaded(torch.randn(latents.shape, generator=generator, dtype=latents.dtype), latents)
    noised = add_noise(latents, noise, t, prior.alphas_cumprod)
    noise_preds = predict_branches(prior, noised.xt, t, question.conds)
    mix_uncond(noise_preds, question.negative)
    guided = question.guidance(noise_preds, noised, question.progress, prior.spec.views_per_group)
    return predict_x0(guided, noised)


@torch.no_grad()
def as_target(
    x0: Float[Tensor, "views critic_channels critic_h critic_w"], critic: Prior, denoised: Denoised, space: Space
) -> Float[Tensor, "views channels h w"]:
    """Bring a critic's clean latents to the resolution of the term's, bilinearly.

    Raises:
        ValueError: if the latents have other channels and are compared as they are.
    """
    prior, (_, channels, h, w) = denoised.prior, denoised.noised.xt.shape
    if space == "images":
        size = prior.spec.image_size
        return prior.encode(fit(critic.decode(x0), size, size))
    if x0.shape[1] != channels:
        raise ValueError(
            f"expected a critic with latents of {channels} channels as {prior.spec.name} has, "
            f"got {x0.shape[1]} of {critic.spec.name}; compare them as images"
        )
    return fit(x0, h, w)


def attraction(denoised: Denoised, target: Float[Tensor, "views channels h w"], mask: Mask) -> EnergyGradient:
    """Return the gradient of C_i = -1/2 |x0_i - target_i|^2 with a constant target, in closed form.

    dC/dx_t = -(o / alpha_t) (x0 - target): with x0 affine in x_t no autograd is needed.
    """
    apart = denoised.x0_pred(mask) - target
    return EnergyGradient(denoised.to_xt(-apart, mask), -0.5 * apart.square().flatten(1).sum(1))
