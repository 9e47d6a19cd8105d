# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A linear autoencoder of image patches: one strided convolution in, one transposed convolution out.

The embedded prior's latents are a principal component analysis of 4 x 4 patches. It costs almost nothing, and
its gradient is one transposed convolution. Gradients through a trained autoencoder of this size were not tried.
"""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor


class PatchAutoencoder:
    """Patch PCA with the ``encode`` and ``decode`` of a latent diffusion autoencoder, scaling included."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        """Take ``encoder.weight`` [K,3,p,p], ``encoder.bias`` [K], ``decoder.weight`` [K,3,p,p], ``mean`` [3,p,p]."""
        self._weights = weights
        self.patch = weights["encoder.weight"].shape[-1]
        self.scaling_factor = 1.0

    @classmethod
    def from_folder(cls, folder: Path, device: torch.device) -> PatchAutoencoder:
        """Load ``diffusion_pytorch_model.safetensors`` from ``folder``."""
        weights = load_file(folder / "diffusion_pytorch_model.safetensors")
        return cls({name: tensor.float().to(device) for name, tensor in weights.items()})

    def encode(self, rgb: Float[Tensor, "views 3 H W"]) -> Float[Tensor, "views channels h w"]:
        """Return latents of sRGB images in 0 to 1."""
        weights = self._weights
        return torch.nn.functional.conv2d(
            rgb * 2 - 1, weights["encoder.weight"], weights["encoder.bias"], stride=self.patch
        )

    def decode(self, latents: Float[Tensor, "views channels h w"]) -> Float[Tensor, "views 3 H W"]:
        """Return sRGB images in 0 to 1."""
        image = torch.nn.functional.conv_transpose2d(latents, self._weights["decoder.weight"], stride=self.patch)
        mean = self._weights["mean"].repeat(1, latents.shape[2], latents.shape[3])
        return ((image + mean + 1) / 2).clamp(0, 1)
