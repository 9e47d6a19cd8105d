# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Gaussians as a representation: they render, learn at their own rates, and densify as they go."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limbeck.assets.cloud import GaussianArrays
from limbeck.assets.extract import CloudDensity, cloud_density
from limbeck.assets.mesh import Mesh
from limbeck.assets.vertex_colors import nearest_colors
from limbeck.cameras import Cameras
from limbeck.representations.densify import (
    DensifySettings,
    GradientStatistics,
    densify_and_prune,
    is_due,
    is_reset_due,
)
from limbeck.representations.gaussians import PARAMETER_NAMES, Gaussians, GaussianSettings
from limbeck.representations.relocate import relocate, reset_opacities
from limbeck.representations.representation import Kind, Moment, Rendering, SurfacePoints

SURFACE_DENSITY = 0.1
"""Distilled surfaces are stacks of translucent Gaussians: at 0.3, thin parts such as beaks fall out of the mesh."""


class Splatting:
    """Gaussians, the gradients that they have seen, and the rules by which they learn and densify."""

    kind: Kind = "gaussians"
    noun = "Gaussians"

    def __init__(
        self,
        gaussians: Gaussians,
        settings: GaussianSettings,
        densify: DensifySettings,
        statistics: GradientStatistics | None = None,
    ) -> None:
        """Take the Gaussians as they are; without ``statistics`` they have seen no gradient yet."""
        self.gaussians = gaussians
        self.settings = settings
        self.densify = densify
        self.statistics = statistics or GradientStatistics.empty(len(gaussians), gaussians.device)

    @classmethod
    def restored(
        cls,
        parameters: Mapping[str, Tensor],
        buffers: Mapping[str, Tensor],
        settings: GaussianSettings,
        densify: DensifySettings,
    ) -> Splatting:
        """Return what ``parameters`` and ``buffers`` returned once."""
        gaussians = Gaussians({name: parameters[name] for name in PARAMETER_NAMES})
        statistics = GradientStatistics(buffers["gradient_total"].clone(), buffers["gradient_seen"].clone())
        return cls(gaussians, settings, densify, statistics)

    def __len__(self) -> int:
        return len(self.gaussians)

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.gaussians.device

    def parameters(self) -> Mapping[str, nn.Parameter]:
        """Return the Gaussians' parameters."""
        return self.gaussians.parameters()

    def buffers(self) -> Mapping[str, Tensor]:
        """Return the sums that decide which Gaussians are densified."""
        return {"gradient_total": self.statistics.total, "gradient_seen": self.statistics.seen}

    def learning_rates(self, progress: float) -> Mapping[str, float]:
        """Return the settings' rates."""
        return {name: getattr(self.settings.learning_rates, name)(progress) for name in PARAMETER_NAMES}

    def render(
        self, cameras: Cameras, background: float | Float[Tensor, "views 3"], *, with_normals: bool = False
    ) -> Rendering:
        """Render all views in one call of the rasteriser."""
        rendering = self.gaussians.render(cameras, background, with_normals=with_normals)
        if rendering.points2d is not None and rendering.points2d.requires_grad:
            rendering.points2d.retain_grad()
        return rendering

    def penalty(self, name: str, rendering: Rendering) -> Float[Tensor, ""]:
        """Return ``point_opaqueness`` or ``scale``, means over Gaussians."""
        arrays = self.gaussians.activated()
        if name == "point_opaqueness":
            return (arrays.opacities * (1 - arrays.opacities)).mean()
        if name == "scale":
            return arrays.scales.square().sum(-1).mean()
        raise ValueError(f"expected a regulariser of Gaussians, got {name}")

    def inner_loss(self) -> Float[Tensor, ""] | None:
        """Return None: densifying and pruning are enough."""

    def points(self) -> SurfacePoints:
        """Return the means; they reach as far as the Gaussians on average over the axes."""
        arrays = self.gaussians.activated()
        return SurfacePoints(arrays.means.detach(), arrays.scales.detach().mean(-1))

    def after_step(self, optimizer: torch.optim.Adam, rendering: Rendering, moment: Moment) -> None:
        """Count the gradients; densify and reset opacities when that is due."""
        self.statistics.add(rendering)
        if is_due(self.densify, moment.step, moment.steps):
            self.statistics = self._densified(optimizer, moment.generator)
        if is_reset_due(self.densify, moment.step, moment.steps):
            reset_opacities(self.gaussians, optimizer, self.densify.reset_opacity)

    def _densified(self, optimizer: torch.optim.Adam, generator: torch.Generator) -> GradientStatistics:
        if self.densify.rule == "relocate":
            return relocate(self.gaussians, optimizer, self.densify, generator)
        return densify_and_prune(self.gaussians, optimizer, self.statistics, self.densify, generator)

    def density(self) -> CloudDensity | None:
        """Return the sum of the Gaussians."""
        return cloud_density(self.cloud(), SURFACE_DENSITY)

    def mesh(self) -> Mesh | None:
        """Return None: Gaussians are no mesh."""
        return None

    def painted(self, mesh: Mesh) -> Mesh:
        """Return a mesh in the colours of the nearest Gaussians."""
        return nearest_colors(mesh, self.cloud())

    def cloud(self) -> GaussianArrays:
        """Return the Gaussians."""
        return self.gaussians.cloud()
