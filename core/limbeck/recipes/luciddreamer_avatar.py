# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""LucidDreamer's avatars (Liang et al., arXiv:2311.11284, section 4 of the supplement): ISM held to a body's pose.

The paper places the Gaussians on a posed SMPL body, predicts a segmentation of its render with DensePose, and gives
that to a ControlNet. Here the body is any mesh given with --init, and the ControlNet hears its depth, rendered from
every view: it needs no predictor, as the geometry is known, and depth is what the embedded ControlNet was trained on.
The body stays where it was given while the Gaussians move on. Everything else is ``luciddreamer``'s; the path to x_t
is the controlled prior's own, too.

    --set control_scale=0.5      a looser hold on the pose
    --set control=object         held to the object's own depth instead
"""

from __future__ import annotations

from dataclasses import replace

from limbeck.config import Recipe
from limbeck.recipes import luciddreamer
from limbeck.recipes.common import derived


def recipe() -> Recipe:
    """Return ISM: r = eps_cfg(x_t, y, depth of the body) - eps(x_s, s, empty, the same depth), w = sigma / alpha."""
    base = luciddreamer.recipe()
    (term,) = base.terms
    return derived(
        base,
        "luciddreamer-avatar",
        terms=(replace(term, prior="structure", control="start"),),
    )
