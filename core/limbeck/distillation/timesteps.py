# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Which diffusion timestep a step looks at."""

from __future__ import annotations

import math
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

    def __post_init__(self) -> None:
        """Refuse what are no fractions, and ranges that are empty at any time."""
        for name in ("t_min", "t_max"):
            values = [value for _, value in getattr(self, name).points]
            if not all(0 <= value <= 1 for value in values):
                raise ValueError(f"expected {name} from 0 to 1, a fraction of the prior's timesteps, got {values}")
        # Both are linear in between. A jump has a value on either side; the left one is read just before it.
        at = {progress for schedule in (self.t_min, self.t_max) for progress, _ in schedule.points}
        for progress in sorted(at | {math.nextafter(progress, 0.0) for progress in at}):
            low, high = self.t_min(progress), self.t_max(progress)
            if high < low - 1e-9:  # what interpolation may round
                raise ValueError(f"expected t_max of at least t_min, got {high:g} and {low:g} at progress {progress:g}")

    def __call__(
        self, progress: float, views: int, num_timesteps: int, generator: torch.Generator
    ) -> Int[Tensor, " views"]:
        """Draw timesteps in [t_min, t_max] * num_timesteps, both ends included, of 1 to num_timesteps - 1."""
        low = self.lowest(progress, num_timesteps)
        high = min(max(round(self.t_max(progress) * num_timesteps), low), num_timesteps - 1)
        drawn = torch.randint(low, high + 1, (1 if self.is_shared else views,), generator=generator)
        return drawn.expand(views).contiguous()

    def lowest(self, progress: float, num_timesteps: int) -> int:
        """Return the first timestep of the range."""
        return min(max(round(self.t_min(progress) * num_timesteps), 1), num_timesteps - 1)
