# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""View-dependent prompts (DreamFusion, arXiv:2209.14988, section 3.2) and the words that a prior knows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

VIEW_SUFFIXES = ("", ", front view", ", side view", ", back view", ", overhead view")
"""Suffixes by view index; index 0 is the prompt as it stands."""


@dataclass(frozen=True)
class ViewThresholds:
    """Where one view word gives way to the next, in degrees (threestudio's defaults)."""

    front_deg: float = 45.0
    back_deg: float = 135.0
    overhead_deg: float = 60.0


def view_prompts(prompt: str) -> list[str]:
    """Return the prompt with every suffix of ``VIEW_SUFFIXES``, in that order."""
    return [prompt + suffix for suffix in VIEW_SUFFIXES]


def view_indices(
    elevation_deg: Float[Tensor, " views"], azimuth_deg: Float[Tensor, " views"], thresholds: ViewThresholds
) -> Int[Tensor, " views"]:
    """Return each view's index into ``VIEW_SUFFIXES``; azimuth 0 is the front, any number of turns is accepted."""
    from_front = (torch.remainder(azimuth_deg + 180.0, 360.0) - 180.0).abs()
    side = torch.full_like(from_front, 2, dtype=torch.long)
    index = torch.where(from_front <= thresholds.front_deg, torch.ones_like(side), side)
    index = torch.where(from_front >= thresholds.back_deg, torch.full_like(side, 3), index)
    return torch.where(elevation_deg > thresholds.overhead_deg, torch.full_like(side, 4), index)


def unknown_words(prompt: str, known: Iterable[str]) -> list[str]:
    """Return the prompt's words that are not in ``known``, in order, each once."""
    known_words = {word.lower() for phrase in known for word in _words(phrase)}
    return list(dict.fromkeys(word for word in _words(prompt) if word not in known_words))


def _words(text: str) -> Sequence[str]:
    return re.findall(r"\w+", text.lower())
