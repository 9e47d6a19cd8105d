# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""LucidDreamer (Liang et al., arXiv:2311.11284): interval score matching.

The released code's numbers: guidance 7.5, delta_S 200, delta_T falling from 100 to 80 and t_max from 0.98 to 0.5 in
the first 1,500 of 5,000 steps, one t per step, prompts interpolated between views. Its factor of 0.1 is left out, as
Adam does not see it and the regularisers here are weighed against a residual of size one.

Variants (equations of the supplement):
    --set guidance.multi_step=on --set variate=noise      the naive objective (eq. 2), the recipe luciddreamer-naive
    --set perp_neg=on --set guidance.perp_neg.family=luciddreamer
"""

from __future__ import annotations

from limbeck.config import Recipe
from limbeck.distillation.guidance import ClassifierFreeGuidance
from limbeck.distillation.inversion import DDIMInversion
from limbeck.distillation.term import Term
from limbeck.distillation.timesteps import Timesteps
from limbeck.distillation.variates import PathScore
from limbeck.recipes import CARDS
from limbeck.recipes.common import CLEAR_SPACE
from limbeck.schedules import constant, linear


def recipe() -> Recipe:
    """Return ISM: r = eps_cfg(x_t, y) - eps(x_s, s, empty) along a DDIM inversion, w = sigma / alpha."""
    return Recipe(
        name="luciddreamer",
        paper=CARDS["luciddreamer"].paper,
        summary=CARDS["luciddreamer"].summary,
        steps=600,
        regularisers=CLEAR_SPACE,
        terms=(
            Term(
                timesteps=Timesteps(t_max=linear(0.98, 0.5, end=0.3), is_shared=True),
                noise=DDIMInversion(),
                guidance=ClassifierFreeGuidance(scale=constant(7.5)),
                variate=PathScore(),
                weighting="gamma",
                view_prompts="interpolated",
            ),
        ),
    )
