# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""GSD on a given point cloud (Kwak et al., arXiv:2406.16695, section 5.2): as the paper runs it on 3DFuse.

A radiance field has no points for the noise to sit on. 3DFuse (Seo et al., arXiv:2303.07937) conditions the run on a
point cloud, which its geometry then follows, so that the noise can sit on that cloud: it is given with --init. The
field starts from the cloud, and the prior is held to the cloud's depth by a ControlNet, as 3DFuse holds it by its
sparse depth injector. What a view sees of the noise is still tested against the depth of the field as it is.

    --set prior=text_to_image           the noise alone sits on the cloud; the prior is free
    --set representation=gaussians      Gaussians that start on the cloud

On VSD, with the settings of gsd-vsd; a copy of a controlled prior cannot be trained yet:
    --set prior=text_to_image --set variate=lora --set variate.learning_rate=1e-3 --set guidance_scale=7.5
"""

from __future__ import annotations

from dataclasses import replace

from limbeck.config import Recipe
from limbeck.distillation.consistent_noise import ConsistentNoise
from limbeck.recipes import gsd
from limbeck.recipes.common import derived


def recipe() -> Recipe:
    """Return GSD on SDS with noise on a given cloud: r = eps_cfg(x_t, y, depth of the cloud) - noise, w = sigma^2."""
    base = gsd.recipe()
    (term,) = base.terms
    return derived(
        base,
        "gsd-cloud",
        representation="field",
        terms=(replace(term, prior="structure", control="start", noise=ConsistentNoise(points="start")),),
    )
