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

PARTS: Mapping[str, tuple[Training, bool]] = {
    "autoencoder": (decoder.run, False),
    "text_to_image": (text_to_image.run, False),
    "multi_view": (multi_view.run, True),
    "evaluators": (evaluators.run, False),
    "image_prompt": (image_prompt.run, True),
    "pair_classifier": (pair_classifier.run, False),
    "novel_view": (novel_view.run, True),
    "structure": (structure.run, True),
}
"""In the order of the work: how each is trained, and whether it starts from the text-to-image prior."""

GATHERED = "embedded"


def run(options: TrainingOptions) -> None:
    """Train what is missing in ``options.out``, and gather the result in its folder ``embedded``.

    Raises:
        LimbeckError: those of the parts; what was trained before stays.
    """
    for number, (name, (train_part, builds_on_prior)) in enumerate(PARTS.items(), 1):
        folder = options.out / name
        if (folder / "card.json").is_file():
            continue
        print(f"part {number} of {len(PARTS)}: {name}", file=sys.stderr, flush=True)
        start = options.out / "text_to_image" if builds_on_prior else None
        train_part(dataclasses.replace(options, out=folder, start=start, cache=_cache(options)))
    embed.gather(options.out, options.out / GATHERED)


def _cache(options: TrainingOptions) -> Path:
    """Return where renders are kept: the parts share them."""
    return options.cache or options.out / "cache"
