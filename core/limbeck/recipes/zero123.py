# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Zero-1-to-3 (Liu et al., arXiv:2303.11328): one picture, seen by a novel-view prior from all sides.

threestudio's numbers: guidance 3, t from 0.4 .. 0.85 falling to 0.2 .. 0.5 in the first third.
"""

from __future__ import annotations

from limbeck.config import Recipe
from limbeck.distillation.guidance import ClassifierFreeGuidance
from limbeck.distillation.term import Term
from limbeck.distillation.timesteps import Timesteps
from limbeck.recipes.common import from_one_picture
from limbeck.schedules import constant, linear


def recipe() -> Recipe:
    """Return novel-view SDS: r = eps_cfg(x_t, picture, camera) - noise, w = sigma^2, plus the picture itself."""
    term = Term(
        prior="novel_view",
        timesteps=Timesteps(t_min=linear(0.4, 0.2, end=0.33), t_max=linear(0.85, 0.5, end=0.33)),
        guidance=ClassifierFreeGuidance(scale=constant(3.0)),
    )
    return from_one_picture("zero123", (term,))
