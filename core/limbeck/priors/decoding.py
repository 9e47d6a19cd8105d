# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Decode latents so that gradients of the image reach them."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from limbeck.priors.autoencoders import Autoencoder
from limbeck.priors.prior import Prior


@runtime_checkable
class WithAutoencoder(Protocol):
    """A prior that lets its autoencoder be asked."""

    @property
    def autoencoder(self) -> Autoencoder:
        """Between images and latents."""
        ...


def decode_with_gradient(prior: Prior, latents: Float[Tensor, "views channels h w"]) -> Float[Tensor, "views 3 H W"]:
    """Return sRGB images in 0 to 1, in the graph of ``latents``; a clamped pixel has no gradient.

    A prior's own ``decode`` may run without gradients (``DiffusionPrior``'s does); its autoencoder's does not.

    Raises:
        ValueError: if no gradient passes.
    """
    rgb = prior.autoencoder.decode(latents) if isinstance(prior, WithAutoencoder) else prior.decode(latents)
    if latents.requires_grad and not rgb.requires_grad:
        raise ValueError(f"expected a decoder that passes gradients, got that of {prior.spec.name}")
    return rgb
