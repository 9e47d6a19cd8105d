# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""JointDreamer (Jiang et al., arXiv:2407.12291): joint score distillation, SDS with energies that views share.

The released code's schedules over its 7,000 steps: t falls from 0.98 alone to 0.02 .. 0.5 in the first 3,000, one t
per step; the energy acts from step 600 to 5,000, when geometry fades (its learning rates fall to 1e-6) and guidance
switches up; the negative prompt begins at step 3,000. Lambda is 5 over a batch of four views, which is 1.25 per
view. Guidance of 31 and then 51 is 10 and then 16 here, and the multi-view prior's 50 is 10, which suit small
priors.

The energies; each with its lambda:
    --set energies=multiview:1.25                     C(III), the default
    --set energies=classifier:1                       C(I)
    --set energies=novel_view:1.25                    C(II)
    --set energies=classifier:1,multiview:1.25        C(I) + C(III)
"""

from __future__ import annotations

from limbeck.config import Recipe
from limbeck.distillation.energies.multiview import MultiViewEnergy
from limbeck.distillation.guidance import ClassifierFreeGuidance
from limbeck.distillation.term import Term
from limbeck.distillation.timesteps import Timesteps
from limbeck.recipes import CARDS
from limbeck.recipes.common import CLEAR_SPACE
from limbeck.representations.gaussians import GaussianSettings, LearningRates
from limbeck.schedules import Schedule, constant, linear

WARM_UP, ANNEALED, FADED = 600 / 7000, 3000 / 7000, 5000 / 7000
"""When the energy begins, t has fallen, and geometry fades, as progress."""


def recipe() -> Recipe:
    """Return JSD: r = eps_cfg(x_t, y) - noise - lambda sigma dC/dx_t, w = sigma^2."""
    return Recipe(
        name="jointdreamer",
        paper=CARDS["jointdreamer"].paper,
        summary=CARDS["jointdreamer"].summary,
        steps=600,
        gaussians=GaussianSettings(learning_rates=_fading()),
        regularisers=CLEAR_SPACE,
        terms=(
            Term(
                timesteps=Timesteps(
                    t_min=linear(0.98, 0.02, end=ANNEALED), t_max=linear(0.98, 0.5, end=ANNEALED), is_shared=True
                ),
                guidance=ClassifierFreeGuidance(scale=_jump(10.0, 16.0, FADED)),
                energies=(MultiViewEnergy(guidance_scale=constant(10.0)),),
                energy_weight=Schedule(((0.0, 0.0), (WARM_UP, 0.0), (WARM_UP, 1.0), (FADED, 1.0), (FADED, 0.0))),
                negative=_jump(0.0, 1.0, ANNEALED),
            ),
        ),
    )


def _jump(before: float, after: float, at: float) -> Schedule:
    return Schedule(((0.0, before), (at, before), (at, after)))


def _fading() -> LearningRates:
    """Return the usual learning rates until geometry fades; colours go on."""
    usual = LearningRates()
    faded = {
        name: Schedule((*_points(getattr(usual, name)), (FADED, 1e-6)))
        for name in ("means", "log_scales", "quats", "opacity_logits")
    }
    return LearningRates(color_logits=usual.color_logits, **faded)


def _points(schedule: Schedule) -> tuple[tuple[float, float], ...]:
    """Return the schedule's points before geometry fades, and its value there."""
    before = tuple(point for point in schedule.points if point[0] < FADED)
    return (*before, (FADED, schedule(FADED)))
