# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Training images as latents: the patch PCA that every embedded prior shares."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from safetensors.torch import load_file, save_file
from torch import Tensor

from limbeck.playset.pool import Pool
from limbeck.training.autoencoder import fit_patch_pca

PCA_FILE = "patch_pca.safetensors"
PCA_IMAGES = 2048


def fit_pca(pool: Pool, seed: int) -> dict[str, Tensor]:
    """Fit the patch PCA on a fixed sample of a pool's views over random backgrounds."""
    rng = np.random.default_rng((seed, 1))
    groups, views = rng.integers(len(pool), size=PCA_IMAGES), rng.integers(4, size=PCA_IMAGES)
    return fit_patch_pca(torch.from_numpy(pool.images(groups, views, rng)))


def encode(images: Float[Tensor, "batch 3 H W"], pca: Mapping[str, Tensor]) -> Float[Tensor, "batch channels h w"]:
    """Return the latents of sRGB images in 0 to 1."""
    weight, bias = pca["encoder.weight"].to(images.device), pca["encoder.bias"].to(images.device)
    return torch.nn.functional.conv2d(images * 2 - 1, weight, bias, stride=weight.shape[-1])


def save_pca(pca: Mapping[str, Tensor], folder: Path) -> None:
    """Write the PCA beside the autoencoder that was made of it."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in pca.items()}, folder / PCA_FILE)


def load_pca(prior: Path) -> dict[str, Tensor]:
    """Read the PCA of a trained prior."""
    return load_file(prior / "vae" / PCA_FILE)
