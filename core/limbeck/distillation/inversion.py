# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""DDIM inversion as noise: the model's own path from x_0 to x_t (LucidDreamer, arXiv:2311.11284, algorithm 1).

    y_0 = x_0        y_{k+1} = y_k + (gamma_{k+1} - gamma_k) eps(x_k, tau_k, empty)

on the grid 0, stride, 2 stride, ..., s = t - interval, t, with the empty prompt and no guidance. Its last prediction,
eps(x_s, s, empty), is ISM's control variate. The released code first adds noise at timestep 1, for no stated reason;
here the path starts at x_0 itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Int
from pydantic import ConfigDict
from torch import Tensor

from limbeck.devices import uploaded
from limbeck.distillation.context import StepContext
from limbeck.distillation.multi_step import gamma, grid_to, require_path, scaled
from limbeck.distillation.noise import Noised, add_noise
from limbeck.schedules import Schedule, linear


@dataclass(frozen=True)
class DDIMInversion:
    """Deterministic noise; views may have different timesteps.

    Attributes:
        stride: delta_S, as a fraction of the prior's timesteps.
        interval: delta_T, the same, over the run: 100 falling to 80 of a thousand in the first 1,500 of 5,000 steps.
    """

    stride: float = 0.2
    interval: Schedule = linear(0.1, 0.08, end=0.3)
    kind: Literal["inversion"] = "inversion"

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    def __post_init__(self) -> None:
        """Refuse strides that lead nowhere."""
        require_path(self.stride, self.interval)

    def grid(self, t: Int[Tensor, " views"], timesteps: int, progress: float) -> list[Int[Tensor, " views"]]:
        """Return the path's timesteps, from 0 to t."""
        return grid_to(t, max(1, round(self.stride * timesteps)), max(1, round(self.interval(progress) * timesteps)))

    def __call__(
        self,
        latents: Float[Tensor, "views channels h w"],
        t: Int[Tensor, " views"],
        alphas_cumprod: Float[Tensor, " timesteps"],
        generator: torch.Generator,
        context: StepContext | None = None,
    ) -> Noised:
        """Walk up to t; ``noise`` is what one step would have had to inject to land there.

        Raises:
            ValueError: without ``context.empty_eps``.
        """
        if context is None or context.empty_eps is None:
            raise ValueError("expected a context with empty_eps, which DDIM inversion walks along, got none")
        x0 = y = latents.detach()
        eps = torch.zeros_like(y)
        on_host = t.cpu() if context.host_t is None else context.host_t
        grid = self.grid(on_host, len(alphas_cumprod), context.progress)
        longer = [pair for pair in pairwise(grid) if not torch.equal(*pair)]
        for here, there in ((uploaded(low, t), uploaded(high, t)) for low, high in longer):
            step = gamma(there, alphas_cumprod) - gamma(here, alphas_cumprod)
            eps = torch.where(step == 0, eps, context.empty_eps(scaled(y, here, alphas_cumprod), here))
            y = y + step * eps
        noise = (y - x0) / gamma(t, alphas_cumprod)
        return replace(add_noise(x0, noise, t, alphas_cumprod), xt=scaled(y, t, alphas_cumprod), path=eps)
