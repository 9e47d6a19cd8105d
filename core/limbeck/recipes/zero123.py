# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Zero-1-to-3 (Liu et al., arXiv:2303.11328): one picture, seen by a novel-view prior from all sides.

threestudio's numbers: guidance 3, t from 0.4 .. 0.85 falling to 0.2 .. 0.5 in the first third. The render is held to
the picture at its own camera; the weight of that is chosen for renders of 64 pixels.
"""

from __future__ import annotations

from limbeck.config import Recipe
from limbeck.distillation.guidance import ClassifierFreeGuidance
from limbeck.distillation.references import DrawnImage
from limbeck.distillation.term import Term
from limbeck.distillation.timesteps import Timesteps
from limbeck.recipes import CARDS
from limbeck.recipes.common import CLEAR_SPACE
from limbeck.schedules import constant, linear


def recipe() -> Recipe:
    """Return novel-view SDS: r = eps_cfg(x_t, picture, camera) - noise, w = sigma^2, plus the picture itself."""
    return Recipe(
        name="zero123",
        paper=CARDS["zero123"].paper,
        summary=CARDS["zero123"].summary,
        steps=600,
        drawn_image=DrawnImage(),
        picture_weight=constant(2.0),
        regularisers=CLEAR_SPACE,
        terms=(
            Term(
                prior="novel_view",
                timesteps=Timesteps(t_min=linear(0.4, 0.2, end=0.33), t_max=linear(0.85, 0.5, end=0.33)),
                guidance=ClassifierFreeGuidance(scale=constant(3.0)),
            ),
        ),
    )
