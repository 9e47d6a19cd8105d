# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A prior together with what a run says to it."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from limbeck.cameras import Cameras, mvdream_camera
from limbeck.distillation.guidance import Branch
from limbeck.priors.prior import Cond, TextPrior
from limbeck.prompts import VIEW_SUFFIXES, ViewThresholds, view_indices, view_prompts


@dataclass(frozen=True)
class Conditioned:
    """A prior with its embeddings of the run's prompt.

    Attributes:
        prior: the model.
        by_view: text embeddings; rows as ``prompts.VIEW_SUFFIXES``, row 0 without suffix.
        prompt: as much of the prompt as the text encoder takes.
        negative: what the unconditional branch sees: the negative prompt, or the empty one.
    """

    prior: TextPrior
    by_view: Float[Tensor, "suffixes tokens width"]
    negative: Float[Tensor, "tokens width"]
    prompt: str = ""

    def conds(self, cameras: Cameras, branch: Branch, *, view_prompts: bool) -> Cond:
        """Return the condition of one branch for a batch of views."""
        views = len(cameras.c2w)
        if branch == "uncond":
            text = self.negative.expand(views, -1, -1)
        elif view_prompts:
            text = self.by_view[view_indices(cameras.elevation_deg, cameras.azimuth_deg, ViewThresholds())]
        else:
            text = self.by_view[:1].expand(views, -1, -1)
        return Cond(text, mvdream_camera(cameras.c2w) if self.prior.spec.is_camera_conditioned else None)


def condition(prior: TextPrior, prompt: str, negative_prompt: str) -> Conditioned:
    """Encode the prompt with every view suffix, and the negative prompt.

    A prompt that is too long loses its last words rather than the suffixes, which would be cut off without a word.
    """
    # All but the last suffix: few rigs look from overhead, and a small tokenizer spells that word out.
    fitting = prior.fit_prompt(prompt, max(VIEW_SUFFIXES[:-1], key=len))
    texts = prior.encode_text([*view_prompts(fitting), negative_prompt])
    return Conditioned(prior, texts[:-1], texts[-1], fitting)
