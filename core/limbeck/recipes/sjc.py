# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Score Jacobian Chaining (Wang et al., arXiv:2212.00774): SDS with a weight of 1.

In y = x / alpha the paper moves along (D(y) - y) / gamma, which is noise - eps (its eq. 16 with variance reduction).
It renders latents with guidance 100; here images are rendered, and guidance is 10, which suits a small prior.
"""

from __future__ import annotations

from limbeck.config import Recipe
from limbeck.distillation.guidance import ClassifierFreeGuidance
from limbeck.distillation.term import Term
from limbeck.distillation.timesteps import Timesteps
from limbeck.recipes import CARDS
from limbeck.recipes.common import CLEAR_SPACE
from limbeck.schedules import constant


def recipe() -> Recipe:
    """Return SJC: r = eps_cfg(x_t, y) - noise, w = 1, t over the whole noise schedule to the end."""
    return Recipe(
        name="sjc",
        paper=CARDS["sjc"].paper,
        summary=CARDS["sjc"].summary,
        steps=600,
        regularisers=CLEAR_SPACE,
        terms=(
            Term(
                timesteps=Timesteps(t_min=constant(0.01), t_max=constant(0.97)),
                guidance=ClassifierFreeGuidance(scale=constant(10.0)),
                weighting="uniform",
            ),
        ),
    )
