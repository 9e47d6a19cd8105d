# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What several recipes share."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from limbeck.config import Recipe
from limbeck.distillation.guidance import ClassifierFreeGuidance
from limbeck.distillation.references import DrawnImage
from limbeck.distillation.regularisers import Regularisers
from limbeck.distillation.term import Term
from limbeck.distillation.timesteps import Timesteps
from limbeck.recipes import CARDS
from limbeck.schedules import Schedule, constant, linear

FOUR_VIEWS = Term(
    prior="multi_view",
    timesteps=Timesteps(t_max=linear(0.98, 0.5), is_shared=True),
    guidance=ClassifierFreeGuidance(scale=constant(10.0)),
    view_prompts=False,
)
"""SDS-MVD on the embedded prior: one timestep for four orthogonal views, prompts without view words.

MVDream's code takes guidance 50, weights by sigma / alpha and rescales x0 by half. Here guidance is 10, weighted by
sigma^2, without rescale: chosen by eye on a few prompts, where guidance 20 and 25 and a weight of 1 did no better.
"""

CLEAR_SPACE = Regularisers(
    sparsity=Schedule(((0.0, 40.0), (1.0, 100.0), (1.0, 0.0))),
    opaqueness=Schedule(((0.3, 0.0), (1.0, 100.0), (1.0, 0.0))),
)
"""Keeps space empty round the object; weights chosen by eye on a few prompts of the embedded priors.

Both end with the steps that make the shape: in those of ``refine``, a free mesh is opaque already, and less alpha would
be a smaller outline.
"""


def derived(base: Recipe, name: str, **changes: Any) -> Recipe:
    """Return a recipe that is another one with some fields changed, under the name, paper and summary of its card."""
    return replace(base, name=name, paper=CARDS[name].paper, summary=CARDS[name].summary, **changes)


def from_one_picture(name: str, terms: tuple[Term, ...]) -> Recipe:
    """Return a recipe that looks at one picture, the user's or a drawn one, to which the render is held at its camera.

    Args:
        name: of the recipe, which has a card.
        terms: the objective; the weight of the picture beside them is chosen for renders of 64 pixels.
    """
    return Recipe(
        name=name,
        paper=CARDS[name].paper,
        summary=CARDS[name].summary,
        steps=600,
        drawn_image=DrawnImage(),
        picture_weight=constant(2.0),
        regularisers=CLEAR_SPACE,
        terms=terms,
    )
