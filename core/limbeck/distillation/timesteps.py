# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Which diffusion timestep a step looks at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Int
from pydantic import ConfigDict
from torch import Tensor

from limbeck.schedules import Schedule, constant


@dataclass(frozen=True)
class Timesteps:
    """Uniform timesteps in a range that moves over the run.

    Attributes:
        t_min, t_max: the range, as fractions of the prior's timesteps.
        is_shared: one timestep for all views of a step, or one each; None shares it where a multi-view prior needs it.
    """

    t_min: Schedule = constant(0.02)
    t_max: Schedule = constant(0.98)
    is_shared: bool | None = None

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    def __call__(
        self, progress: float, views: int, num_timesteps: int, generator: torch.Generator
    ) -> Int[Tensor, " views"]:
        """Draw timesteps in [t_min, t_max] * num_timesteps, both ends included."""
        low = self.lowest(progress, num_timesteps)
        high = min(max(round(self.t_max(progress) * num_timesteps), low), num_timesteps - 1)
        drawn = torch.randint(low, high + 1, (1 if self.is_shared else views,), generator=generator)
        return drawn.expand(views).contiguous()

    def lowest(self, progress: float, num_timesteps: int) -> int:
        """Return the first timestep of the range."""
        return min(max(round(self.t_min(progress) * num_timesteps), 1), num_timesteps - 1)
