# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A prior together with what a run says to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from limbeck.cameras import Cameras, mvdream_camera
from limbeck.distillation.perp_neg import NEGATIVES, negative_rows, view_mixture
from limbeck.distillation.requests import Branch
from limbeck.priors.prior import Cond, Prior, TextPrior
from limbeck.prompts import VIEW_SUFFIXES, ViewThresholds, view_indices, view_prompts

ViewPrompts = bool | Literal["interpolated"]
"""Whether prompts say from where a view looks; interpolated ones turn from front to side to back with the azimuth."""
WITH_IMAGE = ("text", *NEGATIVES)
BELOW_ADAPTERS = ("base", "shifted", "empty", "lora")
"""Branches of the model without image prompt."""


@runtime_checkable
class Speaker(Protocol):
    """A prior together with what a run says to it."""

    @property
    def prior(self) -> Prior:
        """The model."""
        ...

    @property
    def prompt(self) -> str:
        """As much of the prompt as it takes."""
        ...

    def conds(
        self,
        cameras: Cameras,
        branch: Branch,
        *,
        view_prompts: ViewPrompts = True,
        image_scale: float = 1.0,
        control: Float[Tensor, "views 3 H W"] | None = None,
    ) -> Cond:
        """Return the condition of one branch for a batch of views."""
        ...


@dataclass(frozen=True)
class Conditioned:
    """A prior with its embeddings of the run's prompt and image.

    Attributes:
        prior: the model.
        by_view: text embeddings; rows as ``prompts.VIEW_SUFFIXES``, row 0 without suffix.
        negative: what the unconditional branch sees: the negative prompt, or the empty one.
        prompt: as much of the prompt as the text encoder takes.
        empty: the empty prompt; None where the negative prompt is empty.
        image: IP-Adapter embeddings of the image prompt, for a prior with an adapter.
    """

    prior: TextPrior
    by_view: Float[Tensor, "suffixes tokens width"]
    negative: Float[Tensor, "tokens width"]
    prompt: str = ""
    empty: Float[Tensor, "tokens width"] | None = None
    image: Float[Tensor, "1 images dim"] | None = None

    @property
    def has_negative(self) -> bool:
        """Whether the negative prompt says anything."""
        return self.empty is not None

    def conds(
        self,
        cameras: Cameras,
        branch: Branch,
        *,
        view_prompts: ViewPrompts = True,
        image_scale: float = 1.0,
        control: Float[Tensor, "views 3 H W"] | None = None,
    ) -> Cond:
        """Return the condition of one branch for a batch of views (``requests.Branch``).

        Args:
            cameras: of the views.
            branch: which one.
            view_prompts: whether, and how, the text says from where a view looks.
            image_scale: gate of the image prompt in the branches that see it; closed in those below the adapter.
            control: ControlNet's image, for a prior that takes one.
        """
        views = len(cameras.c2w)
        cond = Cond(
            self._text(cameras, branch, view_prompts),
            mvdream_camera(cameras.c2w) if self.prior.spec.is_camera_conditioned else None,
            control=control,
        )
        if self.image is None:
            return cond
        embeds = self.image.expand(views, -1, -1)
        gate = 0.0 if branch in BELOW_ADAPTERS else image_scale
        return replace(
            cond,
            image=embeds if branch in WITH_IMAGE else torch.zeros_like(embeds),
            image_scale=torch.full((views,), gate, device=embeds.device, dtype=embeds.dtype),
        )

    def _text(self, cameras: Cameras, branch: Branch, view_prompts: ViewPrompts) -> Float[Tensor, "views tokens width"]:
        views = len(cameras.c2w)
        if branch == "uncond":
            return self.negative.expand(views, -1, -1)
        if branch in ("null", "empty"):
            return (self.negative if self.empty is None else self.empty).expand(views, -1, -1)
        if branch in NEGATIVES:
            return self.by_view[negative_rows(cameras, branch)]
        if branch != "lora" and view_prompts == "interpolated":
            mixture = view_mixture(cameras).to(self.by_view)
            return torch.einsum("vs,stw->vtw", mixture, self.by_view)
        if view_prompts and branch != "lora":
            return self.by_view[view_indices(cameras.elevation_deg, cameras.azimuth_deg, ViewThresholds())]
        return self.by_view[:1].expand(views, -1, -1)


def condition(prior: TextPrior, prompt: str, negative_prompt: str) -> Conditioned:
    """Encode the prompt with every view suffix, and the negative prompt.

    A prompt that is too long loses its last words rather than the suffixes, which would be cut off without a word.
    """
    # All but the last suffix: few rigs look from overhead, and a small tokenizer spells that word out.
    fitting = prior.fit_prompt(prompt, max(VIEW_SUFFIXES[:-1], key=len))
    prompts = [*view_prompts(fitting), negative_prompt]
    texts = prior.encode_text([*prompts, ""] if negative_prompt else prompts)
    count = len(VIEW_SUFFIXES)
    return Conditioned(prior, texts[:count], texts[count], fitting, texts[count + 1] if negative_prompt else None)
