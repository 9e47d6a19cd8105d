# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Perp-Neg: steer away from the wrong views without losing the right one (Armandpour et al., arXiv:2304.04968, eq. 6).

e+ = eps_text - eps_uncond    e_i = eps_negative:i - eps_uncond
eps = eps_uncond + s (e+ + sum_i w_i (e_i - <e_i, e+> / <e+, e+> e+))        w_i <= 0
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Int
from pydantic import ConfigDict
from torch import Tensor

from limbeck.cameras import Cameras
from limbeck.distillation.requests import Branch, NoisePreds
from limbeck.prompts import VIEW_SUFFIXES, ViewThresholds
from limbeck.schedules import Schedule, constant

FRONT, SIDE, BACK, OVERHEAD = range(1, 5)
"""Rows of ``prompts.VIEW_SUFFIXES``."""
NEGATIVES: tuple[Branch, ...] = ("negative:0", "negative:1")
"""In front of the object: front and side. Behind it: side and front."""


@dataclass(frozen=True)
class PerpNeg:
    """Which views to steer away from, and how hard.

    Attributes:
        family: whose weights; both are functions of the azimuth, 0 at the view that the prompt asks for.
        strength: multiplies them; ScaleDreamer takes 0.5.
    """

    family: Literal["threestudio", "luciddreamer"] = "threestudio"
    strength: Schedule = constant(1.0)

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    def weights(self, cameras: Cameras, progress: float) -> Float[Tensor, "2 views"]:
        """Return w of each negative; 0 from overhead."""
        family = _threestudio if self.family == "threestudio" else _luciddreamer
        is_overhead = cameras.elevation_deg > ViewThresholds().overhead_deg
        return self.strength(progress) * torch.where(is_overhead, 0.0, family(_turned(cameras)))


def perpendicular(noise_preds: NoisePreds, weights: Float[Tensor, "2 views"]) -> Float[Tensor, "views channels h w"]:
    """Return e+ and the weighted parts of the negatives that are orthogonal to it, per view."""
    uncond = noise_preds["uncond"]
    direction = noise_preds["text"] - uncond
    total = direction
    for branch, weight in zip(NEGATIVES, weights, strict=True):
        away = noise_preds[branch] - uncond
        total = total + weight[:, None, None, None] * orthogonal_part(away, direction)
    return total


def orthogonal_part(
    vector: Float[Tensor, "views channels h w"], direction: Float[Tensor, "views channels h w"]
) -> Float[Tensor, "views channels h w"]:
    """Return ``vector`` without its component along ``direction``, per view."""
    along = (vector * direction).flatten(1).sum(1)
    length2 = direction.square().flatten(1).sum(1).clamp_min(1e-20)  # a zero direction takes nothing away
    return vector - (along / length2)[:, None, None, None] * direction


def view_mixture(cameras: Cameras) -> Float[Tensor, "views suffixes"]:
    """Return how much of each view word a view's prompt has: linear in azimuth, front to side to back.

    From overhead the prompt says so, as view words do.
    """
    turned = _turned(cameras)
    mixture = torch.zeros(len(turned), len(VIEW_SUFFIXES), device=turned.device, dtype=turned.dtype)
    mixture[:, FRONT] = (1 - turned).clamp_min(0)
    mixture[:, BACK] = (turned - 1).clamp_min(0)
    mixture[:, SIDE] = 1 - mixture[:, FRONT] - mixture[:, BACK]
    is_overhead = cameras.elevation_deg > ViewThresholds().overhead_deg
    overhead = torch.zeros_like(mixture)
    overhead[:, OVERHEAD] = 1.0
    return torch.where(is_overhead[:, None], overhead, mixture)


def negative_rows(cameras: Cameras, branch: Branch) -> Int[Tensor, " views"]:
    """Return which view word each view's negative has, as rows of ``prompts.VIEW_SUFFIXES``."""
    is_front_half = _turned(cameras) < 1
    first, second = (FRONT, SIDE) if branch == NEGATIVES[0] else (SIDE, FRONT)
    return torch.where(is_front_half, first, second)


def _turned(cameras: Cameras) -> Float[Tensor, " views"]:
    """Return quarter turns away from the front, 0 to 2."""
    return (torch.remainder(cameras.azimuth_deg + 180.0, 360.0) - 180.0).abs() / 90.0


def _threestudio(turned: Float[Tensor, " views"]) -> Float[Tensor, "2 views"]:
    """Return shifted exponentials a e^(-r/2) + c; each vanishes where its word is the right one."""
    r = torch.where(turned < 1, 1 - turned, 2 - turned)
    front_half = torch.stack([2.426 - 4 * torch.exp(-r / 2), 2.426 - 4 * torch.exp(-(1 - r) / 2)])
    back_half = torch.stack([0.606 - torch.exp(-r / 2), -0.967 - torch.exp(-r / 2)])
    return torch.where(turned < 1, front_half, back_half)


def _luciddreamer(turned: Float[Tensor, " views"]) -> Float[Tensor, "2 views"]:
    """Return -2 e^(-decay r): decay 2 for the front, 10 for the side, cut off near the right word."""
    r = torch.where(turned < 1, 1 - turned, 2 - turned)
    front = torch.where(r > 0.8, 0.0, -2 * torch.exp(-2 * r))
    side = torch.where(r < 0.2, 0.0, -2 * torch.exp(-10 * (1 - r)))
    side_behind = torch.where(r > 0.8, 0.0, -torch.exp(-10 * r))
    return torch.where(turned < 1, torch.stack([front, side]), torch.stack([side_behind, torch.full_like(r, -2.0)]))
