# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Magic123 (Qian et al., arXiv:2306.17843): one picture, a novel-view prior and a text-to-image prior.

threestudio weighs SDS at guidance 101 by 0.025 and Zero-1-to-3 at guidance 5 by 1, with t from 0.2 to 0.6. Here the
text-to-image prior has guidance 10 and a weight of 0.25, whose product is the same.
"""

from __future__ import annotations

from limbeck.config import Recipe
from limbeck.distillation.guidance import ClassifierFreeGuidance
from limbeck.distillation.term import Term
from limbeck.distillation.timesteps import Timesteps
from limbeck.recipes.common import from_one_picture
from limbeck.schedules import constant

TIMESTEPS = Timesteps(t_min=constant(0.2), t_max=constant(0.6))


def recipe() -> Recipe:
    """Return SDS on both priors: r = eps_cfg(x_t, picture, camera or y) - noise, plus the picture itself."""
    return from_one_picture(
        "magic123",
        (
            Term(prior="novel_view", timesteps=TIMESTEPS, guidance=ClassifierFreeGuidance(scale=constant(5.0))),
            Term(weight=constant(0.25), timesteps=TIMESTEPS, guidance=ClassifierFreeGuidance(scale=constant(10.0))),
        ),
    )
