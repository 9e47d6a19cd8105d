# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""TAESD: a tiny encoder with the latents of Stable Diffusion 1 and 2, for drafts.

Its encoder has 1.2 million weights instead of 34 million. It is trained to imitate, so that gradients through it are
close to those of the model's own encoder, not the same.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
from jaxtyping import Float
from torch import Tensor

from limbeck.errors import LimbeckError
from limbeck.priors.autoencoders import KLAutoencoder
from limbeck.priors.diffusion import DiffusionPrior
from limbeck.priors.files import load_module, reported_as_incomplete
from limbeck.priors.locating import model_folder
from limbeck.priors.novel_view import NovelViewPrior

ALIAS = "taesd"
LATENT_CHANNELS, SCALING_FACTOR, PIXELS_PER_LATENT = 4, 0.18215, 8
"""Of the latents of Stable Diffusion 1 and 2, and of what was made from them; SDXL's have another scale."""

Encoding = TypeVar("Encoding", bound=DiffusionPrior | NovelViewPrior)


@dataclass(frozen=True)
class DraftAutoencoder:
    """Encodes by TAESD, whose latents are scaled already, and decodes by the model's own autoencoder.

    Attributes:
        tiny: diffusers' AutoencoderTiny.
        own: the model's.
    """

    tiny: Any
    own: KLAutoencoder

    @property
    def scaling_factor(self) -> float:
        """What the model's own encoder's output is multiplied by."""
        return self.own.scaling_factor

    def encode(self, rgb: Float[Tensor, "views 3 H W"]) -> Float[Tensor, "views channels h w"]:
        """Return latents; differentiable."""
        return self.tiny.encode((rgb * 2 - 1).to(self.tiny.dtype)).latents.to(rgb.dtype)

    def encode_exactly(self, rgb: Float[Tensor, "views 3 H W"]) -> Float[Tensor, "views channels h w"]:
        """Return latents by the model's own encoder, for what is encoded once and looked at in every step."""
        return self.own.encode(rgb)

    def decode(self, latents: Float[Tensor, "views channels h w"]) -> Float[Tensor, "views 3 H W"]:
        """Return images clamped to 0 to 1."""
        return self.own.decode(latents)


def require_shared_latents(folder: Path, source: str) -> None:
    """Refuse a model whose latents TAESD does not know, by its configuration alone.

    Args:
        folder: of the model.
        source: as the user named it, for the message.

    Raises:
        LimbeckError: E_RECIPE_INVALID.
    """
    try:
        config = json.loads((folder / "vae" / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        config = {}
    kind, channels = config.get("_class_name"), config.get("latent_channels", LATENT_CHANNELS)
    scale = config.get("scaling_factor", SCALING_FACTOR)
    if kind != "AutoencoderKL" or channels != LATENT_CHANNELS or abs(scale - SCALING_FACTOR) > 1e-6:
        raise LimbeckError(
            "E_RECIPE_INVALID",
            f"encoder: expected a model with the latents of Stable Diffusion 1 or 2 for taesd, got {source}",
            "use --set encoder=own, or --prior sd-1.5, sd-2.1-base, sd-2.1",
        )


def load_tiny(device: torch.device, dtype: torch.dtype) -> Any:
    """Load TAESD, which must have been pulled.

    Args:
        device, dtype: where and in which type it computes.

    Raises:
        LimbeckError: E_MODEL_MISSING, E_MODEL_INCOMPLETE.
    """
    folder = model_folder(ALIAS, "autoencoder")
    with reported_as_incomplete("tiny autoencoder", folder, "config.json and diffusion_pytorch_model"):
        tiny = load_module(AutoencoderTiny, folder, device, dtype)
        halvings = len(tiny.config.encoder_block_out_channels) - 1
        if (tiny.config.latent_channels, 2**halvings, tiny.config.scaling_factor) != (4, PIXELS_PER_LATENT, 1):
            raise ValueError("its latents are not those of Stable Diffusion 1 and 2")
    return tiny


def with_draft_encoder(model: Encoding, tiny: Any) -> Encoding:
    """Return a prior that encodes by TAESD; what it draws is decoded as before.

    Raises:
        TypeError: if its autoencoder is not an AutoencoderKL (``require_shared_latents`` refuses these earlier).
    """
    own = model.autoencoder
    if not isinstance(own, KLAutoencoder):
        raise TypeError(f"expected an AutoencoderKL to draft for, got {type(own).__name__}")
    return replace(model, autoencoder=DraftAutoencoder(tiny, own))
