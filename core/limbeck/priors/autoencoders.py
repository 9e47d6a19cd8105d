# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Autoencoders between images and the latents that a diffusion model works on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from jaxtyping import Float
from torch import Tensor

from limbeck.priors.files import load_module
from limbeck.priors.patch_autoencoder import PatchAutoencoder


@runtime_checkable
class Autoencoder(Protocol):
    """Maps sRGB images in 0 to 1 to scaled latents and back."""

    @property
    def scaling_factor(self) -> float:
        """What the encoder's own output was multiplied by."""
        ...

    def encode(self, rgb: Float[Tensor, "views 3 H W"]) -> Float[Tensor, "views channels h w"]:
        """Return latents; differentiable."""
        ...

    def decode(self, latents: Float[Tensor, "views channels h w"]) -> Float[Tensor, "views 3 H W"]:
        """Return images."""
        ...


@runtime_checkable
class WithExactEncoder(Protocol):
    """An autoencoder whose ``encode`` is a cheap stand-in."""

    def encode_exactly(self, rgb: Float[Tensor, "views 3 H W"]) -> Float[Tensor, "views channels h w"]:
        """Return the latents that ``encode`` stands in for."""
        ...


@dataclass(frozen=True)
class KLAutoencoder:
    """diffusers' AutoencoderKL, scaled by its own ``scaling_factor``."""

    vae: Any

    @property
    def scaling_factor(self) -> float:
        """What the encoder's own output was multiplied by."""
        return self.vae.config.scaling_factor

    def encode(self, rgb: Float[Tensor, "views 3 H W"]) -> Float[Tensor, "views channels h w"]:
        """Return the posterior's mean: sampling it would only add noise to the gradient."""
        image = (rgb * 2 - 1).to(self.vae.dtype)
        return self.vae.encode(image).latent_dist.mean.to(rgb.dtype) * self.scaling_factor

    def decode(self, latents: Float[Tensor, "views channels h w"]) -> Float[Tensor, "views 3 H W"]:
        """Return images clamped to 0 to 1."""
        image = self.vae.decode((latents / self.scaling_factor).to(self.vae.dtype)).sample.to(latents.dtype)
        return ((image + 1) / 2).clamp(0, 1)


@dataclass(frozen=True)
class PixelSpace:
    """No autoencoder: the model works on pixels from -1 to 1 (Imagen, DeepFloyd IF)."""

    @property
    def scaling_factor(self) -> float:
        """What the encoder's own output was multiplied by."""
        return 1.0

    def encode(self, rgb: Float[Tensor, "views 3 H W"]) -> Float[Tensor, "views 3 H W"]:
        """Return the pixels; differentiable."""
        return rgb * 2 - 1

    def decode(self, latents: Float[Tensor, "views 3 H W"]) -> Float[Tensor, "views 3 H W"]:
        """Return images clamped to 0 to 1."""
        return ((latents + 1) / 2).clamp(0, 1)


def load_autoencoder(folder: Path, device: torch.device, dtype: torch.dtype = torch.float32) -> tuple[Autoencoder, int]:
    """Return the autoencoder and how many pixels per side one latent covers."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if config["_class_name"] == "PatchAutoencoder":
        autoencoder = PatchAutoencoder.from_folder(folder, device)
        return autoencoder, autoencoder.patch
    vae = load_module(AutoencoderKL, folder, device, dtype)
    return KLAutoencoder(vae), 2 ** (len(vae.config.block_out_channels) - 1)
