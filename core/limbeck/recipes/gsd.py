# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""GSD (Kwak et al., arXiv:2406.16695): 3D-consistent noise and a gradient-consistency loss, on SDS.

The paper's numbers: nine children per point and neighbours 5 degrees apart. It does not say how much the loss
weighs; it starts after a tenth of the run here. Guidance of 100 is 10, as in dreamfusion.

On another row of the table:
    --set consistency=off      the noise alone
    --set noise=gaussian       the loss alone, which the paper finds to do little
    --set variate=lora --set variate.learning_rate=1e-3 --set guidance_scale=7.5      on VSD, the recipe gsd-vsd
"""

from __future__ import annotations

from limbeck.config import Recipe
from limbeck.distillation.consistency import Consistency
from limbeck.distillation.consistent_noise import ConsistentNoise
from limbeck.distillation.guidance import ClassifierFreeGuidance
from limbeck.distillation.term import Term
from limbeck.distillation.timesteps import Timesteps
from limbeck.recipes import CARDS
from limbeck.recipes.common import CLEAR_SPACE
from limbeck.schedules import Schedule, constant, linear


def recipe() -> Recipe:
    """Return GSD on SDS: noise that sticks to surfaces, r = eps_cfg(x_t, y) - noise, w = sigma^2, a loss on depth."""
    return Recipe(
        name="gsd",
        paper=CARDS["gsd"].paper,
        summary=CARDS["gsd"].summary,
        steps=600,
        neighbours_deg=5.0,
        regularisers=CLEAR_SPACE,
        terms=(
            Term(
                timesteps=Timesteps(t_max=linear(0.98, 0.5)),
                noise=ConsistentNoise(),
                guidance=ClassifierFreeGuidance(scale=constant(10.0)),
                consistency=Consistency(weight=Schedule(((0.0, 0.0), (0.1, 0.0), (0.1, 1.0)))),
            ),
        ),
    )
