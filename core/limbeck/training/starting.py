# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The prior that a training starts from: its parts, complete, and a digest that makes it part of the run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextModel

from limbeck.errors import LimbeckError
from limbeck.priors.files import load_weights, reported_as_incomplete
from limbeck.priors.text_encoder import load_tokenizer
from limbeck.training.latents import load_pca
from limbeck.training.options import TrainingOptions

PARTS = ("unet", "text_encoder")


@dataclass(frozen=True)
class Start:
    """A trained text-to-image prior, in full precision and trainable."""

    folder: Path
    unet: UNet2DConditionModel
    text_encoder: Any
    tokenizer: Any
    pca: Mapping[str, Tensor]


def require_start(options: TrainingOptions) -> Path:
    """Return the folder of the text-to-image prior to start from.

    Raises:
        LimbeckError: E_MODEL_INCOMPLETE if none was given, or if it holds no prior.
    """
    if options.start is not None and (options.start / "unet" / "config.json").is_file():
        return options.start
    raise LimbeckError(
        "E_MODEL_INCOMPLETE",
        f"expected --start with the folder of a trained text-to-image prior, got {options.start}",
        "train one first: python -m limbeck.training text-to-image --out FOLDER",
    )


def load_start(options: TrainingOptions) -> Start:
    """Load the parts of the text-to-image prior to start from.

    Raises:
        LimbeckError: E_MODEL_INCOMPLETE if there is none, or if a part or a weight of it is missing.
    """
    folder = require_start(options)
    pca = load_pca(folder)
    with reported_as_incomplete("text_to_image prior", folder, "unet, vae, text_encoder and tokenizer"):
        unet = load_weights(UNet2DConditionModel, folder / "unet")
        text_encoder = load_weights(CLIPTextModel, folder / "text_encoder")
        return Start(folder, unet, text_encoder, load_tokenizer(folder, text_encoder.config.vocab_size), pca)


def take_weights(unet: Any, start: Start, *, fresh: str = "") -> None:
    """Put the start's weights into a new UNet: a loaded one would write down the path that it came from.

    Args:
        fresh: the part of ``unet`` that the start has not, by the prefix of its names; it stays as it is.

    Raises:
        LimbeckError: E_MODEL_INCOMPLETE if the two differ in anything else.
    """
    with reported_as_incomplete("text_to_image prior", start.folder, "a UNet of the embedded priors' architecture"):
        missing, unexpected = unet.load_state_dict(start.unet.state_dict(), strict=False)
        wrong = [*(name for name in missing if not (fresh and name.startswith(fresh))), *unexpected]
        if wrong:
            raise ValueError(f"expected the weights of a text-to-image UNet, got others, such as {wrong[0]}")


def prior_digest(folder: Path) -> str:
    """Return a digest of a prior's UNet and text encoder, if any, to tell whether a run started from the same one."""
    return weights_digest(*(folder / part for part in PARTS if (folder / part).is_dir()))


def weights_digest(*places: Path) -> str:
    """Return the first 16 digits of the SHA-256 of these files, or of the safetensors files in these folders."""
    digest = hashlib.sha256()
    for place in places:
        for path in sorted(place.glob("*.safetensors")) if place.is_dir() else [place]:
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
