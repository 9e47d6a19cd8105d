# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The default: one consistent object from a multi-view prior, and its front from a text-to-image prior.

Text-to-image priors are biased to front views, which is the cause of the Janus problem when they look from all
sides. Here that bias is put to use: such a prior looks only at the front, early in the run. It draws the front of
four reference views, whose other three the multi-view prior draws to agree with it; the render is held to them for
the first third. And it pulls on the views from the front, fading. The multi-view prior (arXiv:2308.16512) has the
last word.

With --image the front is the user's picture: the other three views are drawn to agree with it, and the render is held
to it until the end. Its weight was chosen by eye: 0 forgets the picture, 2 tears the surface.
"""

from __future__ import annotations

from limbeck.config import Recipe
from limbeck.distillation.guidance import ClassifierFreeGuidance
from limbeck.distillation.references import DrawnReferences
from limbeck.distillation.term import Term
from limbeck.distillation.timesteps import Timesteps
from limbeck.recipes import CARDS
from limbeck.recipes.common import CLEAR_SPACE, FOUR_VIEWS
from limbeck.schedules import constant, linear


def recipe() -> Recipe:
    """Return SDS-MVD on four orthogonal views, drawn references and a fading SDS term on the front view."""
    return Recipe(
        name="limbeck",
        paper=CARDS["limbeck"].paper,
        summary=CARDS["limbeck"].summary,
        steps=600,
        references=DrawnReferences(weight=linear(2.0, 0.0, end=0.35)),
        picture_weight=constant(0.5),
        regularisers=CLEAR_SPACE,
        terms=(FOUR_VIEWS, _front()),
    )


def _front() -> Term:
    return Term(
        prior="text_to_image",
        weight=linear(8.0, 0.0, end=0.5),
        timesteps=Timesteps(t_max=linear(0.98, 0.5)),
        guidance=ClassifierFreeGuidance(scale=constant(10.0)),
        sector_deg=(-45.0, 45.0),
    )
