# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""How a mesh is painted and refined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pydantic import ConfigDict

from limbeck.schedules import Schedule, constant, linear, require_rate


@dataclass(frozen=True)
class MeshSettings:
    """How a mesh is painted, where its geometry is given, and how it is refined, where it is not.

    Attributes:
        resolution: nodes along an axis of the grid of colours in which the surface lies.
        half_size: the grid fills the box from minus to plus this, in world units; beyond it, its border's colours hold.
        color_rate: Adam's learning rate of colours before the sigmoid, over the run.
        vertex_rate: of the vertices in world units; used where ``Recipe.refine`` frees them.
        laplacian: weight of the squared distance of vertices from the middle of their neighbours while they are free,
            in units of the mean edge: what keeps a refined surface smooth.
        faces: the mesh that is refined is first decimated to this many.
    """

    resolution: int = 96
    half_size: float = 1.05
    color_rate: Schedule = linear(0.05, 0.01, begin=0.5)
    vertex_rate: Schedule = constant(5e-4)
    laplacian: float = 100.0
    faces: int = 20_000

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    def __post_init__(self) -> None:
        """Refuse what cannot start."""
        if not (8 <= self.resolution <= 320 and 0 < self.half_size <= 10 and 100 <= self.faces <= 2_000_000):
            raise ValueError(
                "expected a resolution from 8 to 320, a half_size up to 10 and 100 to 2,000,000 faces, "
                f"got {self.resolution}, {self.half_size} and {self.faces}"
            )
        require_rate("color_rate", self.color_rate)
        require_rate("vertex_rate", self.vertex_rate)
        if self.laplacian < 0:
            raise ValueError(f"expected a laplacian of at least 0, got {self.laplacian}")
