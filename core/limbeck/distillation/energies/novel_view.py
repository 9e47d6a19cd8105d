# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""C(II) of JointDreamer: what a novel-view prior makes of another view (arXiv:2407.12291, section 4.2).

C_i = -1/2 |x0_i - sg(M(source, camera_i relative to the source's))|^2

The source is another view of the same step (text-to-3D: random pairs) or the reference picture (image-to-3D). The
paper's code for it is not released: evaluated on predicted x0 and compared at latent resolution, as C(III) is. M noises
the render at its own size with fresh noise at the same t and predicts x0 in one step.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import ConfigDict
from torch import Tensor

from limbeck.distillation.context import StepContext
from limbeck.distillation.energies.critic import Question, Space, as_target, attraction, one_step_x0
from limbeck.distillation.energies.energy import (
    MAX_SHARE,
    CriticRole,
    Critics,
    Denoised,
    EnergyGradient,
    Mask,
    MaxShare,
    fit,
)
from limbeck.distillation.guidance import ClassifierFreeGuidance
from limbeck.priors.novel_view import Viewpoints
from limbeck.schedules import Schedule, constant


@dataclass(frozen=True)
class NovelViewEnergy:
    """Views agree when each is near what a novel-view prior sees there, given another.

    Attributes:
        weight: lambda.
        max_share: how long its correction may be against the residual (``energy``); None is as long as it gets.
        guidance_scale, rescale: of the novel-view prior, as ``ClassifierFreeGuidance`` has them.
        source: what the prior is given: another view of the step, drawn at random, or the reference picture.
        shown: how another view is shown: as its predicted x0, decoded, or as it is rendered.
        mask: where opacity enters the comparison.
        space: "images" for a novel-view prior whose latents are not the term's.
    """

    weight: Schedule = constant(1.25)
    max_share: MaxShare = MAX_SHARE
    guidance_scale: Schedule = constant(3.0)
    rescale: float = 0.0
    source: Literal["views", "reference"] = "views"
    shown: Literal["x0", "render"] = "x0"
    mask: Mask = "latents"
    space: Space = "latents"
    kind: Literal["novel_view"] = "novel_view"

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    @property
    def critics(self) -> tuple[CriticRole, ...]:
        """It asks the novel-view prior, about the reference picture if that is its source."""
        return ("novel_view", "reference") if self.source == "reference" else ("novel_view",)

    @property
    def views_per_group(self) -> int:
        """A pair, unless the other one is the reference picture."""
        return 1 if self.source == "reference" else 2

    def __call__(self, denoised: Denoised, critics: Critics, context: StepContext) -> EnergyGradient:
        """Return dC/dx_t in closed form.

        Raises:
            ValueError: without a novel-view prior, a reference picture where it is the source, or a second view.
        """
        if critics.novel_view is None:
            raise ValueError("expected a novel-view prior for the novel-view energy, got none")
        prior = critics.novel_view
        rgb, source = self._source(denoised, critics, context)
        size = prior.spec.image_size
        target = Viewpoints.of(context.cameras)
        text = prior.condition(fit(rgb, size, size), source.to(rgb.device), target.to(rgb.device))
        question = Question(
            prior,
            {"text": text, "uncond": prior.unconditional(text)},
            ClassifierFreeGuidance(self.guidance_scale, constant(self.rescale)),
            context.progress,
        )
        x0 = one_step_x0(question, context.rendering.rgb.detach(), denoised.noised.t, context.generator)
        return attraction(denoised, as_target(x0, prior, denoised, self.space), self.mask)

    @torch.no_grad()
    def _source(
        self, denoised: Denoised, critics: Critics, context: StepContext
    ) -> tuple[Float[Tensor, "views 3 H W"], Viewpoints]:
        """Return the picture that each view is predicted from, and where it was seen from."""
        views = len(denoised.noised.xt)
        if self.source == "reference":
            if critics.reference is None:
                raise ValueError("expected a reference picture for the novel-view energy, got none")
            at = torch.zeros(views, dtype=torch.long)
            seen_from = critics.reference.viewpoint
            return critics.reference.rgb.expand(views, -1, -1, -1), _pick(seen_from, at)
        at = other_views(views, context.generator)
        rgb = denoised.prior.decode(denoised.x0_pred()) if self.shown == "x0" else context.rendering.rgb
        return rgb[at.to(rgb.device)], _pick(Viewpoints.of(context.cameras), at)


def other_views(views: int, generator: torch.Generator) -> Tensor:
    """Return for each view another one: all are turned on by one random number of places.

    Raises:
        ValueError: for a single view.
    """
    if views < 2:
        raise ValueError(f"expected at least two views for a pair, got {views}")
    turn = int(torch.randint(1, views, (), generator=generator))
    return (torch.arange(views) + turn) % views


def _pick(viewpoints: Viewpoints, at: Tensor) -> Viewpoints:
    at = at.to(viewpoints.distance.device)
    return replace(
        viewpoints,
        elevation_deg=viewpoints.elevation_deg[at],
        azimuth_deg=viewpoints.azimuth_deg[at],
        distance=viewpoints.distance[at],
    )
