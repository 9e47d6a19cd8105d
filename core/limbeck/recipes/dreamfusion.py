# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""DreamFusion (Poole et al., arXiv:2209.14988): score distillation sampling on a text-to-image prior.

The paper draws t from 0.02 to 0.98 to the end and guides by 100; here t_max falls to 0.5 and guidance is 10, which
suit a small prior.
"""

from __future__ import annotations

from limbeck.config import Recipe
from limbeck.distillation.guidance import ClassifierFreeGuidance
from limbeck.distillation.term import Term
from limbeck.distillation.timesteps import Timesteps
from limbeck.recipes import CARDS
from limbeck.recipes.common import CLEAR_SPACE
from limbeck.schedules import constant, linear


def recipe() -> Recipe:
    """Return SDS: r = eps_cfg(x_t, y) - noise, w = sigma^2, one timestep per view."""
    return Recipe(
        name="dreamfusion",
        paper=CARDS["dreamfusion"].paper,
        summary=CARDS["dreamfusion"].summary,
        steps=600,
        regularisers=CLEAR_SPACE,
        terms=(
            Term(
                prior="text_to_image",
                timesteps=Timesteps(t_max=linear(0.98, 0.5)),
                guidance=ClassifierFreeGuidance(scale=constant(10.0)),
            ),
        ),
    )
