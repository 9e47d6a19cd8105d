# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Fit image tokens to text tokens, so that a UNet that knows words understands them before any training."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

FIT_IMAGES, FIT_BATCH = 4096, 64
"""How many images a layer is fitted on, and how many at once."""
RIDGE = 1e-3
"""Penalty on the squared weights, against a mean squared error of 1."""


@torch.no_grad()
def fit_linear(layer: nn.Linear, inputs: Float[Tensor, "samples dim"], targets: Float[Tensor, "samples out"]) -> None:
    """Set a layer's weights and bias in place to those of the ridge regression of ``targets`` on ``inputs``."""
    known = nn.functional.pad(inputs, (0, 1), value=1.0).double()
    penalty = RIDGE * len(known) * torch.eye(known.shape[1], dtype=torch.float64, device=known.device)
    weights = torch.linalg.solve(known.T @ known + penalty, known.T @ targets.double()).to(layer.weight)
    layer.weight.copy_(weights[:-1].T)
    layer.bias.copy_(weights[-1])
