# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""3D-consistent integral noising (GSD, section 4.2): noise that sticks to surfaces, yet is white in every view.

Every point k has a noise value n_k and N children around it, which carry

    m = z - mean(z) + n_k / sqrt(N)        z ~ N(0, I_N)                  (eq. 7, corrected)
    n(p) = sum of the m projected to pixel p / sqrt(how many they are)    (eq. 8)

The paper's eq. 7 (n_k / N, covariance (I - uu^T / N) / N) and its prose (the same without the last 1 / N) contradict
each other and eq. 8: pixels get a variance of 1/9, or of 0.1 to 0.9. As corrected, children are independent with
variance 1, a pixel that gets all children of one point and no others shows n_k, and every pixel is N(0, 1) given where
the children fall. Two views correlate at two pixels by |shared children| / sqrt(|children 1| |children 2|).

Left open by the paper and decided here: n_k is drawn afresh in every step; children spread as far as their Gaussian
does; the background is a sphere of points, even in number per pixel; a pixel without any child gets noise of its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Int
from pydantic import ConfigDict
from torch import Tensor

from limbeck.cameras import Cameras
from limbeck.distillation.context import StepContext
from limbeck.distillation.noise import Noised, add_noise
from limbeck.distillation.placing import Placed, PointCloud, background_sphere, scatter, shared_share

OPAQUE = 0.5
"""Opacity from which a pixel has a surface."""
PointSource = Literal["object", "start"]
"""Where the noise's points are: on the object as it is, or on the shape that the run starts from."""


@dataclass(frozen=True)
class ConsistentNoise:
    """Noise that views of one object share where they see the same surface (GSD, eq. 7, corrected, and 8).

    Attributes:
        children: N, per point.
        depth_tolerance: how far from the rendered depth a child may be to count as surface, as a share of the object's
            radius; farther ones are on another side of the object, or inside.
        background_radius: of the sphere of points behind everything, in radii of the object; at least twice as far as
            the farthest camera.
        background_per_pixel: how many of the sphere's children a pixel in the centre of a view gets on average.
        points: whose points carry the noise: the ``object``'s own, or those of the shape that the run starts from.
    """

    children: int = 9
    depth_tolerance: float = 0.05
    background_radius: float = 10.0
    background_per_pixel: float = 8.0
    points: PointSource = "object"
    kind: Literal["consistent"] = "consistent"

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    def __post_init__(self) -> None:
        """Refuse noise that is none."""
        if not 1 <= self.children <= 1000:
            raise ValueError(f"expected 1 to 1000 children, got {self.children}")
        if min(self.depth_tolerance, self.background_radius) <= 0 or not 0 <= self.background_per_pixel <= 1000:
            raise ValueError(
                "expected a depth_tolerance and background_radius above 0 and 0 to 1000 background_per_pixel, got "
                f"{self.depth_tolerance}, {self.background_radius}, {self.background_per_pixel}"
            )

    def __call__(
        self,
        latents: Float[Tensor, "views channels h w"],
        t: Int[Tensor, " views"],
        alphas_cumprod: Float[Tensor, " timesteps"],
        generator: torch.Generator,
        context: StepContext | None = None,
    ) -> Noised:
        """Draw the noise of the context's points, as its cameras see them, and add it.

        Raises:
            ValueError: without points.
        """
        if context is None:
            raise ValueError("expected points for consistent noise, got no context")
        _, channels, h, w = latents.shape
        cloud, cameras = self._cloud(context), context.cameras.resized(w, h)
        placed = place_children(cloud, cameras, surface_depth(context), self, generator)
        noise = _noise_of(placed, cloud, cameras, channels, self, generator)
        noised = add_noise(latents, noise.to(latents), t, alphas_cumprod)
        return replace(noised, shared=shared_share(placed))

    def _cloud(self, context: StepContext) -> PointCloud:
        if self.points == "start" and context.guide is not None:
            given = context.guide.points
            return PointCloud(given.positions, given.sigmas, context.radius)
        if self.points == "start" or context.points is None or context.point_sigmas is None:
            raise ValueError(f"expected points for consistent noise, got none of the {self.points}")
        return PointCloud(context.points.detach(), context.point_sigmas.detach(), context.radius)


