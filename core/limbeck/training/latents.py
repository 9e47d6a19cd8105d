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

from limbeck.errors import LimbeckError
from limbeck.playset.pool import Pool
from limbeck.priors.files import reported_as_incomplete
from limbeck.training.autoencoder import fit_patch_pca
from limbeck.training.disk import reported_writes

PCA_FILE = "patch_pca.safetensors"
PCA_IMAGES = 2048
LATENT_TOLERANCE = 1e-3
"""Largest difference between weights of one PCA computed twice; those of other pools differ by far more."""


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
    """Write the PCA beside the autoencoder that was made of it.

    Raises:
        LimbeckError: E_DISK_FULL or E_OUTPUT_UNWRITABLE.
    """
    with reported_writes(folder):
        folder.mkdir(parents=True, exist_ok=True)
        save_file({name: tensor.contiguous() for name, tensor in pca.items()}, folder / PCA_FILE)


def load_pca(prior: Path) -> dict[str, Tensor]:
    """Read the PCA of a trained prior.

    Raises:
        LimbeckError: E_MODEL_INCOMPLETE.
    """
    with reported_as_incomplete("latent space", prior / "vae", PCA_FILE):
        return load_file(prior / "vae" / PCA_FILE)


def require_latents_of(autoencoder: Path, pca: Mapping[str, Tensor], prior: Path) -> None:
    """Refuse a prior's PCA that is not the one that a trained autoencoder was made of.

    Args:
        autoencoder, prior: the folders that hold ``vae``.
        pca: of the prior.

    Raises:
        LimbeckError: E_MODEL_INCOMPLETE.
    """
    wanted = load_pca(autoencoder)
    # The same pool gives the same PCA but for rounding, which differs between machines.
    is_same = all(
        name in pca
        and pca[name].shape == tensor.shape
        and torch.allclose(pca[name].float(), tensor.float(), atol=LATENT_TOLERANCE)
        for name, tensor in wanted.items()
    )
    if not is_same:
        raise LimbeckError(
            "E_MODEL_INCOMPLETE",
            f"expected the latent space of {autoencoder} (vae/{PCA_FILE}), got another in {prior}",
            "train both from the same number of things and the same seed, or the autoencoder from the latents of a "
            "trained prior: python -m limbeck.training autoencoder --start PRIOR --out FOLDER",
        )
