# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Gather a trained family into the folder that ships: no checkpoints, one trained decoder, one ``prior.json``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from limbeck.assets.atomic import write_bytes_atomically
from limbeck.errors import LimbeckError
from limbeck.playset.captions import TEMPLATES, VIEW_WORDS
from limbeck.playset.pool import BACKGROUND_GREY, ELEVATION_DEG, SIZE
from limbeck.playset.render import EXTENT, FOV_Y_DEG
from limbeck.playset.things import COLOR_WORDS, NOUNS, PATTERNS
from limbeck.training.options import TrainingOptions

MEMBERS = (
    "text_to_image",
    "multi_view",
    "image_prompt",
    "novel_view",
    "structure",
    "pair_classifier",
    "evaluators",
)
WITH_AUTOENCODER = ("text_to_image", "multi_view", "novel_view")
CHECKPOINTS = ("checkpoint.*", "*.part")
MAX_BYTES = 40_000_000


def run(options: TrainingOptions) -> None:
    """Copy the members of the family in ``options.start`` that have been trained to ``options.out``.

    Raises:
        LimbeckError: E_MODEL_INCOMPLETE if there is no family, E_MODEL_TOO_LARGE if it is over 40 MB.
    """
    family = options.start
    if family is None or not (family / "text_to_image" / "unet").is_dir():
        raise LimbeckError(
            "E_MODEL_INCOMPLETE",
            f"expected --start with a folder of trained priors, got {family}",
            "train text-to-image there first: python -m limbeck.training text-to-image --out FOLDER/text_to_image",
        )
    for member in MEMBERS:
        if (family / member / "card.json").is_file():
            _copy(family, member, options.out / member)
    write_bytes_atomically(options.out / "prior.json", (json.dumps(prior_facts(), indent=2) + "\n").encode())
    size = sum(path.stat().st_size for path in options.out.rglob("*.safetensors"))
    if size > MAX_BYTES:
        raise LimbeckError("E_MODEL_TOO_LARGE", f"expected at most {MAX_BYTES} bytes, got {size}", "ship fewer members")


def prior_facts() -> dict[str, Any]:
    """Return what ``prior.json`` says: the data that the family was trained on."""
    phrases = [*VIEW_WORDS, *PATTERNS[1:], *(template.format("a an") for template in TEMPLATES)]
    words = sorted(set(" ".join(phrases).replace(":", " ").split()))
    return {
        "name": "embedded",
        "image_size": SIZE,
        "background": list(BACKGROUND_GREY),
        "fov_y_deg": [FOV_Y_DEG, FOV_Y_DEG],
        "elevation_deg": list(ELEVATION_DEG),
        "extent": [EXTENT, EXTENT],
        "objects": list(NOUNS),
        "colors": list(COLOR_WORDS),
        "other_words": words,
    }


def _copy(family: Path, member: str, target: Path) -> None:
    """Replace a member, with the family's trained autoencoder where it has one."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(family / member, target, ignore=shutil.ignore_patterns(*CHECKPOINTS))
    trained = family / "autoencoder" / "vae"
    if member in WITH_AUTOENCODER and trained.is_dir():
        shutil.rmtree(target / "vae")
        shutil.copytree(trained, target / "vae")
    for path in target.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
