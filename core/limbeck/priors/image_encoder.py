# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""CLIP image encoders: one embedding per image, or one per patch of it; images are resized and normalised in torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate
from transformers import CLIPVisionModelWithProjection

from limbeck.priors.files import load_module

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


@runtime_checkable
class PictureReader(Protocol):
    """What makes embeddings of pictures for an IP-Adapter; zeros are the embedding of no picture."""

    @property
    def width(self) -> int:
        """How many numbers an embedding has."""
        ...

    def __call__(self, rgb: Float[Tensor, "images 3 H W"]) -> Float[Tensor, "images width"]:
        """Return embeddings of sRGB images in 0 to 1."""
        ...

    def unfold(self, embeds: Float[Tensor, "batch images width"]) -> Float[Tensor, "batch images ..."]:
        """Return embeddings as the adapter's projection takes them."""
        ...


@dataclass(frozen=True)
class ImageEncoder:
    """CLIP's image encoder with its projection.

    Attributes:
        model: a ``CLIPVisionModelWithProjection``.
        align_corners: resize as Zero-1-to-3 does (bicubic, corners aligned, no antialiasing) rather than as CLIP does.
    """

    model: Any
    align_corners: bool = False

    @property
    def width(self) -> int:
        """How many numbers an embedding has."""
        return self.model.config.projection_dim

    @torch.no_grad()
    def __call__(self, rgb: Float[Tensor, "images 3 H W"]) -> Float[Tensor, "images dim"]:
        """Return embeddings of sRGB images in 0 to 1."""
        pixels = clip_pixels(rgb, self.model.config.image_size, align_corners=self.align_corners)
        return self.model(pixel_values=pixels.to(self.model.dtype)).image_embeds.to(rgb.dtype)

    def unfold(self, embeds: Float[Tensor, "batch images width"]) -> Float[Tensor, "batch images width"]:
        """Return embeddings as they are."""
        return embeds


@dataclass(frozen=True)
class PatchEncoder:
    """The last but one hidden states of CLIP's image encoder: a vector for the image and one for each patch.

    An embedding is their difference from the states of no picture, all in one row: so zeros are no picture, as for
    ``ImageEncoder``, and weighted means of embeddings mean what they should. No picture is zeros after normalisation,
    which is how IP-Adapter Plus was trained.

    Attributes:
        model: a ``CLIPVisionModelWithProjection``.
        nothing: the states of no picture.
    """

    model: Any
    nothing: Float[Tensor, "tokens hidden"]

    @classmethod
    def of(cls, model: Any) -> PatchEncoder:
        """Return the encoder that reads with a model."""
        size = model.config.image_size
        return cls(model, _last_but_one(model, torch.zeros(1, 3, size, size, device=model.device))[0])

    @property
    def width(self) -> int:
        """How many numbers an embedding has."""
        return self.nothing.numel()

    def __call__(self, rgb: Float[Tensor, "images 3 H W"]) -> Float[Tensor, "images width"]:
        """Return embeddings of sRGB images in 0 to 1."""
        states = _last_but_one(self.model, clip_pixels(rgb, self.model.config.image_size))
        return (states - self.nothing).flatten(1).to(rgb.dtype)

    def unfold(self, embeds: Float[Tensor, "batch images width"]) -> Float[Tensor, "batch images tokens hidden"]:
        """Return the hidden states themselves."""
        return embeds.unflatten(2, self.nothing.shape) + self.nothing.to(embeds)


@torch.no_grad()
def _last_but_one(model: Any, pixels: Float[Tensor, "images 3 H W"]) -> Float[Tensor, "images tokens hidden"]:
    """Return the hidden states before the last layer, in float32."""
    return model(pixel_values=pixels.to(model.dtype), output_hidden_states=True).hidden_states[-2].float()


def clip_pixels(
    rgb: Float[Tensor, "images 3 H W"], size: int, *, align_corners: bool = False
) -> Float[Tensor, "images 3 size size"]:
    """Return what CLIP looks at: the central square at its own size, normalised by CLIP's mean and deviation."""
    side = min(rgb.shape[2:])
    top, left = (rgb.shape[2] - side) // 2, (rgb.shape[3] - side) // 2
    square = rgb[:, :, top : top + side, left : left + side]
    if side != size:
        square = interpolate(
            square, (size, size), mode="bicubic", align_corners=align_corners, antialias=not align_corners
        ).clamp(0, 1)
    mean, std = (torch.tensor(values).to(rgb)[:, None, None] for values in (CLIP_MEAN, CLIP_STD))
    return (square - mean) / std


def load_image_encoder(
    folder: Path, device: torch.device, dtype: torch.dtype = torch.float32, *, align_corners: bool = False
) -> ImageEncoder:
    """Load ``config.json`` and ``model.safetensors`` from ``folder``.

    Raises:
        OSError, ValueError: if a file is missing or truncated, or lacks weights.
    """
    return ImageEncoder(load_module(CLIPVisionModelWithProjection, folder, device, dtype), align_corners)
