# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Two small convolutional judges: which object, colour and pattern a picture shows, and from which side.

They are trained together on the same features, but each is complete by itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import interpolate

SIZE = 64
WIDTHS = (16, 40, 80)
SUMMARY = 8
EMBEDDING = 96
NORM_GROUPS = 8
BINS = 24
BIN_DEG = 360.0 / BINS
STRETCHES = 3


class Block(nn.Module):
    """A residual pair of convolutions, normalised by groups so that one picture's result never depends on another."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(NORM_GROUPS, width), nn.GroupNorm(NORM_GROUPS, width)
        self.conv1, self.conv2 = nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Return [batch, width, h, w] of the same."""
        return x + self.conv2(self.norm2(self.conv1(self.norm1(x).relu())).relu())


class Features(nn.Module):
    """Pictures to features: 32, 16 and 8 pixels, then the mean, the maximum, and a summary of every place."""

    def __init__(self) -> None:
        super().__init__()
        first, second, third = WIDTHS
        self.layers = nn.Sequential(
            nn.Conv2d(3, first, 5, stride=2, padding=2),
            Block(first),
            nn.Conv2d(first, second, 3, stride=2, padding=1),
            Block(second),
            nn.Conv2d(second, third, 3, stride=2, padding=1),
            Block(third),
            Block(third),
        )
        self.summary = nn.Conv2d(third, SUMMARY, 1)  # where things are tells from which side they are seen
        self.width = 2 * third + SUMMARY * (SIZE // 8) ** 2

    def forward(self, rgb: Float[Tensor, "batch 3 H W"]) -> Float[Tensor, "batch features"]:
        """Return features of sRGB pictures in 0 to 1; other sizes than 64 are resized."""
        if rgb.shape[2:] != (SIZE, SIZE):
            rgb = interpolate(rgb, (SIZE, SIZE), mode="bilinear", antialias=True, align_corners=False)
        maps = self.layers((rgb - 0.5) * 4)
        return torch.cat([maps.mean((2, 3)), maps.amax((2, 3)), self.summary(maps).flatten(1)], 1)


@dataclass(frozen=True)
class Judgement:
    """What a classifier thinks of pictures; logits, and the log of proportions (x, y, z, their mean taken away)."""

    noun: Float[Tensor, "batch nouns"]
    color: Float[Tensor, "batch colors"]
    pattern: Float[Tensor, "batch patterns"]
    stretch: Float[Tensor, "batch 3"]


class ObjectClassifier(nn.Module):
    """Object, colour and pattern. Proportions are learnt only so that the embedding keeps them."""

    def __init__(self, nouns: int, colors: int, patterns: int, features: Features) -> None:
        super().__init__()
        self.features, self.embed = features, nn.Linear(features.width, EMBEDDING)
        self.noun, self.color = nn.Linear(EMBEDDING, nouns), nn.Linear(EMBEDDING, colors)
        self.pattern, self.stretch = nn.Linear(EMBEDDING, patterns), nn.Linear(EMBEDDING, STRETCHES)

    def forward(self, rgb: Float[Tensor, "batch 3 H W"]) -> Judgement:
        """Judge sRGB pictures in 0 to 1 over any background."""
        return self.judge(self.features(rgb))

    def judge(self, features: Float[Tensor, "batch features"]) -> Judgement:
        """Judge pictures by their features."""
        embedding = self.embed(features)
        return Judgement(self.noun(embedding), self.color(embedding), self.pattern(embedding), self.stretch(embedding))

    def embedding(self, rgb: Float[Tensor, "batch 3 H W"]) -> Float[Tensor, "batch embedding"]:
        """Return what the heads read: near pictures show similar things. Not normalised."""
        return self.embed(self.features(rgb))


class FrontDetector(nn.Module):
    """The camera's azimuth, in 24 bins centred at 0, 15, ... degrees; only for objects with a front."""

    def __init__(self, features: Features) -> None:
        super().__init__()
        self.features, self.embed = features, nn.Linear(features.width, EMBEDDING)
        self.azimuth = nn.Linear(EMBEDDING, BINS)

    def forward(self, rgb: Float[Tensor, "batch 3 H W"]) -> Float[Tensor, "batch bins"]:
        """Return logits of the bins for sRGB pictures in 0 to 1 over any background."""
        return self.detect(self.features(rgb))

    def detect(self, features: Float[Tensor, "batch features"]) -> Float[Tensor, "batch bins"]:
        """Return logits of the bins for pictures' features."""
        return self.azimuth(self.embed(features).relu())

    def front_probability(self, rgb: Float[Tensor, "batch 3 H W"]) -> Float[Tensor, " batch"]:
        """Return the mass within 45 degrees of the front."""
        return self.view_probabilities(rgb)[:, 0]

    def view_probabilities(self, rgb: Float[Tensor, "batch 3 H W"]) -> Float[Tensor, "batch 3"]:
        """Return the mass of front, side and back view, as captions name them."""
        return self(rgb).softmax(1) @ view_sectors().to(rgb)

    def views(self, rgb: Float[Tensor, "batch 3 H W"]) -> Int[Tensor, " batch"]:
        """Return the likeliest of front (0), side (1) and back view (2): indices into ``captions.VIEW_WORDS``."""
        return self.view_probabilities(rgb).argmax(1)

    def azimuth_deg(self, rgb: Float[Tensor, "batch 3 H W"]) -> Float[Tensor, " batch"]:
        """Return the azimuth, -180 to 180: the circular mean of the likeliest bin and its neighbours."""
        mass = self(rgb).softmax(1)
        best = mass.argmax(1, keepdim=True)
        near = (best + torch.arange(-1, 2, device=rgb.device)) % BINS
        weights = torch.zeros_like(mass).scatter(1, near, mass.gather(1, near))
        angles = torch.arange(BINS, device=rgb.device) * math.radians(BIN_DEG)
        return torch.rad2deg(torch.atan2(weights @ angles.sin(), weights @ angles.cos()))


def view_sectors() -> Float[Tensor, "bins 3"]:
    """Return the share of every bin that is front, side and back view; the bins at 45 and 135 degrees are split."""
    off_front = (torch.arange(BINS) * BIN_DEG + 180.0) % 360.0 - 180.0
    off_front = off_front.abs()
    front = ((45.0 + BIN_DEG / 2 - off_front) / BIN_DEG).clamp(0, 1)
    back = ((off_front - 135.0 + BIN_DEG / 2) / BIN_DEG).clamp(0, 1)
    return torch.stack([front, 1 - front - back, back], 1)
