# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Diffusion models in diffusers' layout: Stable Diffusion, SDXL, IF, MVDream and the embedded prior alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.controlnets.controlnet import ControlNetModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from jaxtyping import Float, Int
from torch import Tensor

from limbeck.priors.asking import ask
from limbeck.priors.autoencoders import Autoencoder
from limbeck.priors.control import control_arguments
from limbeck.priors.image_encoder import PictureReader
from limbeck.priors.ip_adapter import image_prompt_arguments
from limbeck.priors.prediction import NoiseSchedule
from limbeck.priors.prior import Cond, PriorSpec
from limbeck.priors.rationing import Ration, ask_in_parts, encode_in_parts, on_device, whole_groups
from limbeck.priors.text_encoder import TextReader


@dataclass(frozen=True)
class DiffusionPrior:
    """A frozen UNet with its autoencoder and text encoder, answering in eps.

    Attributes:
        image_encoder: of the IP-Adapter that the UNet has, or None without one.
        controlnet: what turns a control into residuals of the UNet, or None without one.
        ration: how much of the work is in memory at once; it changes no answer but by rounding, unless it shrinks.
    """

    spec: PriorSpec
    unet: UNet2DConditionModel
    autoencoder: Autoencoder
    text_encoder: TextReader
    schedule: NoiseSchedule
    image_encoder: PictureReader | None = None
    controlnet: ControlNetModel | None = None
    ration: Ration = Ration()

    @property
    def pixels_per_latent(self) -> int:
        """How many pixels per side a latent covers."""
        return self.spec.image_size * self.ration.shrink // self.unet.config["sample_size"]

    @property
    def alphas_cumprod(self) -> Float[Tensor, " timesteps"]:
        """The cumulative products of 1 - beta, by timestep."""
        return self.schedule.alphas_cumprod

    def encode(self, rgb: Float[Tensor, "views 3 H W"]) -> Float[Tensor, "views channels h w"]:
        """Return scaled latents of sRGB images in 0 to 1; differentiable."""
        return encode_in_parts(self.autoencoder.encode, rgb, self.ration)

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

    def encode_image(self, rgb: Float[Tensor, "images 3 H W"]) -> Float[Tensor, "images dim"]:
        """Return embeddings of sRGB images in 0 to 1 for ``Cond.image`` (there [batch, images, dim]).

        Raises:
            ValueError: if the prior has no IP-Adapter.
        """
        if self.image_encoder is None:
            raise ValueError(f"expected a prior with an IP-Adapter, got {self.spec.name}")
        return self.image_encoder(rgb)

    @torch.no_grad()
    def eps(
        self, xt: Float[Tensor, "batch channels h w"], t: Int[Tensor, " batch"], cond: Cond
    ) -> Float[Tensor, "batch channels h w"]:
        """Return the predicted noise.

        Raises:
            ValueError: if the prior needs a camera and none came, if a group of views is incomplete, or if a camera, an
                image or a control came that the prior cannot see.
        """
        self._check(xt, cond)
        size = whole_groups(self.ration.samples, self.spec.views_per_group)
        with on_device(self.unet, xt.device, waits=self.ration.waits):
            return ask_in_parts(self._eps, xt, t, cond, size)

    def _eps(self, xt: Tensor, t: Tensor, cond: Cond) -> Tensor:
        arguments: dict[str, Any] = {}
        if self.image_encoder is not None:
            arguments |= image_prompt_arguments(cond, xt, self.image_encoder)
        if self.controlnet is not None:
            arguments |= control_arguments(self.controlnet, xt, t, cond)
        prediction = ask(self.unet, xt, t, cond, self.pixels_per_latent, **arguments)
        return self.schedule.eps(prediction, xt, t)

    def _check(self, xt: Tensor, cond: Cond) -> None:
        group = self.spec.views_per_group
        if len(xt) % group:
            raise ValueError(f"expected whole groups of {group} views, got {len(xt)} samples")
        if self.spec.is_camera_conditioned and cond.camera is None:
            raise ValueError(f"expected a camera for each of {len(xt)} samples, got none")
        if cond.camera is not None and not self.spec.is_camera_conditioned:
            raise ValueError(f"expected no camera, for {self.spec.name} takes none")
        if cond.image is not None and self.image_encoder is None:
            raise ValueError(f"expected no image, for {self.spec.name} has no IP-Adapter")
        if cond.control is not None and self.controlnet is None:
            raise ValueError(f"expected no control, for {self.spec.name} has no ControlNet")
        if cond.reference is not None:
            raise ValueError(f"expected no reference latents, for {self.spec.name} is no novel-view prior")
