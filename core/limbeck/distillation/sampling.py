# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Draw images from a prior by classifier-free-guided DDIM (Song et al., arXiv:2010.02502, eq. 12 with eta = 0)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from jaxtyping import Float, Int
from pydantic import ConfigDict
from torch import Tensor

from limbeck.distillation.guidance import ClassifierFreeGuidance
from limbeck.distillation.noise import add_noise, noised_at
from limbeck.distillation.requests import Branch, predict_branches
from limbeck.priors.prior import Cond, Prior
from limbeck.schedules import constant

EVEN_WITHIN = 0.01
"""How far from ``start``, as a fraction of all timesteps, even strides may begin."""


@dataclass(frozen=True)
class Sampler:
    """How to draw.

    Attributes:
        steps: denoising steps.
        guidance_scale: classifier-free guidance; 1 is none.
        start: first timestep, as a fraction of the prior's.
    """

    steps: int = 30
    guidance_scale: float = 4.0
    start: float = 0.98

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn."""
        if not (1 <= self.steps <= 1000 and 0.0 < self.start < 1.0):
            raise ValueError(f"expected 1 to 1000 steps and a start between 0 and 1, got {self.steps}, {self.start}")


@torch.no_grad()
def draw(
    prior: Prior,
    text: Cond,
    uncond: Cond,
    noise: Float[Tensor, "views channels h w"],
    sampler: Sampler,
    known: Float[Tensor, "first channels h w"] | None = None,
) -> Float[Tensor, "views channels h w"]:
    """Return clean latents drawn from a prior.

    Args:
        prior: the model.
        text, uncond: conditions of every view.
        noise: where to start from; it decides the result.
        sampler: steps and guidance.
        known: clean latents of the first views, which the others then agree with: at every step those views are
            replaced by their own noised latents (Lugmayr et al., arXiv:2201.09865, eq. 8).
    """
    guide = ClassifierFreeGuidance(scale=constant(sampler.guidance_scale))
    conds: dict[Branch, Cond] = {"text": text, "uncond": uncond}
    timesteps = sampling_timesteps(len(prior.alphas_cumprod), sampler)
    scheduler = ddim_scheduler(prior.alphas_cumprod, timesteps)
    xt = noise
    for index, t in zip(scheduler.timesteps, timesteps.flip(0), strict=True):
        if known is not None:
            at_t = t.expand(len(known)).to(xt.device)
            known_xt = add_noise(known, noise[: len(known)], at_t, prior.alphas_cumprod).xt
            xt = torch.cat([known_xt, xt[len(known) :]])
        noised = noised_at(xt, t.expand(len(xt)).to(xt.device), prior.alphas_cumprod)
        noise_pred = guide(predict_branches(prior, xt, noised.t, conds), noised, 0.0)
        xt = scheduler.step(noise_pred, int(index), xt, return_dict=False)[0]
    return torch.cat([known, xt[len(known) :]]) if known is not None else xt


def sampling_timesteps(timesteps: int, sampler: Sampler) -> Int[Tensor, " steps"]:
    """Return the timesteps at which a prior is asked, ascending; before the first come the clean latents.

    Strides are even where that begins within ``EVEN_WITHIN`` of ``start``, else as even as whole numbers allow. Where
    fewer timesteps lie below ``start`` than steps were asked for, each is taken once.
    """
    wanted = max(1, round(sampler.start * timesteps))
    steps = min(sampler.steps, wanted)
    stride = round(wanted / steps)
    is_even = stride * steps <= timesteps and abs(stride * steps - wanted) <= EVEN_WITHIN * timesteps
    end = stride * steps if is_even else wanted
    # Whole numbers throughout: end // steps is at least 1, so no timestep comes twice.
    return torch.arange(1, steps + 1) * end // steps - 1


def ddim_scheduler(alphas_cumprod: Float[Tensor, " timesteps"], timesteps: Int[Tensor, " steps"]) -> Any:
    """Return diffusers' DDIM for a model that answers in eps, whose own timesteps are indices into ``timesteps``.

    It knows the noise schedule at these timesteps alone: between others it would round, and can miss the next timestep,
    or even add one below 0.
    """
    alphas = alphas_cumprod.cpu()[timesteps]
    betas = 1 - alphas / torch.cat([torch.ones(1), alphas[:-1]])
    scheduler = DDIMScheduler(
        len(alphas), trained_betas=betas.numpy(), clip_sample=False, set_alpha_to_one=True, timestep_spacing="trailing"
    )
    scheduler.alphas_cumprod = alphas  # what the betas' rounding would change in the last digit
    scheduler.set_timesteps(len(alphas))
    return scheduler
