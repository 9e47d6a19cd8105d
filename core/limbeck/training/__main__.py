# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Train one of the embedded priors, or all: ``python -m limbeck.training NAME --out FOLDER``."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from limbeck.arguments import positive, seed
from limbeck.devices import choose_device
from limbeck.errors import LimbeckError
from limbeck.training.options import TrainingOptions

TRAININGS: Mapping[str, tuple[str, str]] = {
    "text-to-image": ("text_to_image", "run"),
    "text-to-image-unbiased": ("text_to_image", "run_unbiased"),
    "text-to-image-camera": ("text_to_image", "run_camera"),
    "multi-view": ("multi_view", "run"),
    "autoencoder": ("decoder", "run"),
    "evaluators": ("evaluators", "run"),
    "image-prompt": ("image_prompt", "run"),
    "novel-view": ("novel_view", "run"),
    "structure": ("structure", "run"),
    "pair-classifier": ("pair_classifier", "run"),
    "family": ("family", "run"),
    "embed": ("embed", "run"),
}
"""What can be trained: the module beside this one, and its function."""

UNUSED: Mapping[str, tuple[str, ...]] = {
    "evaluators": ("start",),
    "family": ("start",),
    "embed": ("steps", "things", "cache"),
}
"""Options that mean nothing to some trainings, and are refused."""

STATUSES: Mapping[str, int] = {"E_DISK_FULL": 4, "E_TRAINING_DIVERGED": 5}
"""Exit statuses of errors; that of all others is 2."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one training; return the exit status (2 bad input, 4 disk, 5 diverged, 130 interrupted)."""
    arguments = _parser().parse_args(argv)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    module, function = TRAININGS[arguments.name]
    try:
        options = _options(arguments)
        getattr(importlib.import_module(f"limbeck.training.{module}"), function)(options)
    except LimbeckError as error:
        print(f"error {error.code}: {error.message}; {error.remedy}", file=sys.stderr)
        return STATUSES.get(error.code, 2)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from the checkpoint", file=sys.stderr)
        return 130
    print(json.dumps({"name": arguments.name, "out": str(arguments.out)}))
    return 0


def _options(arguments: argparse.Namespace) -> TrainingOptions:
    """Return what the command line asks for.

    Raises:
        LimbeckError: E_USAGE for an option that this training does not use, E_DEVICE.
    """
    unused = [name for name in UNUSED.get(arguments.name, ()) if getattr(arguments, name) is not None]
    if unused:
        raise LimbeckError(
            "E_USAGE", f"expected no --{unused[0]}, which {arguments.name} does not use", "leave it away"
        )
    return TrainingOptions(
        out=arguments.out,
        steps=arguments.steps,
        seed=arguments.seed,
        device=_device(arguments.device),
        things=arguments.things,
        start=arguments.start,
        cache=arguments.cache,
        draws_sheet=not arguments.no_sheet,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m limbeck.training", description=__doc__)
    parser.add_argument("name", choices=list(TRAININGS))
    parser.add_argument("--out", type=Path, required=True, help="folder of the checkpoint and the result")
    parser.add_argument("--start", type=Path, help="folder of the prior to start from")
    parser.add_argument("--steps", type=positive, help="optimiser steps; the default is the recipe's")
    parser.add_argument("--things", type=positive, help="toys to render for training; the default is the recipe's")
    parser.add_argument("--seed", type=seed, default=0)
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--threads", type=positive, help="CPU threads")
    parser.add_argument("--cache", type=Path, help="folder that keeps renders between runs")
    parser.add_argument("--no-sheet", action="store_true", help="draw no contact sheet at the end")
    return parser


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return choose_device(name)


if __name__ == "__main__":
    sys.exit(main())
