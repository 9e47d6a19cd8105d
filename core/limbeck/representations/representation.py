# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What a 3D representation is to the rest: something that renders, learns, shows points and encloses a shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from limbeck.assets.cloud import GaussianArrays
from limbeck.assets.extract import DensitySource
from limbeck.assets.mesh import Mesh
from limbeck.cameras import Cameras

Kind = Literal["gaussians", "field", "mesh"]
PENALTIES: Mapping[Kind, tuple[str, ...]] = {
    "gaussians": ("point_opaqueness", "scale"),
    "field": ("orientation", "smoothness"),
    "mesh": (),
}
"""Regularisers that only some kinds have."""


@dataclass(frozen=True)
class Rendering:
    """A batch of differentiable images.

    Attributes:
        rgb: sRGB in 0 to 1, over the background.
        alpha: opacity in 0 to 1.
        depth: expected camera z, normalised by alpha; 0 where nothing is.
        points2d: projected points in pixels, kept in the graph so that their gradient can steer densification; None for
            a representation without points of its own.
        is_visible: which points each view sees.
        median_depth: camera z at which half of the light is stopped, 0 where less than half ever is; without gradient.
            None where the renderer has none.
        normals: outward unit normals in the world, 0 where nothing is; None unless asked for.
        away: mean over a ray of how far surfaces look away from the camera, max(0, n . ray)^2 by their weight: what the
            orientation regulariser punishes. None unless asked for.
    """

    rgb: Float[Tensor, "views 3 H W"]
    alpha: Float[Tensor, "views 1 H W"]
    depth: Float[Tensor, "views 1 H W"]
    points2d: Float[Tensor, "views points 2"] | None = None
    is_visible: Bool[Tensor, "views points"] | None = None
    median_depth: Float[Tensor, "views 1 H W"] | None = None
    normals: Float[Tensor, "views 3 H W"] | None = None
    away: Float[Tensor, "views 1 H W"] | None = None

    def select(self, is_seen: Bool[Tensor, " views"]) -> Rendering:
        """Return some of the views, in the same order."""
        images: dict[str, Any] = {name: None if it is None else it[is_seen] for name, it in vars(self).items()}
        return Rendering(**images)


@dataclass(frozen=True)
class SurfacePoints:
    """Points on or in a representation, detached: where consistent noise sits.

    Attributes:
        positions: in world units.
        sigmas: how far each reaches, as a standard deviation in world units.
    """

    positions: Float[Tensor, "points 3"]
    sigmas: Float[Tensor, " points"]


@dataclass(frozen=True)
class Moment:
    """Where a run is, once a step is done.

    Attributes:
        step: finished steps.
        steps: of the whole run.
        generator: CPU generator of whatever a representation draws while it changes.
    """

    step: int
    steps: int
    generator: torch.Generator

    @property
    def progress(self) -> float:
        """How far the run is, 0 to 1."""
        return self.step / self.steps


@runtime_checkable
class Representation(Protocol):
    """What is optimised. The loop, regularisers, previews and extraction know nothing else of it.

    A representation whose ``parameters`` and ``buffers`` are saved and restored goes on bit for bit on the CPU.
    """

    def __len__(self) -> int:
        """Return how many elements it has: Gaussians, voxels, faces."""
        ...

    @property
    def kind(self) -> Kind:
        """Which kind of representation it is."""
        ...

    @property
    def noun(self) -> str:
        """What its elements are called, in the plural."""
        ...

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        ...

    def parameters(self) -> Mapping[str, nn.Parameter]:
        """Return the parameters by name; ``after_step`` may replace them."""
        ...

    def buffers(self) -> Mapping[str, Tensor]:
        """Return what else a checkpoint must hold."""
        ...

    def learning_rates(self, progress: float) -> Mapping[str, float]:
        """Return Adam's learning rate of every parameter at ``progress``."""
        ...

    def render(
        self, cameras: Cameras, background: float | Float[Tensor, "views 3"], *, with_normals: bool = False
    ) -> Rendering:
        """Render all views in one call.

        Args:
            cameras: on the representation's device.
            background: a grey level for all views, or a colour for each; sRGB in 0 to 1.
            with_normals: also return normals.
        """
        ...

    def penalty(self, name: str, rendering: Rendering) -> Float[Tensor, ""]:
        """Return a regulariser of its own, one of its kind's ``PENALTIES``."""
        ...

    def inner_loss(self) -> Float[Tensor, ""] | None:
        """Return what keeps it well formed whatever the recipe says, weighted; None if nothing needs to."""
        ...

    def points(self) -> SurfacePoints:
        """Return points on its surface, or in its fog as long as it has none."""
        ...

    def after_step(self, optimizer: torch.optim.Adam, rendering: Rendering, moment: Moment) -> None:
        """Change with the run, parameters and Adam's moments alike, once their gradients have been applied."""
        ...

    def density(self) -> DensitySource | None:
        """Return a snapshot of what extraction samples; None where the representation is a mesh itself."""
        ...

    def mesh(self) -> Mesh | None:
        """Return the coloured mesh that the representation is; None where extraction has to find one."""
        ...

    def painted(self, mesh: Mesh) -> Mesh:
        """Return a mesh in its colours, quickly, for previews."""
        ...

    def cloud(self) -> GaussianArrays:
        """Return the Gaussians to export; none where it has none."""
        ...
