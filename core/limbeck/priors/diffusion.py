# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Latent diffusion models in diffusers' layout: Stable Diffusion, MVDream and the embedded prior alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from jaxtyping import Float, Int
from torch import Tensor

from limbeck.priors.prior import Cond, PriorSpec

PredictionType = Literal["epsilon", "v_prediction"]


@runtime_checkable
class Autoencoder(Protocol):
    """Maps sRGB images in 0 to 1 to scaled latents and back."""

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

    def encode(self, rgb: Float[Tensor, "views 3 H W"]) -> Float[Tensor, "views channels h w"]:
        """Return the posterior's mean: sampling it would only add noise to the gradient."""
        return self.vae.encode(rgb * 2 - 1).latent_dist.mean * self.vae.config.scaling_factor

    def decode(self, latents: Float[Tensor, "views channels h w"]) -> Float[Tensor, "views 3 H W"]:
        """Return images clamped to 0 to 1."""
        return ((self.vae.decode(latents / self.vae.config.scaling_factor).sample + 1) / 2).clamp(0, 1)


@dataclass(frozen=True)
class TextEncoder:
    """A CLIP text encoder with its tokenizer."""

    tokenizer: Any
    model: Any

    def fit(self, prompt: str, suffix: str) -> str:
        """Return the prompt without the last words that would push ``suffix`` out of the encoder's window."""
        words = prompt.split(" ")
        while len(words) > 1 and self._length(" ".join(words) + suffix) > self.model.config.max_position_embeddings:
            words.pop()
        return " ".join(words)

    def _length(self, text: str) -> int:
        return len(self.tokenizer(text).input_ids)

    def __call__(self, prompts: Sequence[str]) -> Float[Tensor, "prompts tokens width"]:
        """Return the last hidden states of the padded, truncated prompts."""
        length = self.model.config.max_position_embeddings
        tokens = self.tokenizer(
            list(prompts), padding="max_length", max_length=length, truncation=True, return_tensors="pt"
        )
        with torch.no_grad():
            return self.model(tokens.input_ids.to(self.model.device)).last_hidden_state


@dataclass(frozen=True)
class DiffusionPrior:
    """A frozen UNet with its autoencoder and text encoder, answering in eps."""

    spec: PriorSpec
    unet: UNet2DConditionModel
    autoencoder: Autoencoder
    text_encoder: TextEncoder
    alphas_cumprod: Float[Tensor, " timesteps"]
    prediction_type: PredictionType

    def encode(self, rgb: Float[Tensor, "views 3 H W"]) -> Float[Tensor, "views channels h w"]:
        """Return scaled latents of sRGB images in 0 to 1; differentiable."""
        return self.autoencoder.encode(rgb)

    @torch.no_grad()
    def decode(self, latents: Float[Tensor, "views channels h w"]) -> Float[Tensor, "views 3 H W"]:
        """Return sRGB images in 0 to 1."""
        return self.autoencoder.decode(latents)

    def fit_prompt(self, prompt: str, suffix: str) -> str:
        """Return the prompt shortened by whole words until it and the suffix fit the text encoder."""
        return self.text_encoder.fit(prompt, suffix)

    def encode_text(self, prompts: Sequence[str]) -> Float[Tensor, "prompts tokens width"]:
        """Return text embeddings, one row per prompt."""
        return self.text_encoder(prompts)

    @torch.no_grad()
    def eps(
        self, xt: Float[Tensor, "batch channels h w"], t: Int[Tensor, " batch"], cond: Cond
    ) -> Float[Tensor, "batch channels h w"]:
        """Return the predicted noise.

        Raises:
            ValueError: if the prior needs a camera and none came, or if a group of views is incomplete.
        """
        self._check(xt, cond)
        prediction = self.unet(xt, t, cond.text, class_labels=cond.camera, return_dict=False)[0]
        if self.prediction_type == "epsilon":
            return prediction
        alpha_bar = self.alphas_cumprod[t][:, None, None, None]
        return alpha_bar.sqrt() * prediction + (1 - alpha_bar).sqrt() * xt

    def _check(self, xt: Tensor, cond: Cond) -> None:
        group = self.spec.views_per_group
        if len(xt) % group:
            raise ValueError(f"expected whole groups of {group} views, got {len(xt)} samples")
        if self.spec.is_camera_conditioned and cond.camera is None:
            raise ValueError(f"expected a camera for each of {len(xt)} samples, got none")
