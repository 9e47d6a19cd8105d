# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""ProlificDreamer (Wang et al., arXiv:2305.16213): variational score distillation, one particle, its first stage.

Guidance 7.5 and t_max falling from 0.98 to 0.5 after a fifth of the run are the paper's. It trains for 25,000 steps
at a learning rate of 1e-4; 600 steps of a small UNet take 1e-3.
"""

from __future__ import annotations

from limbeck.config import Recipe
from limbeck.distillation.guidance import ClassifierFreeGuidance
from limbeck.distillation.term import Term
from limbeck.distillation.timesteps import Timesteps
from limbeck.distillation.variates import TrainedScore
from limbeck.recipes import CARDS
from limbeck.recipes.common import CLEAR_SPACE
from limbeck.schedules import Schedule, constant


def recipe() -> Recipe:
    """Return VSD: r = eps_cfg(x_t, y) - eps_lora(x_t, y, camera), w = sigma^2, the LoRA learning the renders."""
    return Recipe(
        name="prolificdreamer",
        paper=CARDS["prolificdreamer"].paper,
        summary=CARDS["prolificdreamer"].summary,
        steps=600,
        regularisers=CLEAR_SPACE,
        terms=(
            Term(
                timesteps=Timesteps(t_max=Schedule(((0.0, 0.98), (0.2, 0.98), (0.2, 0.5)))),
                guidance=ClassifierFreeGuidance(scale=constant(7.5)),
                variate=TrainedScore(learning_rate=1e-3),
            ),
        ),
    )
