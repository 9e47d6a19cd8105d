# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""ScaleDreamer (Ma et al., arXiv:2407.02040): asynchronous score distillation.

All numbers are the released code's: guidance 7.5, t from 0.5 .. 0.98 falling to 0.02 .. 0.5, eta 0.1 and Perp-Neg at
half strength; only the run is shorter than its 25,000 steps.
"""

from __future__ import annotations

from limbeck.config import Recipe
from limbeck.distillation.guidance import ClassifierFreeGuidance
from limbeck.distillation.perp_neg import PerpNeg
from limbeck.distillation.term import Term
from limbeck.distillation.timesteps import Timesteps
from limbeck.distillation.variates import ShiftedBaseScore
from limbeck.recipes import CARDS
from limbeck.recipes.common import CLEAR_SPACE
from limbeck.schedules import constant, linear


def recipe() -> Recipe:
    """Return ASD: r = eps_cfg(x_t, y) - eps(x_t', t', y) with t' a little later and the same noise, w = sigma^2."""
    return Recipe(
        name="scaledreamer",
        paper=CARDS["scaledreamer"].paper,
        summary=CARDS["scaledreamer"].summary,
        steps=600,
        regularisers=CLEAR_SPACE,
        terms=(
            Term(
                timesteps=Timesteps(t_min=linear(0.5, 0.02), t_max=linear(0.98, 0.5)),
                guidance=ClassifierFreeGuidance(scale=constant(7.5), perp_neg=PerpNeg(strength=constant(0.5))),
                variate=ShiftedBaseScore(eta=0.1),
            ),
        ),
    )
