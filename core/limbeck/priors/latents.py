# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Whether the latents of two priors mean the same."""

from __future__ import annotations

import torch

from limbeck.priors.prior import Prior


def same_latents(first: Prior, second: Prior) -> bool:
    """Return whether two priors encode a ramp of colours alike: to a tenth of its latents' spread."""
    size = min(first.spec.image_size, second.spec.image_size)
    ramp = torch.linspace(0, 1, size).to(first.alphas_cumprod)
    rgb = torch.stack([ramp.expand(size, size), ramp[:, None].expand(size, size), 1 - ramp.expand(size, size)])[None]
    with torch.no_grad():
        one, other = first.encode(rgb), second.encode(rgb)
    return one.shape == other.shape and bool((one - other).std() < 0.1 * one.std())
