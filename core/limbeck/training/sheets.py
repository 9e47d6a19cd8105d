# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Contact sheets of what a prior draws, for its card."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from limbeck.assets.atomic import write_bytes_atomically
from limbeck.distillation.sampling import Sampler, draw
from limbeck.playset.cameras import camera_condition
from limbeck.playset.captions import caption
from limbeck.playset.things import COLOR_WORDS, NOUNS
from limbeck.priors.diffusion import DiffusionPrior
from limbeck.priors.loading import load_prior
from limbeck.priors.prior import Cond
from limbeck.training.networks import LATENT_CHANNELS, LATENT_SIZE

COLUMNS = 8


def tile(images: Tensor, columns: int) -> Image.Image:
    """Lay images [n, 3, H, W] in 0 to 1 out in rows."""
    count, _, height, width = images.shape
    rows = -(-count // columns)
    sheet = np.ones((rows * height, columns * width, 3), np.float32)
    for index, image in enumerate(images.permute(0, 2, 3, 1).cpu().numpy()):
        row, column = divmod(index, columns)
        sheet[row * height : (row + 1) * height, column * width : (column + 1) * width] = image
    return Image.fromarray((sheet * 255).round().astype(np.uint8))


def text_to_image_sheet(prior: Path, seed: int = 0) -> Path:
    """Draw every object in eight colours, and write ``samples.jpg`` into the prior's folder."""
    model = load_prior(str(prior), "text_to_image", torch.device("cpu"))
    prompts = [
        caption(noun, COLOR_WORDS[(row + 3 * i) % len(COLOR_WORDS)])
        for row, noun in enumerate(NOUNS)
        for i in range(COLUMNS)
    ]
    generator = torch.Generator().manual_seed(seed)
    rows = [
        draw_images(model, prompts[start : start + COLUMNS], None, generator)
        for start in range(0, len(prompts), COLUMNS)
    ]
    return save_sheet(torch.cat(rows), 2 * COLUMNS, prior)


def multi_view_sheet(prior: Path, seed: int = 0) -> Path:
    """Draw four views (azimuths 0, 90, 180, 270) of two toys per object and write ``samples.jpg``."""
    model = load_prior(str(prior), "multi_view", torch.device("cpu"))
    camera = camera_condition(np.array([0.0, 90.0, 180.0, 270.0] * 2), np.full(8, 15.0))
    generator = torch.Generator().manual_seed(seed)
    rows = []
    for row, noun in enumerate(NOUNS):
        prompts = [caption(noun, COLOR_WORDS[(row + 3 * toy) % len(COLOR_WORDS)]) for toy in range(2) for _ in range(4)]
        rows.append(draw_images(model, prompts, camera, generator))
    return save_sheet(torch.cat(rows), 2 * COLUMNS, prior)


def draw_images(
    model: DiffusionPrior, prompts: list[str], camera: Tensor | None, generator: torch.Generator, *, scale: float = 4.0
) -> Tensor:
    """Return images [n, 3, H, W] in 0 to 1 by 25 steps of guided DDIM."""
    text, uncond = model.encode_text(prompts), model.encode_text([""] * len(prompts))
    noise = torch.randn(len(prompts), LATENT_CHANNELS, LATENT_SIZE, LATENT_SIZE, generator=generator)
    latents = draw(model, Cond(text, camera), Cond(uncond, camera), noise, Sampler(steps=25, guidance_scale=scale))
    return model.decode(latents)


def save_sheet(images: Tensor, columns: int, folder: Path) -> Path:
    """Write images [n, 3, H, W] in 0 to 1 as ``samples.jpg``.

    Raises:
        LimbeckError: E_DISK_FULL or E_OUTPUT_UNWRITABLE.
    """
    path, encoded = folder / "samples.jpg", io.BytesIO()
    tile(images, columns).save(encoded, format="JPEG", quality=92)
    write_bytes_atomically(path, encoded.getvalue())
    return path