def integral_noise(
    cloud: PointCloud,
    cameras: Cameras,
    depth: Float[Tensor, "views H W"] | None,
    channels: int,
    settings: ConsistentNoise,
    generator: torch.Generator,
) -> Float[Tensor, "views channels h w"]:
    """Return noise for every view, N(0, 1) and white within it.

    Args:
        cloud: the points of the object.
        cameras: the views; their ``width`` and ``height`` are the noise's.
        depth: camera z of the surface, 0 where there is none, at any resolution; None lets every point through.
        channels: of the noise, independent of each other.
        settings: as ``ConsistentNoise`` says.
        generator: CPU generator.
    """
    return _noise_of(
        place_children(cloud, cameras, depth, settings, generator), cloud, cameras, channels, settings, generator
    )


def _noise_of(
    placed: Placed,
    cloud: PointCloud,
    cameras: Cameras,
    channels: int,
    settings: ConsistentNoise,
    generator: torch.Generator,
) -> Float[Tensor, "views channels h w"]:
    """Draw the noise of the children and return what each pixel sees of it."""
    point_noise = torch.randn(placed.total // settings.children, channels, generator=generator)
    child_noise = upsample_noise(point_noise, settings.children, generator).to(cloud.points)
    views, height, width = len(cameras.c2w), cameras.height, cameras.width
    own = torch.randn(views * height * width, channels, generator=generator).to(cloud.points)
    noise = integrate(child_noise, placed, own)
    return noise.view(views, height, width, channels).permute(0, 3, 1, 2).contiguous()


def upsample_noise(
    point_noise: Float[Tensor, "points channels"], count: int, generator: torch.Generator
) -> Float[Tensor, "children channels"]:
    """Return the noise of ``count`` children of every point, given the point's (eq. 7, corrected)."""
    z = torch.randn(len(point_noise), count, point_noise.shape[1], generator=generator)
    z += point_noise[:, None] / math.sqrt(count) - z.mean(1, keepdim=True)
    return z.flatten(0, 1)


def integrate(
    child_noise: Float[Tensor, "children channels"], placed: Placed, own: Float[Tensor, "pixels channels"]
) -> Float[Tensor, "pixels channels"]:
    """Return each pixel's sum / sqrt(count) of its children's noise (eq. 8), its own where it has none."""
    counts = torch.bincount(placed.pixels, minlength=len(own))[:, None]
    sums = torch.zeros_like(own).index_add_(0, placed.pixels, child_noise[placed.children])
    return torch.where(counts > 0, sums / counts.clamp_min(1).to(own).sqrt(), own)


def place_children(
    cloud: PointCloud,
    cameras: Cameras,
    depth: Float[Tensor, "views H W"] | None,
    settings: ConsistentNoise,
    generator: torch.Generator,
) -> Placed:
    """Draw where children are and find which pixel of each view each falls into.

    The object's children come first, then the background's, which only get pixels that have none of the object's.
    """
    front = scatter(cloud, cameras, depth, settings.depth_tolerance * cloud.radius, settings.children, generator)
    least_radius = settings.background_radius * cloud.radius
    sphere = background_sphere(cameras, least_radius, settings.background_per_pixel, settings.children)
    sphere = PointCloud(sphere.points.to(cloud.points), sphere.sigmas.to(cloud.points), sphere.radius)
    back = scatter(sphere, cameras, None, 0.0, settings.children, generator)
    is_taken = torch.zeros(len(cameras.c2w) * cameras.height * cameras.width, dtype=torch.bool).to(front.pixels.device)
    is_taken[front.pixels] = True
    is_free = ~is_taken[back.pixels]
    return Placed(
        torch.cat([front.pixels, back.pixels[is_free]]),
        torch.cat([front.children, back.children[is_free] + front.total]),
        front.total + back.total,
    )


def surface_depth(context: StepContext) -> Float[Tensor, "views H W"]:
    """Return the rendered camera z where something opaque is, else 0; detached."""
    rendering = context.rendering
    return rendering.depth.detach().where(rendering.alpha >= OPAQUE, 0.0)[:, 0]
