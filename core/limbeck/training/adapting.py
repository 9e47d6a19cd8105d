# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What the trainings share that build on a trained text-to-image prior: its parts, views and captions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from limbeck.errors import LimbeckError
from limbeck.playset.captions import TEMPLATES, caption, view_word
from limbeck.playset.pool import Pool
from limbeck.playset.things import COLOR_WORDS, NOUNS, PATTERNS
from limbeck.priors.diffusion import DiffusionPrior
from limbeck.priors.loading import load_prior
from limbeck.priors.novel_view import NovelViewPrior
from limbeck.priors.prior import Role
from limbeck.training.latents import PCA_FILE, encode, load_pca
from limbeck.training.options import TrainingOptions
from limbeck.training.starting import prior_digest
from limbeck.training.text_to_image import PLAIN_TEMPLATE, VIEW_SAID

UNUSUAL = 0.5
"""Share of a batch that is sure to have a pattern or strong proportions, where an image shall tell them."""


@dataclass(frozen=True)
class LatentBase:
    """A frozen prior to build on, with the patch PCA that its autoencoder was made of (a much faster encoder)."""

    folder: Path
    prior: DiffusionPrior | NovelViewPrior
    pca: Mapping[str, Tensor]

    @property
    def digest(self) -> str:
        """Which prior it is: a digest of its weights, part of what a run is."""
        return prior_digest(self.folder)

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.prior.unet.device

    def latents(self, images: Float[ndarray, "batch 3 H W"]) -> Float[Tensor, "batch channels h w"]:
        """Return the latents of sRGB images in 0 to 1."""
        return encode(torch.from_numpy(images).to(self.device), self.pca)


@dataclass(frozen=True)
class Base(LatentBase):
    """One that takes text."""

    prior: DiffusionPrior


def load_base(options: TrainingOptions, role: Role = "text_to_image") -> Base:
    """Load the prior that ``--start`` names, of this role.

    Raises:
        LimbeckError: E_USAGE without one, E_MODEL_UNKNOWN or E_MODEL_INCOMPLETE for a wrong one.
    """
    if options.start is None:
        raise LimbeckError("E_USAGE", f"expected the {role} prior to build on", "give its folder as --start")
    prior = load_prior(str(options.start), role, options.device)
    prior.unet.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    return Base(options.start, prior, read_pca(options.start, role))


def read_pca(folder: Path, role: str) -> Mapping[str, Tensor]:
    """Return the patch PCA of a prior's autoencoder, in full precision.

    Raises:
        LimbeckError: E_MODEL_INCOMPLETE if its folder has none.
    """
    if not (folder / "vae" / PCA_FILE).is_file():
        remedy = f"train it by python -m limbeck.training {role.replace('_', '-')}"
        raise LimbeckError("E_MODEL_INCOMPLETE", f"expected vae/{PCA_FILE} in {folder.name!r}", remedy)
    return {name: tensor.float() for name, tensor in load_pca(folder).items()}


def draw_groups(pool: Pool, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw toys, ``UNUSUAL`` of them with a pattern or strong proportions."""
    logs = np.log(pool.stretch)
    spread = logs.max(1) - logs.min(1)
    unusual = np.flatnonzero((pool.pattern != 0) | (spread > 0.3))
    anyone = rng.integers(len(pool), size=count)
    return np.where(rng.random(count) < UNUSUAL, rng.choice(unusual, count), anyone) if len(unusual) else anyone


def draw_captions(
    pool: Pool, groups: ndarray, views: ndarray, rng: np.random.Generator, *, pattern_said: float
) -> list[str]:
    """Return captions in varied wording: the view as often as the text-to-image prior's, the pattern by its share."""
    texts = []
    for group, view in zip(groups, views, strict=True):
        said_view, said_pattern, plain = rng.random(3)
        texts.append(
            caption(
                NOUNS[pool.noun[group]],
                COLOR_WORDS[pool.color[group]],
                pattern=PATTERNS[pool.pattern[group]] if said_pattern < pattern_said else "plain",
                view=view_word(float(pool.azimuth_deg[group, view])) if said_view < VIEW_SAID else "",
                template=0 if plain < PLAIN_TEMPLATE else int(rng.integers(1, len(TEMPLATES))),
            )
        )
    return texts


def encoder_beside(options: TrainingOptions) -> Path | None:
    """Return the image prompt's encoder, if it was trained and lies beside the prior to start from."""
    if options.start is None:
        return None
    folder = options.start.parent / "image_prompt" / "models" / "image_encoder"
    return folder if (folder / "model.safetensors").is_file() else None
