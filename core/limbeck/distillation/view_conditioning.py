# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A novel-view prior together with the picture that a run shows it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from limbeck.cameras import Cameras
from limbeck.distillation.conditioning import ViewPrompts
from limbeck.distillation.energies.energy import ReferenceView, fit
from limbeck.distillation.requests import Branch
from limbeck.priors.novel_view import NovelViewPrior, Viewpoints, context_token, relative_pose, unscaled_latents
from limbeck.priors.prior import Cond

UNCONDITIONAL = ("uncond", "null", "empty")


@dataclass(frozen=True)
class ConditionedOnView:
    """A novel-view prior and its embeddings of the reference picture; words say nothing to it.

    Attributes:
        prior: the model.
        viewpoint: where the picture was seen from; one.
        embeds: the picture's CLIP embedding.
        latents: the picture's latents, not scaled.
        prompt: the run's, for messages.
    """

    prior: NovelViewPrior
    viewpoint: Viewpoints
    embeds: Float[Tensor, "1 dim"]
    latents: Float[Tensor, "1 channels h w"]
    prompt: str = ""

    def conds(
        self,
        cameras: Cameras,
        branch: Branch,
        *,
        view_prompts: ViewPrompts = True,
        image_scale: float = 1.0,
        control: Float[Tensor, "views 3 H W"] | None = None,
    ) -> Cond:
        """Return what asks for the cameras' views of the picture, or zeros in unconditional branches."""
        views = len(cameras.c2w)
        at = torch.zeros(views, dtype=torch.long)
        seen_from = self.viewpoint
        reference = Viewpoints(
            *(x[at].to(self.embeds) for x in (seen_from.elevation_deg, seen_from.azimuth_deg, seen_from.distance))
        )
        pose = relative_pose(reference, Viewpoints.of(cameras))
        token = context_token(self.prior.projection, self.embeds.expand(views, -1), pose).detach()
        cond = Cond(token, reference=self.latents.expand(views, -1, -1, -1))
        return self.prior.unconditional(cond) if branch in UNCONDITIONAL else cond


@torch.no_grad()
def condition_on_view(prior: NovelViewPrior, view: ReferenceView, prompt: str) -> ConditionedOnView:
    """Embed the reference picture once for the whole run."""
    size = prior.spec.image_size
    rgb = fit(view.rgb, size, size)
    latents = unscaled_latents(prior.autoencoder, rgb)
    return ConditionedOnView(prior, view.viewpoint, prior.image_encoder(rgb), latents, prompt)
