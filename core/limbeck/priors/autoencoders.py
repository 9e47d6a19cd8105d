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
        return self.vae.encode(rgb * 2 - 1).latent_dist.mean * self.scaling_factor

    def decode(self, latents: Float[Tensor, "views channels h w"]) -> Float[Tensor, "views 3 H W"]:
        """Return images clamped to 0 to 1."""
        return ((self.vae.decode(latents / self.scaling_factor).sample + 1) / 2).clamp(0, 1)


def load_autoencoder(folder: Path, device: torch.device) -> tuple[Autoencoder, int]:
    """Return the autoencoder and how many pixels per side one latent covers."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if config["_class_name"] == "PatchAutoencoder":
        autoencoder = PatchAutoencoder.from_folder(folder, device)
        return autoencoder, autoencoder.patch
    vae = load_module(AutoencoderKL, folder, device)
    return KLAutoencoder(vae), 2 ** (len(vae.config.block_out_channels) - 1)
