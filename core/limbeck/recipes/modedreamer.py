# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""ModeDreamer (Tran et al., arXiv:2411.18135): ISD, guided by one picture, beside a multi-view prior.

The paper's numbers: image scale 0.5, guidance 7.5, the weight of ISD rising from 0.4 to 0.8 while the multi-view
term's falls from 0.6 to 0.02. It does not say how they rise and fall, nor t and w: linearly, t_max from 0.98 to 0.5,
sigma^2. The multi-view term is the embedded prior's own, at guidance 10 instead of 50 (``common.FOUR_VIEWS``). The
picture is the user's, or drawn from the text-to-image prior.

The four control variates, and the methods that two of them are with an image prompt:
    --set variate=base                                       ISD, the default
    --set variate=noise                                      IP-SDS; the paper also tries guidance 100
    --set variate=lora --set variate.learning_rate=1e-3      IP-VSD
    --set variate=base_shifted                               with ASD's variate
The same without the multi-view term:
    --set terms.1=none --set weight=1                                 ISD alone, the recipe isd
    --set terms.1=none --set weight=1 --set variate=noise             the recipe ip-sds
    --set terms.1=none --set weight=1 --set variate=base_shifted      the recipe isd-shifted
    --set terms.1=none --set weight=1 --set variate=lora --set variate.learning_rate=1e-3      the recipe ip-vsd
"""

from __future__ import annotations

from dataclasses import replace

from limbeck.config import Recipe
from limbeck.distillation.guidance import ClassifierFreeGuidance
from limbeck.distillation.references import DrawnImage
from limbeck.distillation.term import Term
from limbeck.distillation.timesteps import Timesteps
from limbeck.distillation.variates import BaseScore
from limbeck.recipes import CARDS
from limbeck.recipes.common import CLEAR_SPACE, FOUR_VIEWS
from limbeck.schedules import constant, linear


def recipe() -> Recipe:
    """Return ISD: r = eps_cfg(x_t, y, image) - eps(x_t, y), w = sigma^2, plus SDS-MVD."""
    image = Term(
        prior="image_prompt",
        weight=linear(0.4, 0.8),
        timesteps=Timesteps(t_max=linear(0.98, 0.5)),
        guidance=ClassifierFreeGuidance(scale=constant(7.5)),
        variate=BaseScore(),
        image_scale=constant(0.5),
    )
    return Recipe(
        name="modedreamer",
        paper=CARDS["modedreamer"].paper,
        summary=CARDS["modedreamer"].summary,
        steps=600,
        drawn_image=DrawnImage(),
        regularisers=CLEAR_SPACE,
        terms=(image, replace(FOUR_VIEWS, weight=linear(0.6, 0.02))),
    )
