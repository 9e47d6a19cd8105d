# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Draw images from a prior by DDIM (Song et al., arXiv:2010.02502, eq. 12 with eta = 0)."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from pydantic import ConfigDict
from torch import Tensor

from limbeck.distillation.guidance import Branch, ClassifierFreeGuidance, predict_x0
from limbeck.distillation.noise import add_noise, noised_at
from limbeck.distillation.term import predict_branches
from limbeck.priors.prior import Cond, Prior
from limbeck.schedules import constant


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
    last = len(prior.alphas_cumprod) - 1
    guide = ClassifierFreeGuidance(scale=constant(sampler.guidance_scale))
    conds: dict[Branch, Cond] = {"text": text, "uncond": uncond}
    xt = noise
    for t, t_next in itertools.pairwise(torch.linspace(sampler.start * last, 0, sampler.steps + 1).long()):
        if known is not None:
            xt = torch.cat([_at(known, noise[: len(known)], t, prior), xt[len(known) :]])
        noised = noised_at(xt, t.expand(len(xt)).to(xt.device), prior.alphas_cumprod)
        noise_pred = guide(predict_branches(prior, xt, noised.t, conds), noised, 0.0)
        xt = _at(predict_x0(noise_pred, noised), noise_pred, t_next, prior)
    return torch.cat([known, xt[len(known) :]]) if known is not None else xt


def _at(x0: Tensor, noise: Tensor, t: Tensor, prior: Prior) -> Tensor:
    return add_noise(x0, noise, t.expand(len(x0)).to(x0.device), prior.alphas_cumprod).xt
