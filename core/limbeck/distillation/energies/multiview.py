# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""C(III) of JointDreamer: a multi-view prior's x0 of the same views (arXiv:2407.12291, section 4.2 and released code).

C_i = -1/2 |x0_i - sg(x0_i of the multi-view prior)|^2        x0 = (o x_t - sigma_t sg(eps_uncond)) / alpha_t

The multi-view prior encodes the render at its own size and noises it with fresh noise at the same t; its unconditional
branch has the same share of the negative prompt as the term's (``Term.negative``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import ConfigDict

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
)
from limbeck.distillation.guidance import ClassifierFreeGuidance
from limbeck.distillation.requests import uncond_branches
from limbeck.schedules import Schedule, constant


@dataclass(frozen=True)
class MultiViewEnergy:
    """Views agree when they are near what a multi-view prior makes of all of them at once.

    Attributes:
        weight: lambda; 1.25 is the released 5 at its batch of four views (``energy``).
        max_share: how long its correction may be against the residual (``energy``); None is as long as it gets.
        guidance_scale, rescale: of the multi-view prior, as ``ClassifierFreeGuidance`` has them.
        mask: where opacity enters; "latents" as released.
        view_prompts: whether the multi-view prior is told from where a view looks. The released code does, the
            prior's own training and recipe do not.
        space: "images" for a multi-view prior whose latents are not the term's.
    """

    weight: Schedule = constant(1.25)
    max_share: MaxShare = MAX_SHARE
    guidance_scale: Schedule = constant(50.0)
    rescale: float = 0.5
    mask: Mask = "latents"
    view_prompts: bool = False
    space: Space = "latents"
    kind: Literal["multi_view"] = "multi_view"

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    @property
    def critics(self) -> tuple[CriticRole, ...]:
        """It asks the multi-view prior."""
        return ("multi_view",)

    @property
    def views_per_group(self) -> int:
        """Four orthogonal views of one object, as MVDream was trained."""
        return 4

    def __call__(self, denoised: Denoised, critics: Critics, context: StepContext) -> EnergyGradient:
        """Return dC/dx_t in closed form.

        Raises:
            ValueError: without a multi-view prior, or if the views of a group do not share a timestep.
        """
        if critics.multi_view is None:
            raise ValueError("expected a multi-view prior for the multi-view energy, got none")
        conditioned, t = critics.multi_view, denoised.noised.t
        group = conditioned.prior.spec.views_per_group
        host_t = t.cpu() if context.host_t is None else context.host_t
        if len(t) % group or (host_t.view(-1, group) != host_t.view(-1, group)[:, :1]).any():
            raise ValueError(f"expected whole groups of {group} views that share a timestep, got t = {host_t.tolist()}")
        branches = ("text", *uncond_branches(context.negative, has_negative=conditioned.has_negative))
        conds = {
            branch: conditioned.conds(context.cameras, branch, view_prompts=self.view_prompts) for branch in branches
        }
        guidance = ClassifierFreeGuidance(self.guidance_scale, constant(self.rescale))
        question = Question(conditioned.prior, conds, guidance, context.progress, context.negative)
        x0 = one_step_x0(question, context.rendering.rgb.detach(), t, context.generator)
        return attraction(denoised, as_target(x0, conditioned.prior, denoised, self.space), self.mask)
