# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""How a radiance field starts, grows and learns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import ConfigDict

from limbeck.schedules import Schedule, linear, require_rate

RATE_NAMES = ("densities", "color_logits", "features", "network")


@dataclass(frozen=True)
class FieldRates:
    """Adam's learning rates over the run.

    Attributes:
        densities, color_logits: of the voxel grid, before their activations.
        features, network: of the hash grid.
    """

    densities: Schedule = linear(0.2, 0.02, begin=0.5)
    color_logits: Schedule = linear(0.1, 0.02, begin=0.5)
    features: Schedule = linear(0.01, 0.001, begin=0.5)
    network: Schedule = linear(0.01, 0.001, begin=0.5)

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    def __post_init__(self) -> None:
        """Refuse rates that no parameter learns at."""
        for name in RATE_NAMES:
            require_rate(name, getattr(self, name))


@dataclass(frozen=True)
class FieldSettings:
    """How a radiance field is stored, how it starts and how fast it learns.

    Attributes:
        backend: a voxel ``grid`` (compiled CPU kernels), a ``hash`` grid (plain torch), or ``auto``: the hash grid on
            CUDA, else the voxels.
        half_size: the field fills the box from minus to plus this along every axis, in world units.
        resolution: nodes of the voxel grid along an axis at the start.
        final_resolution: and from ``grow_at`` on.
        grow_at: progress at which the grid grows.
        step_cells: distance of two samples on a ray, in cells of the grid (hash grid: of its ``final_resolution``).
        radius: of the ball of fog at the start, in world units.
        opacity: of that fog along a radius.
        skip_from: progress from which rays skip what is empty; before, anything may still grow anywhere.
    """

    backend: Literal["auto", "grid", "hash"] = "auto"
    half_size: float = 1.05
    resolution: int = 64
    final_resolution: int = 96
    grow_at: float = 0.5
    step_cells: float = 1.0
    radius: float = 0.6
    opacity: float = 0.5
    skip_from: float = 0.2
    learning_rates: FieldRates = FieldRates()

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    def __post_init__(self) -> None:
        """Refuse what cannot start."""
        if not 8 <= self.resolution <= self.final_resolution <= 320:
            raise ValueError(
                "expected 8 <= resolution <= final_resolution <= 320, "
                f"got {self.resolution} and {self.final_resolution}"
            )
        if not (0 < self.half_size <= 10 and 0.1 <= self.step_cells <= 4):
            raise ValueError(
                "expected a half_size up to 10 and step_cells from 0.1 to 4, "
                f"got {self.half_size} and {self.step_cells}"
            )
        if not (0 < self.radius <= self.half_size and 0 < self.opacity < 1):
            raise ValueError(
                "expected a radius within the half_size and an opacity between 0 and 1, "
                f"got {self.radius} and {self.opacity}"
            )
        if not (0 <= self.grow_at <= 1 and 0 <= self.skip_from <= 1):
            raise ValueError(f"expected grow_at and skip_from from 0 to 1, got {self.grow_at} and {self.skip_from}")
