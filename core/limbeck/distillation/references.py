# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Posed reference images, and the photometric loss that holds the render to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from jaxtyping import Float
from pydantic import ConfigDict
from torch import Tensor

from limbeck.cameras import Cameras, distance_for, ring_cameras
from limbeck.distillation.conditioning import Conditioned
from limbeck.distillation.energies.energy import fit
from limbeck.distillation.requests import Branch
from limbeck.distillation.sampling import Sampler, draw
from limbeck.framing import Targets
from limbeck.priors.latents import same_latents
from limbeck.priors.prior import PriorSpec, Role
from limbeck.schedules import Schedule, constant


@dataclass(frozen=True)
class DrawnReferences:
    """Four views drawn from the priors before the run; the render is held to them for a while.

    The front is the user's picture, or the text-to-image prior draws it, which its bias to front views makes it good
    at; the multi-view prior draws the other three to agree with it.

    Attributes:
        weight: of the photometric loss, over the run.
        elevation_deg: from where the four views look.
        sampler: how they are drawn.
    """

    weight: Schedule = constant(1.0)
    elevation_deg: float = 15.0
    sampler: Sampler = field(default_factory=Sampler)

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True)
class DrawnImage:
    """One picture drawn from the text-to-image prior before the run, where the user gives none.

    Attributes:
        elevation_deg: from where it is taken to be seen, the front being azimuth 0.
        sampler: how it is drawn.
    """

    elevation_deg: float = 15.0
    sampler: Sampler = field(default_factory=Sampler)

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True)
class PosedImages:
    """Images with the cameras that they were seen by.

    Attributes:
        rgb: sRGB in 0 to 1.
        cameras: one per image.
        background: the colour behind the object in each, sRGB in 0 to 1; None where it is not known.
    """

    rgb: Float[Tensor, "views 3 H W"]
    cameras: Cameras
    background: Float[Tensor, "views 3"] | None = None


def draw_references(
    settings: DrawnReferences,
    priors: Mapping[Role, Conditioned],
    generator: torch.Generator,
    device: torch.device,
    front_rgb: Float[Tensor, "1 3 H W"] | None = None,
) -> PosedImages:
    """Draw the front from ``text_to_image`` unless it is given, and the three other sides from ``multi_view``."""
    multi_view = priors["multi_view"]
    cameras = _four_sides(settings, multi_view.prior.spec).to(device)
    if front_rgb is None:
        known = _drawn_front(settings, priors, cameras.select(torch.arange(4, device=device) == 0), generator)
    else:
        known = multi_view.prior.encode(front_rgb)
    latents = _draw(multi_view, cameras, settings.sampler, generator, known)
    rgb = multi_view.prior.decode(latents)
    return PosedImages(rgb, cameras, border_color(rgb))


def _drawn_front(
    settings: DrawnReferences, priors: Mapping[Role, Conditioned], front: Cameras, generator: torch.Generator
) -> Float[Tensor, "1 channels h w"]:
    """Return the multi-view prior's latents of a front that the text-to-image prior draws at its own size.

    Stable Diffusion draws 512 pixels, MVDream 256; SDXL and IF have other latents, or none.
    """
    painter, reader = priors["text_to_image"], priors["multi_view"].prior
    if painter.prior.spec.image_size == reader.spec.image_size and same_latents(painter.prior, reader):
        return _draw(painter, front, settings.sampler, generator, None)
    own = _four_sides(settings, painter.prior.spec).to(front.c2w.device)
    latents = _draw(
        painter, own.select(torch.arange(4, device=front.c2w.device) == 0), settings.sampler, generator, None
    )
    return reader.encode(fit(painter.prior.decode(latents), front.height, front.width))


def border_color(rgb: Float[Tensor, "views 3 H W"]) -> Float[Tensor, "views 3"]:
    """Return the median colour of each image's outermost pixels, which drawn objects seldom reach."""
    edges = torch.cat([rgb[:, :, 0], rgb[:, :, -1], rgb[:, :, :, 0], rgb[:, :, :, -1]], 2)
    return edges.median(2).values


def draw_image(
    settings: DrawnImage, conditioned: Conditioned, generator: torch.Generator, device: torch.device
) -> PosedImages:
    """Draw the front of the object from a text-to-image prior."""
    front = front_camera(settings.elevation_deg, conditioned.prior.spec).to(device)
    latents = _draw(conditioned, front, settings.sampler, generator, None)
    rgb = conditioned.prior.decode(latents)
    return PosedImages(rgb, front, border_color(rgb))


def front_camera(elevation_deg: float, spec: PriorSpec) -> Cameras:
    """Return the camera from which a picture without camera is taken to be seen: straight from the front."""
    fov_y_deg = front_fov_y_deg(spec)
    distance = distance_for(fov_y_deg, _middle(spec.extent, 1.1))
    return ring_cameras(1, elevation_deg=elevation_deg, fov_y_deg=fov_y_deg, distance=distance, size=spec.image_size)


def front_fov_y_deg(spec: PriorSpec) -> float:
    """Return the vertical field of view that a picture without camera is taken to have."""
    return _middle(spec.fov_y_deg, 45.0)


def _four_sides(settings: DrawnReferences, spec: PriorSpec) -> Cameras:
    fov_y_deg = _middle(spec.fov_y_deg, 45.0)
    distance = distance_for(fov_y_deg, _middle(spec.extent, 1.1))
    return ring_cameras(
        4, elevation_deg=settings.elevation_deg, fov_y_deg=fov_y_deg, distance=distance, size=spec.image_size
    )


def _middle(bounds: tuple[float, float] | None, default: float) -> float:
    return default if bounds is None else (bounds[0] + bounds[1]) / 2


def _draw(
    conditioned: Conditioned,
    cameras: Cameras,
    sampler: Sampler,
    generator: torch.Generator,
    known: Tensor | None,
) -> Tensor:
    prior = conditioned.prior
    branches: tuple[Branch, Branch] = ("text", "uncond")
    text, uncond = (conditioned.conds(cameras, branch, view_prompts=False) for branch in branches)
    shape = prior.encode(torch.zeros(1, 3, cameras.height, cameras.width).to(cameras.c2w)).shape[1:]
    noise = torch.randn(len(cameras.c2w), *shape, generator=generator).to(cameras.c2w)
    return draw(prior, text, uncond, noise, sampler, known)


def photometric_loss(rgb: Float[Tensor, "views 3 H W"], images: Float[Tensor, "views 3 H W"]) -> Float[Tensor, ""]:
    """Return the squared error, summed over pixels and averaged over views as the distillation losses are."""
    return (rgb - images).square().sum() / len(images)


def target_loss(rgb: Float[Tensor, "views 3 H W"], targets: Targets, background: float) -> Float[Tensor, ""]:
    """Return ``photometric_loss`` to pictures over the render's own background, each by its weight.

    As the background changes from step to step, so is the outline that their alpha says held to.
    """
    errors = (rgb - targets.over(background)).square().flatten(1).sum(1)
    return (errors * targets.weights).mean()
