# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""JointDreamer (Jiang et al., arXiv:2407.12291): joint score distillation, SDS with energies that views share.

The released code's schedules over its 7,000 steps: t falls from 0.98 alone to 0.02 .. 0.5 in the first 3,000, one t
per step; the energy acts from step 600 to 5,000, when geometry fades (its learning rates fall to 1e-6) and guidance
switches up; the negative prompt begins at step 3,000. Lambda is 5 over a batch of four views, which is 1.25 per
view. Guidance of 31 and then 51 is 10 and then 16 here, and the multi-view prior's 50 is 10, which suit small
priors.

Then the mesh is refined, with guidance 71, the guided noise prediction rescaled by 0.7 in each view and the energy on
again. Here guidance is 23, it is x0 that is rescaled, as MVDream does, and the free mesh is the extracted one instead
of DMTet's. The paper takes 5,000 steps after its 7,000, which is refine=430 after 600; the default is a quarter of the
run, because such a step costs as much as any other. A hash grid's features are geometry and colours at once: they do
not fade.

The energies; each with its lambda:
    --set energies=multiview:1.25                     C(III), the default: the fewest Janus faces, the least time
    --set energies=classifier:1                       C(I), the recipe jointdreamer-i
    --set energies=novel_view:1.25                    C(II), the recipe jointdreamer-ii
    --set energies=classifier:1,multiview:1.25        C(I) + C(III), the recipe jointdreamer-i-iii
    --set refine=0                                    without the mesh stage
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from limbeck.config import Recipe
from limbeck.distillation.energies.multiview import MultiViewEnergy
from limbeck.distillation.guidance import ClassifierFreeGuidance
from limbeck.distillation.term import Term
from limbeck.distillation.timesteps import Timesteps
from limbeck.recipes import CARDS
from limbeck.recipes.common import CLEAR_SPACE
from limbeck.representations.field.settings import FieldRates, FieldSettings
from limbeck.representations.gaussians import GaussianSettings, LearningRates
from limbeck.schedules import Schedule, constant, linear

WARM_UP, ANNEALED, FADED = 600 / 7000, 3000 / 7000, 5000 / 7000
"""When the energy begins, t has fallen, and geometry fades, as progress."""
ENERGY = ((0.0, 0.0), (WARM_UP, 0.0), (WARM_UP, 1.0), (FADED, 1.0), (FADED, 0.0))
GUIDANCE = ((0.0, 10.0), (FADED, 10.0), (FADED, 16.0))
REFINE = 150
Rates = TypeVar("Rates", LearningRates, FieldRates)
GAUSSIAN_GEOMETRY = ("means", "log_scales", "quats", "opacity_logits")


def recipe() -> Recipe:
    """Return JSD: r = eps_cfg(x_t, y) - noise - lambda sigma dC/dx_t, w = sigma^2; then a refined mesh."""
    return Recipe(
        name="jointdreamer",
        paper=CARDS["jointdreamer"].paper,
        summary=CARDS["jointdreamer"].summary,
        steps=600,
        refine=REFINE,
        gaussians=GaussianSettings(learning_rates=_fading(LearningRates(), GAUSSIAN_GEOMETRY)),
        field=FieldSettings(learning_rates=_fading(FieldRates(), ("densities",))),
        regularisers=CLEAR_SPACE,
        terms=(
            Term(
                timesteps=Timesteps(
                    t_min=linear(0.98, 0.02, end=ANNEALED), t_max=linear(0.98, 0.5, end=ANNEALED), is_shared=True
                ),
                guidance=ClassifierFreeGuidance(scale=_refined(GUIDANCE, 23.0), rescale=_refined(((0.0, 0.0),), 0.7)),
                energies=(MultiViewEnergy(guidance_scale=constant(10.0)),),
                energy_weight=_refined(ENERGY, 1.0),
                negative=Schedule(((0.0, 0.0), (ANNEALED, 0.0), (ANNEALED, 1.0))),
            ),
        ),
    )


def _refined(points: tuple[tuple[float, float], ...], value: float) -> Schedule:
    """Return a schedule with another value at its end, which is what the steps that refine see."""
    return Schedule((*points, (1.0, points[-1][1]), (1.0, value)))


def _fading(usual: Rates, geometry: tuple[str, ...]) -> Rates:
    """Return the usual learning rates until geometry fades; colours go on."""
    faded = {name: Schedule((*_points(getattr(usual, name)), (FADED, 1e-6))) for name in geometry}
    return replace(usual, **faded)


def _points(schedule: Schedule) -> tuple[tuple[float, float], ...]:
    """Return the schedule's points before geometry fades, and its value there."""
    before = tuple(point for point in schedule.points if point[0] < FADED)
    return (*before, (FADED, schedule(FADED)))
