# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Paths between x_0 and x_t, and LucidDreamer's naive objective, which walks one back.

The numbers of equations are those of the supplement (arXiv:2311.11284); the naive objective is eq. 2.

In y = x / alpha and gamma = sigma / alpha every DDIM step is y_b = y_a + (gamma_b - gamma_a) eps(x_a, a). With the grid
0 = tau_0 < ... < tau_K = t, inverted up with the empty prompt and walked down to x0~ with the guided one:

    x_0 - x0~ = sum_k (gamma_{k+1} - gamma_k) (eps(x~_{k+1}, text) - eps(x_k, empty))

whose term k = K - 1 contains ISM's residual (eq. 4); the others are eta_t (eq. 3). The walk is said as one noise
prediction, eps~ = (y_t - x0~) / gamma_t, so that eps~ minus the noise that the inversion injected is
(x_0 - x0~) / gamma_t, and a weight of gamma makes it the paper's x_0 - x0~.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from pydantic import ConfigDict
from torch import Tensor

from limbeck.distillation.noise import Noised, alpha_sigma
from limbeck.distillation.requests import Eps
from limbeck.schedules import Schedule, linear


@dataclass(frozen=True)
class MultiStep:
    """A grid of timesteps from 0 to t.

    Attributes:
        stride: between its points, as a fraction of the prior's timesteps (delta_S of 200 in a thousand).
        interval: between its last two points (delta_T: 100 falling to 80), over the run.
    """

    stride: float = 0.2
    interval: Schedule = linear(0.1, 0.08, end=0.3)

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    def __post_init__(self) -> None:
        """Refuse strides that lead nowhere."""
        require_path(self.stride, self.interval)


def require_path(stride: float, interval: Schedule) -> None:
    """Refuse a stride or an interval that no timestep can be reached by.

    Raises:
        ValueError: naming both.
    """
    if not 0.005 <= stride <= 1 or not all(0 < value < 1 for _, value in interval.points):
        raise ValueError(f"expected a stride of 0.005 to 1 and an interval between 0 and 1, got {stride}, {interval}")


def grid_to(t: Int[Tensor, " views"], stride: int, interval: int) -> list[Int[Tensor, " views"]]:
    """Return rising timesteps per view: 0, stride, 2 stride, ..., s = max(t - interval, 0), t.

    Views with an earlier t stay at s until the others have come as far; such steps have no length. How long the grid
    is depends on t: on a GPU, finding out waits for it, so take t from where it was drawn (``StepContext.host_t``).
    """
    s = (t - interval).clamp_min(0)
    longest = int(s.max())
    steps = -(-longest // stride)
    return [torch.minimum(torch.full_like(s, k * stride), s) for k in range(steps + 1)] + [t]


def gamma(t: Int[Tensor, " views"], alphas_cumprod: Float[Tensor, " timesteps"]) -> Float[Tensor, "views 1 1 1"]:
    """Return sigma / alpha at t, and 0 at timestep 0, which stands for clean latents here."""
    alpha, sigma = alpha_sigma(t, alphas_cumprod)
    return torch.where((t == 0)[:, None, None, None], 0.0, sigma / alpha)


def scaled(
    y: Float[Tensor, "views channels h w"], t: Int[Tensor, " views"], alphas_cumprod: Float[Tensor, " timesteps"]
) -> Float[Tensor, "views channels h w"]:
    """Return x_t = alpha_t y; alpha is 1 at timestep 0."""
    return torch.where((t == 0)[:, None, None, None], 1.0, alpha_sigma(t, alphas_cumprod)[0]) * y


def walk_down(
    guided: Eps,
    first: Float[Tensor, "views channels h w"],
    noised: Noised,
    grid: list[Int[Tensor, " views"]],
    alphas_cumprod: Float[Tensor, " timesteps"],
) -> Float[Tensor, "views channels h w"]:
    """Return eps~ of the docstring above: the guided path from x_t to x0~ as one noise prediction.

    Args:
        guided: the guided noise prediction.
        first: its value at x_t, which is known already.
        noised: x_t.
        grid: rising timesteps that end in t.
        alphas_cumprod: of the prior.
    """
    y = start = noised.xt / noised.alpha
    eps = first
    for index in range(len(grid) - 1, 0, -1):
        above, below = grid[index], grid[index - 1]
        if index < len(grid) - 1:
            eps = guided(scaled(y, above, alphas_cumprod), above)
        y = y - (gamma(above, alphas_cumprod) - gamma(below, alphas_cumprod)) * eps
    return (start - y) / gamma(noised.t, alphas_cumprod)
