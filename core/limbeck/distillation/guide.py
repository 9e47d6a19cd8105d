# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The shape that a run starts from, as terms look at it: where it was given, however far the object moves on.

A body's mesh holds an avatar to its pose (LucidDreamer's avatars, arXiv:2311.11284, section 4 of the supplement); a
point cloud carries the consistent noise of a representation without points of its own (GSD on 3DFuse,
arXiv:2406.16695, section 5.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from limbeck.cameras import Cameras
from limbeck.distillation.placing import spacing_sigmas
from limbeck.representations.gaussians import Gaussians
from limbeck.representations.meshes.rasterize import project, rasterize
from limbeck.representations.meshes.surface import spread_over
from limbeck.representations.representation import SurfacePoints
from limbeck.representations.shape import Shape

SOLID = 0.5
"""Opacity from which a pixel sees the points of a cloud."""
DOT_OPACITY = 0.99
"""Of each point, so that a single layer hides what is behind it."""
DOT_SIZE = 1.5
"""Over the points' own reach: at 1, pixels between the points of a surface see through it."""
MAX_POINTS = 20_000
"""Every n-th point of a larger cloud is looked at; a step renders them all."""


@dataclass(frozen=True)
class Guide:
    """A mesh, or a cloud of points.

    Attributes:
        positions: vertices or points, in world units.
        faces: of a mesh; None for a cloud.
    """

    positions: Float[Tensor, "points 3"]
    faces: Int[Tensor, "faces 3"] | None = None

    @cached_property
    def points(self) -> SurfacePoints:
        """Points spread evenly over the mesh, or the cloud's own; they reach half as far as they are apart."""
        if self.faces is not None:
            return spread_over(self.positions, self.faces)
        return SurfacePoints(self.positions, spacing_sigmas(self.positions))

    @torch.no_grad()
    def depth(self, cameras: Cameras) -> Float[Tensor, "views H W"]:
        """Return the camera z of its surface, 0 where there is none; a cloud's points are dots that touch."""
        if self.faces is None:
            return self._depth_of_dots(cameras)
        seen = rasterize(project(self.positions, cameras), self.faces, cameras.width, cameras.height)
        depth = seen.z.new_zeros(seen.faces.numel())
        depth[seen.covered] = seen.z
        return depth.view(seen.faces.shape)

    def _depth_of_dots(self, cameras: Cameras) -> Float[Tensor, "views H W"]:
        rendering = self._dots.render(cameras, 0.0)
        depth = rendering.depth if rendering.median_depth is None else rendering.median_depth
        return depth.where(rendering.alpha >= SOLID, 0.0)[:, 0]

    @cached_property
    def _dots(self) -> Gaussians:
        positions, count = self.positions, len(self.positions)
        quats = positions.new_zeros(count, 4)
        quats[:, 0] = 1.0
        return Gaussians(
            {
                "means": positions,
                "log_scales": (DOT_SIZE * self.points.sigmas).clamp_min(1e-4).log()[:, None].repeat(1, 3),
                "quats": quats,
                "opacity_logits": torch.logit(positions.new_full((count,), DOT_OPACITY)),
                "color_logits": torch.zeros_like(positions),
            }
        )


def guide_from(shape: Shape, device: torch.device) -> Guide:
    """Return a shape, which lies in the unit ball, as terms look at it."""
    positions = torch.from_numpy(shape.points).float().to(device)
    if shape.faces is not None:
        return Guide(positions, torch.from_numpy(shape.faces).long().to(device))
    return Guide(positions[:: -(-len(positions) // MAX_POINTS)])
