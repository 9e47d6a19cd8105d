# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""C(I) of JointDreamer: a classifier's logit that pairs of views show one object (arXiv:2407.12291, section 4.2).

C_i = mean over j != i of logit(decode(x0_i), decode(x0_j), camera_j relative to camera_i)

The paper sums over pairs; the mean makes lambda independent of how many views there are. Its code is not released:
evaluated on predicted x0, decoded to pixels. The gradient goes through classifier and decoder by autograd.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from pydantic import ConfigDict

from limbeck.distillation.context import StepContext
from limbeck.distillation.energies.energy import MAX_SHARE, CriticRole, Critics, Denoised, EnergyGradient, MaxShare
from limbeck.priors.decoding import decode_with_gradient
from limbeck.priors.pair_classifier import pair_logits
from limbeck.schedules import Schedule, constant


@dataclass(frozen=True)
class PairClassifierEnergy:
    """Views agree when a classifier takes every two of them for one object.

    Attributes:
        weight: lambda.
        max_share: how long its correction may be against the residual (``energy``); None is as long as it gets.
        mask: where opacity enters. "latents" would show the classifier x0 whose background is noise times
            sigma_t / alpha_t.
    """

    weight: Schedule = constant(1.0)
    max_share: MaxShare = MAX_SHARE
    mask: Literal["gradient", "none"] = "gradient"
    kind: Literal["pair_classifier"] = "pair_classifier"

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    @property
    def critics(self) -> tuple[CriticRole, ...]:
        """It asks the pair classifier."""
        return ("pair_classifier",)

    @property
    def views_per_group(self) -> int:
        """A pair at least."""
        return 2

    def __call__(self, denoised: Denoised, critics: Critics, context: StepContext) -> EnergyGradient:
        """Return dC/dx_t by autograd.

        Raises:
            ValueError: without a classifier, with a single view, or if the prior's decoder passes no gradient.
        """
        if critics.pair_classifier is None:
            raise ValueError("expected a pair classifier for the pair classifier's energy, got none")
        views, mask = len(denoised.noised.xt), self.mask
        if views < 2:
            raise ValueError(f"expected at least two views for a pair, got {views}")
        with torch.enable_grad():
            x0 = denoised.x0_pred(mask).requires_grad_(True)
            rgb = decode_with_gradient(denoised.prior, x0)
            logits = pair_logits(critics.pair_classifier, rgb, context.cameras.c2w.to(rgb))
            values = logits.view(views, views - 1).mean(1)
            (gradient,) = torch.autograd.grad(values.sum(), x0)
        return EnergyGradient(denoised.to_xt(gradient, mask), values.detach())
