# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""MVDream (Shi et al., arXiv:2308.16512): SDS on four orthogonal views that share a timestep.

Its numbers differ from MVDream's own; ``common.FOUR_VIEWS`` says how and why.
"""

from __future__ import annotations

from limbeck.config import Recipe
from limbeck.recipes import CARDS
from limbeck.recipes.common import CLEAR_SPACE, FOUR_VIEWS


def recipe() -> Recipe:
    """Return SDS-MVD: r = eps_cfg(x_t, y, cameras) - noise over groups of four views, prompts without view words."""
    return Recipe(
        name="mvdream",
        paper=CARDS["mvdream"].paper,
        summary=CARDS["mvdream"].summary,
        steps=600,
        regularisers=CLEAR_SPACE,
        terms=(FOUR_VIEWS,),
    )
