# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The default: a multi-view prior for one consistent object, and a text-to-image prior that says where its front is.

Text-to-image priors are biased to front views, which is the cause of the Janus problem when they look from all sides.
Here the same bias is put to use: such a prior looks only at the views from the front, early in the run, so that the one
front which the multi-view prior (arXiv:2308.16512) makes appears where the world's front is.
"""

from __future__ import annotations

from limbeck.config import Recipe
from limbeck.distillation.guidance import ClassifierFreeGuidance
from limbeck.distillation.references import DrawnReferences
from limbeck.distillation.regularisers import Regularisers
from limbeck.distillation.term import Term
from limbeck.distillation.timesteps import Timesteps
from limbeck.recipes import CARDS
from limbeck.schedules import constant, linear


def recipe() -> Recipe:
    """Return SDS-MVD on four orthogonal views plus a fading SDS term on the front view."""
    return Recipe(
        name="limbeck",
        paper=CARDS["limbeck"].paper,
        summary=CARDS["limbeck"].summary,
        references=DrawnReferences(weight=linear(2.0, 0.0, end=0.6)),
        regularisers=Regularisers(sparsity=constant(20.0), opaqueness=linear(0.0, 100.0, begin=0.3)),
        terms=(
            Term(
                prior="multi_view",
                timesteps=Timesteps(t_max=linear(0.98, 0.5), is_shared=True),
                guidance=ClassifierFreeGuidance(scale=constant(10.0)),
                view_prompts=False,
            ),
            Term(
                prior="text_to_image",
                weight=linear(2.0, 0.0, end=0.7),
                timesteps=Timesteps(t_max=linear(0.98, 0.5)),
                guidance=ClassifierFreeGuidance(scale=constant(10.0)),
                sector_deg=(-45.0, 45.0),
            ),
        ),
    )
