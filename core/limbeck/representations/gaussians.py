# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""3D Gaussians (Kerbl et al. 2023, arXiv:2308.04079) with one colour each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from pydantic import ConfigDict
from torch import Tensor, nn

from limbeck.assets.cloud import GaussianArrays
from limbeck.cameras import Cameras
from limbeck.devices import uploaded
from limbeck.representations.normals import normals_from_depth
from limbeck.representations.rasterize import rasterization
from limbeck.representations.representation import Rendering
from limbeck.schedules import Schedule, linear, require_rate

PARAMETER_NAMES = ("means", "log_scales", "quats", "opacity_logits", "color_logits")


@dataclass(frozen=True)
class LearningRates:
    """Adam's learning rates by parameter, over the run.

    They fall, all but that of the means in the second half only: score distillation's gradients stay noisy to the end,
    and only smaller steps settle.
    """

    means: Schedule = linear(0.01, 0.001)
    log_scales: Schedule = linear(0.01, 0.002, begin=0.5)
    quats: Schedule = linear(0.01, 0.002, begin=0.5)
    opacity_logits: Schedule = linear(0.05, 0.01, begin=0.5)
    color_logits: Schedule = linear(0.03, 0.005, begin=0.5)

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    def __post_init__(self) -> None:
        """Refuse rates that no parameter learns at."""
        for name in PARAMETER_NAMES:
            require_rate(name, getattr(self, name))


@dataclass(frozen=True)
class GaussianSettings:
    """How Gaussians start and how fast they learn.

    Attributes:
        count: Gaussians at the start, uniform in a ball round the origin.
        radius: the ball's radius in world units.
        opacity: their opacity at the start.
    """

    count: int = 3000
    radius: float = 0.6
    opacity: float = 0.1
    learning_rates: LearningRates = LearningRates()

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    def __post_init__(self) -> None:
        """Refuse what cannot start."""
        if not (1 <= self.count <= 5_000_000 and 0 < self.radius <= 10 and 0 < self.opacity < 1):
            raise ValueError(
                "expected a count from 1 to 5,000,000, a radius up to 10 and an opacity between 0 and 1, "
                f"got {self.count}, {self.radius}, {self.opacity}"
            )


@dataclass(frozen=True)
class ActivatedGaussians:
    """The Gaussians in the units that a renderer takes.

    Attributes:
        means: centres in world units.
        quats: rotations, wxyz, unit length.
        scales: standard deviations along the three axes, in world units.
        opacities: peak opacities in 0 to 1.
        colors: sRGB in 0 to 1.
    """

    means: Float[Tensor, "points 3"]
    quats: Float[Tensor, "points 4"]
    scales: Float[Tensor, "points 3"]
    opacities: Float[Tensor, " points"]
    colors: Float[Tensor, "points 3"]


class Gaussians:
    """Parameters of N Gaussians: log scales, logit opacities and logit colours, so that every real value is valid."""

    def __init__(self, parameters: Mapping[str, Tensor]) -> None:
        """Take tensors by the names in ``PARAMETER_NAMES``."""
        missing = set(PARAMETER_NAMES) ^ set(parameters)
        if missing:
            raise ValueError(f"expected the parameters {PARAMETER_NAMES}, got {sorted(parameters)}")
        self._parameters = {name: nn.Parameter(parameters[name].clone()) for name in PARAMETER_NAMES}

    def __len__(self) -> int:
        return len(self._parameters["means"])

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self._parameters["means"].device

    def parameters(self) -> dict[str, nn.Parameter]:
        """Return the parameters by name."""
        return self._parameters

    def activated(self) -> ActivatedGaussians:
        """Return the values that a renderer takes; differentiable."""
        p = self._parameters
        return ActivatedGaussians(
            p["means"] * 1.0,
            nn.functional.normalize(p["quats"], dim=-1),
            p["log_scales"].exp(),
            p["opacity_logits"].sigmoid(),
            p["color_logits"].sigmoid(),
        )

    def cloud(self) -> GaussianArrays:
        """Return the Gaussians as numpy arrays, for extraction and export."""
        values = self.activated()
        fields = (values.means, values.quats, values.scales, values.opacities, values.colors)
        return GaussianArrays(*(tensor.detach().float().cpu().numpy() for tensor in fields))

    def render(
        self, cameras: Cameras, background: float | Float[Tensor, "views 3"], *, with_normals: bool = False
    ) -> Rendering:
        """Render all views in one call of the rasteriser of the parameters' device.

        Args:
            cameras: the views.
            background: a grey level for all views, or a colour for each; sRGB in 0 to 1.
            with_normals: also return normals, taken from the expected depth.
        """
        points = self.activated()
        viewmats = cameras.viewmats
        colors_and_depth, alpha, meta = rasterization(
            points.means,
            points.quats,
            points.scales,
            points.opacities,
            points.colors,
            viewmats,
            cameras.Ks,
            cameras.width,
            cameras.height,
            backgrounds=uploaded(torch.as_tensor(background), viewmats).expand(len(viewmats), 3).contiguous(),
            render_mode="RGB+ED",
        )
        images, alpha = colors_and_depth.permute(0, 3, 1, 2), alpha.permute(0, 3, 1, 2)
        median = meta.get("median_depth")
        return Rendering(
            images[:, :3],
            alpha,
            images[:, 3:],
            meta["means2d"],
            (meta["radii"] > 0).all(-1),
            None if median is None else median.permute(0, 3, 1, 2).to(alpha.device),
            normals_from_depth(images[:, 3:], alpha, cameras) if with_normals else None,
        )


def initial_gaussians(settings: GaussianSettings, generator: torch.Generator, device: torch.device) -> Gaussians:
    """Return Gaussians spread evenly in a ball, grey with a little noise.

    Their size is the mean spacing of points, so that together they look like a soft ball.
    """
    direction = nn.functional.normalize(torch.randn(settings.count, 3, generator=generator), dim=-1)
    distance = torch.rand(settings.count, 1, generator=generator) ** (1 / 3)
    spacing = settings.radius * (4.19 / settings.count) ** (1 / 3)
    opacity = torch.tensor(settings.opacity)
    parameters = {
        "means": direction * distance * settings.radius,
        "log_scales": torch.full((settings.count, 3), spacing / 2).log(),
        "quats": nn.functional.normalize(torch.randn(settings.count, 4, generator=generator), dim=-1),
        "opacity_logits": torch.logit(opacity).expand(settings.count),
        "color_logits": 0.2 * torch.randn(settings.count, 3, generator=generator),
    }
    return Gaussians({name: tensor.to(device) for name, tensor in parameters.items()})
