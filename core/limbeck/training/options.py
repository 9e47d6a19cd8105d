# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What the training command passes to the part of the family that it trains."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch


@dataclass(frozen=True)
class TrainingOptions:
    """One call of ``python -m limbeck.training``.

    Attributes:
        out: folder of the checkpoint and of the result.
        steps: optimiser steps; None is the recipe's own number.
        seed: decides the data, the initial weights and the batches.
        device: where to train.
        things: how many things to render for the training set; None is the recipe's own number.
        start: folder of a prior to start from, where a recipe builds on another.
        cache: folder that keeps renders between runs.
        draws_sheet: whether to draw a contact sheet at the end.
    """

    out: Path
    steps: int | None = None
    seed: int = 0
    device: torch.device = torch.device("cpu")
    things: int | None = None
    start: Path | None = None
    cache: Path | None = None
    draws_sheet: bool = True

    def __post_init__(self) -> None:
        """Refuse what cannot be trained: 0 would read as the recipe's own number."""
        if (self.steps is not None and self.steps < 1) or (self.things is not None and self.things < 1):
            raise ValueError(f"expected at least one step and one thing, got {self.steps} and {self.things}")
