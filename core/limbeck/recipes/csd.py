# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Classifier score distillation (Yu et al., arXiv:2310.19415): the guidance direction alone.

The paper takes r = eps_text + c2 eps_negative + c3 eps_uncond with c2 from 0 to -1 and c3 from -1 to 0 over half of
its 10,000 steps: ``negative`` from 0 to 1. Its scale of 1 is 10 here, so that the regularisers keep their
proportion. Its Perp-Neg is left out; --set perp_neg=on brings it back.
"""

from __future__ import annotations

from limbeck.config import Recipe
from limbeck.distillation.guidance import ClassifierFreeGuidance
from limbeck.distillation.term import Term
from limbeck.distillation.timesteps import Timesteps
from limbeck.distillation.variates import Unconditional
from limbeck.recipes import CARDS
from limbeck.recipes.common import CLEAR_SPACE
from limbeck.schedules import Schedule, constant, linear


def recipe() -> Recipe:
    """Return CSD: r = s (eps(x_t, y) - eps(x_t, uncond)), w = 1, a rising share of the negative prompt."""
    return Recipe(
        name="csd",
        paper=CARDS["csd"].paper,
        summary=CARDS["csd"].summary,
        steps=600,
        regularisers=CLEAR_SPACE,
        terms=(
            Term(
                timesteps=Timesteps(t_max=Schedule(((0.0, 0.98), (0.5, 0.98), (0.5, 0.5)))),
                guidance=ClassifierFreeGuidance(scale=constant(10.0)),
                variate=Unconditional(),
                weighting="uniform",
                negative=linear(0.0, 1.0, end=0.5),
            ),
        ),
    )
