# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Train the whole family in one call, each part in its own folder, and gather what ships.

A part that has its model card is done and is passed over, and one that was interrupted goes on from its checkpoint; so
the same command, given again, goes on.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from limbeck.training import (
    decoder,
    embed,
    evaluators,
    image_prompt,
    multi_view,
    novel_view,
    pair_classifier,
    structure,
    text_to_image,
)
from limbeck.training.options import TrainingOptions

Training = Callable[[TrainingOptions], object]

PARTS: Mapping[str, tuple[Training, str]] = {
    "autoencoder": (decoder.run, ""),
    "text_to_image": (text_to_image.run, ""),
    "multi_view": (multi_view.run, "text_to_image"),
    "evaluators": (evaluators.run, ""),
    "image_prompt": (image_prompt.run, "text_to_image"),
    "pair_classifier": (pair_classifier.run, ""),
    "novel_view": (novel_view.run, "multi_view"),
    "structure": (structure.run, "text_to_image"),
}
"""In the order of the work: how each is trained, and which part it starts from, if any."""

GATHERED = "embedded"


def run(options: TrainingOptions) -> None:
    """Train what is missing in ``options.out``, and gather the result in its folder ``embedded``.

    Raises:
        LimbeckError: those of the parts; what was trained before stays.
    """
    for number, (name, (train_part, start_part)) in enumerate(PARTS.items(), 1):
        folder = options.out / name
        if (folder / "card.json").is_file():
            continue
        print(f"part {number} of {len(PARTS)}: {name}", file=sys.stderr, flush=True)
        start = options.out / start_part if start_part else None
        train_part(dataclasses.replace(options, out=folder, start=start, cache=_cache(options)))
    embed.gather(options.out, options.out / GATHERED)


def _cache(options: TrainingOptions) -> Path:
    """Return where renders are kept: the parts share them."""
    return options.cache or options.out / "cache"
