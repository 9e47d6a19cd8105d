# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Read and write what training works on: the pool of toys, and priors in diffusers' layout."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor
from tqdm import tqdm

from limbeck.assets.atomic import write_bytes_atomically
from limbeck.playset.pool import Pool, build_pool
from limbeck.training.autoencoder import build_autoencoder
from limbeck.training.latents import PCA_FILE, require_latents_of, save_pca
from limbeck.training.networks import build_scheduler
from limbeck.training.options import TrainingOptions
from limbeck.training.seeding import first_weights

PARTS = ("unet", "text_encoder", "vae")


def open_pool(options: TrainingOptions, things: int, *, with_depth: bool = False) -> Pool:
    """Render the training pool, or read it from the cache, with a progress bar."""
    count = options.things or things
    with tqdm(total=count, desc="rendering toys", unit="toy", file=sys.stderr, leave=False) as bar:

        def show(done: int, _: int) -> None:
            bar.update(done - bar.n)

        return build_pool(
            count,
            options.seed,
            with_depth=with_depth,
            cache=options.cache,
            progress=show,
        )


def write_diffusers_folder(
    folder: Path,
    unet: Any,
    text_encoder: Any,
    tokenizer: Any,
    pca: Mapping[str, Tensor],
    start: Path | None = None,
) -> None:
    """Write a prior as Stable Diffusion's folders are laid out, with the best decoder there is.

    That is the autoencoder trained beside it (``autoencoder`` in the same family), else that of the prior which the
    run started from, else one written here earlier, else an untrained one.

    Raises:
        LimbeckError: E_MODEL_INCOMPLETE if the autoencoder beside it has another latent space.
    """
    unet.save_pretrained(folder / "unet")
    text_encoder.save_pretrained(folder / "text_encoder")
    tokenizer.save_pretrained(folder / "tokenizer")
    build_scheduler().save_pretrained(folder / "scheduler")
    if not (folder / "vae" / "config.json").is_file():
        with first_weights(0):  # of a decoder that is yet to be trained
            build_autoencoder(pca).save_pretrained(folder / "vae")
        save_pca(pca, folder / "vae")
    require_common_latents(folder, pca)
    if (trained := autoencoder_beside(folder) or start) is not None:
        shutil.copytree(trained / "vae", folder / "vae", dirs_exist_ok=True)


def autoencoder_beside(out: Path) -> Path | None:
    """Return the family's trained autoencoder, if ``out`` is in a family that has one."""
    folder = out.parent / "autoencoder"
    return folder if (folder / "vae").is_dir() else None


def require_common_latents(out: Path, pca: Mapping[str, Tensor]) -> None:
    """Refuse, before hours of training, a latent space that is not that of the autoencoder trained beside ``out``.

    Raises:
        LimbeckError: E_MODEL_INCOMPLETE.
    """
    if (beside := autoencoder_beside(out)) is not None:
        require_latents_of(beside, pca, out)


def cast_to_half(folder: Path) -> None:
    """Store the weights of a prior's parts in half precision, the precision that they ship in.

    Raises:
        LimbeckError: E_DISK_FULL or E_OUTPUT_UNWRITABLE; what was there stays whole.
    """
    for part in PARTS:
        for path in (folder / part).glob("*.safetensors"):
            if path.name == PCA_FILE:
                continue  # trainings that start from this prior need the very same latents
            tensors = load_file(path)
            halves = {name: t.half() if t.dtype == torch.float32 else t for name, t in tensors.items()}
            write_bytes_atomically(path, save(halves, metadata={"format": "pt"}))
