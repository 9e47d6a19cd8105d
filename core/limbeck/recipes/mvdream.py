# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""MVDream (Shi et al., arXiv:2308.16512): SDS on four orthogonal views that share timestep and noise level."""

from __future__ import annotations

from limbeck.config import Recipe
from limbeck.distillation.guidance import ClassifierFreeGuidance
from limbeck.distillation.term import Term
from limbeck.distillation.timesteps import Timesteps
from limbeck.recipes import CARDS
from limbeck.recipes.common import CLEAR_SPACE
from limbeck.schedules import constant, linear


def recipe() -> Recipe:
    """Return SDS-MVD: r = eps_cfg(x_t, y, cameras) - noise over groups of four views, prompts without view words."""
    return Recipe(
        name="mvdream",
        paper=CARDS["mvdream"].paper,
        summary=CARDS["mvdream"].summary,
        steps=600,
        regularisers=CLEAR_SPACE,
        terms=(
            Term(
                prior="multi_view",
                timesteps=Timesteps(t_max=linear(0.98, 0.5), is_shared=True),
                guidance=ClassifierFreeGuidance(scale=constant(10.0)),
                view_prompts=False,
            ),
        ),
    )
