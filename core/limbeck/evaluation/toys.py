# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Toys to measure on: of the held-out object-colour pairs, with seeds that no training uses."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limbeck.playset.pool import composite
from limbeck.playset.render import View
from limbeck.playset.things import Thing, draw_thing, held_out_pairs

SEED = 88_001


def held_out_toys(count: int, seed: int, wanted: Callable[[Thing], bool] = lambda _: True) -> list[Thing]:
    """Draw toys of the held-out pairs, those that are wanted."""
    rng, pairs = np.random.default_rng((SEED, seed)), tuple(sorted(held_out_pairs()))
    toys: list[Thing] = []
    while len(toys) < count:
        toy = draw_thing(rng, pairs)
        if wanted(toy):
            toys.append(toy)
    return toys


def is_unusual(toy: Thing) -> bool:
    """Return whether a toy has a pattern, or proportions that differ by 35 % or more between two axes."""
    return toy.pattern != "plain" or max(toy.stretch) / min(toy.stretch) > 1.35


def over(views: list[View], background: Float[Tensor, "views 3"]) -> Float[Tensor, "views 3 H W"]:
    """Return renders over uniform colours, sRGB in 0 to 1."""
    return torch.from_numpy(composite(np.stack([view.rgba for view in views]), background.numpy()))
