# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""CLIP image encoders: one embedding per image, resized and normalised in torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate
from transformers import CLIPVisionModelWithProjection

from limbeck.priors.files import load_module

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


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
