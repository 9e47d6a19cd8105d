# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""One term of an objective, and the one equation that all methods share.

r = guidance(eps at x_t) - variate        gradient of the latents = w(t) * r
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float
from pydantic import ConfigDict, Field
from torch import Tensor

from limbeck.cameras import Cameras
from limbeck.distillation.conditioning import Conditioned
from limbeck.distillation.guidance import Branch, ClassifierFreeGuidance
from limbeck.distillation.noise import GaussianNoise
from limbeck.distillation.timesteps import Timesteps
from limbeck.distillation.variates import BaseScore, InjectedNoise, Unconditional
from limbeck.distillation.weighting import Weighting, weight_of
from limbeck.priors.prior import Cond, Prior, Role, stack_conds
from limbeck.schedules import Schedule, constant

Variate = Annotated[InjectedNoise | Unconditional | BaseScore, Field(discriminator="kind")]


@dataclass(frozen=True)
class Term:
    """A point in the product prior x timesteps x noise x guidance x variate x weighting.

    Attributes:
        prior: which model of the prior answers.
        weight: the term's weight in the objective, over the run.
        view_prompts: whether prompts say from where the view looks.
        sector_deg: azimuths [low, high) of the views that the term looks at, or None for all of them.
    """

    prior: Role = "text_to_image"
    weight: Schedule = constant(1.0)
    timesteps: Timesteps = Timesteps()
    noise: GaussianNoise = GaussianNoise()
    guidance: ClassifierFreeGuidance = ClassifierFreeGuidance()
    variate: Variate = InjectedNoise()
    weighting: Weighting = "sigma2"
    view_prompts: bool = True
    sector_deg: tuple[float, float] | None = None

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    def __post_init__(self) -> None:
        """Refuse a sector that no view can be in."""
        if self.sector_deg is not None and not 0 < self.sector_deg[1] - self.sector_deg[0] <= 360:
            raise ValueError(f"expected sector_deg as (low, high) up to 360 degrees apart, got {self.sector_deg}")


@dataclass(frozen=True)
class Residual:
    """What a term wants changed.

    Attributes:
        gradient: w(t) * r, the gradient of the latents.
        magnitude: root mean square of r, for the log.
    """

    gradient: Float[Tensor, "views channels h w"]
    magnitude: float


def residual(
    term: Term,
    conditioned: Conditioned,
    latents: Float[Tensor, "views channels h w"],
    cameras: Cameras,
    progress: float,
    generator: torch.Generator,
) -> Residual:
    """Evaluate the equation at the top of this file for a batch of views.

    All branches that the term needs go through the model in one batched forward pass.

    Args:
        latents: clean latents x_0 of the rendered views, encoded by the prior.
        cameras: the views' cameras; whole groups of the prior's ``views_per_group``.
        progress: how far the run is, 0 to 1.
        generator: CPU generator of timesteps and noise.
    """
    prior = conditioned.prior
    t = term.timesteps(progress, len(latents), len(prior.alphas_cumprod), generator).to(latents.device)
    noised = term.noise(latents, t, prior.alphas_cumprod, generator)
    branches: list[Branch] = list(dict.fromkeys((*term.guidance.branches, *term.variate.branches)))
    conds: dict[Branch, Cond] = {
        branch: conditioned.conds(cameras, branch, view_prompts=term.view_prompts) for branch in branches
    }
    noise_preds = predict_branches(prior, noised.xt, t, conds)
    target = term.guidance(noise_preds, noised, progress, prior.spec.views_per_group)
    r = target - term.variate(noise_preds, noised)
    return Residual(weight_of(term.weighting, noised) * r, float(r.square().mean().sqrt()))


def predict_branches(
    prior: Prior, xt: Float[Tensor, "views channels h w"], t: Tensor, conds: Mapping[Branch, Cond]
) -> dict[Branch, Float[Tensor, "views channels h w"]]:
    """Return each branch's noise prediction from one forward pass; branches are outermost in the batch."""
    count = len(conds)
    stacked = prior.eps(xt.repeat(count, 1, 1, 1), t.repeat(count), stack_conds(list(conds.values())))
    return dict(zip(conds, stacked.chunk(count), strict=True))


def surrogate_loss(
    latents: Float[Tensor, "views channels h w"], gradient: Float[Tensor, "views channels h w"], views: int
) -> Float[Tensor, ""]:
    """Return a scalar whose gradient with respect to ``latents`` is ``gradient / views``.

    Args:
        latents, gradient: of the views that the term looks at.
        views: of the whole step, so that a view weighs the same whether a term looks at one or at all of them.
    """
    return (latents * gradient.detach()).sum() / views
