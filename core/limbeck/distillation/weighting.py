# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The weight w(t) of a residual."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from limbeck.distillation.noise import Noised

Weighting = Literal["sigma2", "uniform", "gamma", "fantasia3d"]


def weight_of(weighting: Weighting, noised: Noised) -> Float[Tensor, "views 1 1 1"]:
    """Return w(t) per view.

    ``sigma2`` is DreamFusion's sigma_t^2, ``uniform`` is SJC's and CSD's 1, ``gamma`` is LucidDreamer's
    sigma_t / alpha_t, ``fantasia3d`` is alpha_t sigma_t^2.
    """
    alpha, sigma = noised.alpha, noised.sigma
    if weighting == "sigma2":
        return sigma**2
    if weighting == "gamma":
        return sigma / alpha
    if weighting == "fantasia3d":
        return alpha * sigma**2
    return torch.ones_like(sigma)
