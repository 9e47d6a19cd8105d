# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""From where a run looks: ranges on an orbit, or the artist's own cameras."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from pydantic import ConfigDict
from torch import Tensor

from limbeck.cameras import Cameras, angles_of, orbit_cameras, pinhole_Ks, rotation_about
from limbeck.priors.prior import PriorSpec

Range = tuple[float, float]
RIG_LIMITS: Mapping[str, Range] = {
    "elevation_deg": (-89.0, 89.0),
    "azimuth_deg": (-360.0, 720.0),
    "fov_y_deg": (1.0, 170.0),
    "distance": (1e-3, 1e4),
    "extent": (1e-3, 1e4),
}


@dataclass(frozen=True)
class OrbitRig:
    """Ranges of an orbit round the object; None takes what the prior was trained on.

    Attributes:
        elevation_deg, azimuth_deg, fov_y_deg: ranges in degrees; azimuth 0 looks at the front.
        distance: range in world units, or None: as far as makes ``extent`` fill the image.
        extent: half-height that the image spans at the object's centre, in world units.
    """

    elevation_deg: Range | None = None
    azimuth_deg: Range = (-180.0, 180.0)
    fov_y_deg: Range | None = None
    distance: Range | None = None
    extent: Range | None = None

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    def __post_init__(self) -> None:
        """Refuse ranges that are upside down."""
        for name in ("elevation_deg", "azimuth_deg", "fov_y_deg", "distance", "extent"):
            bounds = getattr(self, name)
            lowest, highest = RIG_LIMITS[name]
            if bounds is not None and not lowest <= bounds[0] <= bounds[1] <= highest:
                raise ValueError(f"expected {name} as (low, high) within {lowest} to {highest}, got {bounds}")


@dataclass(frozen=True)
class CameraListRig:
    """The artist's own cameras, in a world whose origin is the object's centre and whose unit is its radius.

    Attributes:
        c2w: camera to world, OpenGL axes.
        fov_y_deg: vertical fields of view; renders are square, and centred on the optical axis.
        weights: how often each is drawn; need not sum to 1.
        jitter_deg: each drawn camera is turned round the object by up to this much, in azimuth and elevation.
    """

    c2w: Float[Tensor, "cameras 4 4"]
    fov_y_deg: Float[Tensor, " cameras"]
    weights: Float[Tensor, " cameras"]
    jitter_deg: Float[Tensor, " cameras"]


Rig = OrbitRig | CameraListRig


@dataclass(frozen=True)
class _Orbits:
    """Drawn orbit coordinates, one row per view."""

    elevation_deg: Tensor
    azimuth_deg: Tensor
    distance: Tensor
    fov_y_deg: Tensor


def sample_cameras(
    rig: Rig, spec: PriorSpec, views: int, size: int, generator: torch.Generator, *, are_orthogonal: bool
) -> Cameras:
    """Draw the views of one step.

    Args:
        rig: from where to look.
        spec: fills the rig's gaps.
        views: how many; a multiple of four when orthogonal.
        size: pixels per side.
        generator: CPU generator.
        are_orthogonal: whether every four views share elevation, distance and field of view and stand 90 degrees apart
            (MVDream), else azimuths are stratified and everything else is drawn per view.
    """
    if are_orthogonal and views % 4:
        raise ValueError(f"expected a multiple of 4 orthogonal views, got {views}")
    drawn = views // 4 if are_orthogonal else views
    if isinstance(rig, CameraListRig):
        return _sample_list(rig, drawn, size, generator, turns=4 if are_orthogonal else 1)
    orbits = _draw_orbits(rig, spec, drawn, generator)
    if are_orthogonal:
        orbits = _surround(orbits)
    return orbit_cameras(
        orbits.elevation_deg, orbits.azimuth_deg, orbits.distance, orbits.fov_y_deg, width=size, height=size
    )


def _surround(orbits: _Orbits) -> _Orbits:
    turned = orbits.azimuth_deg[:, None] + torch.arange(4) * 90.0
    return _Orbits(
        orbits.elevation_deg.repeat_interleave(4),
        turned.flatten(),
        orbits.distance.repeat_interleave(4),
        orbits.fov_y_deg.repeat_interleave(4),
    )


def _draw_orbits(rig: OrbitRig, spec: PriorSpec, count: int, generator: torch.Generator) -> _Orbits:
    strata = (torch.randperm(count, generator=generator) + torch.rand(count, generator=generator)) / count
    azimuth = rig.azimuth_deg[0] + strata * (rig.azimuth_deg[1] - rig.azimuth_deg[0])
    elevation = _uniform(rig.elevation_deg or spec.elevation_deg or (-10.0, 45.0), count, generator)
    fov_y = _uniform(rig.fov_y_deg or spec.fov_y_deg or (40.0, 55.0), count, generator)
    if rig.distance is not None:
        return _Orbits(elevation, azimuth, _uniform(rig.distance, count, generator), fov_y)
    extent = _uniform(rig.extent or spec.extent or (1.1, 1.3), count, generator)
    return _Orbits(elevation, azimuth, extent / torch.tan(torch.deg2rad(fov_y) / 2), fov_y)


def _sample_list(rig: CameraListRig, count: int, size: int, generator: torch.Generator, *, turns: int) -> Cameras:
    """Draw cameras by weight, each turned as a whole: by its jitter, and to ``turns`` evenly spread azimuths."""
    drawn = torch.multinomial(rig.weights, count, replacement=True, generator=generator)
    jitter = (torch.rand(2, count, generator=generator) * 2 - 1) * rig.jitter_deg[drawn]
    c2w = rig.c2w[drawn]
    _, azimuth_deg = angles_of(c2w)
    tangent = torch.stack([torch.cos(torch.deg2rad(azimuth_deg)), torch.sin(torch.deg2rad(azimuth_deg))], -1)
    c2w = rotation_about(torch.nn.functional.pad(tangent, (0, 1)), jitter[0]) @ c2w
    turned_deg = (jitter[1][:, None] + torch.arange(turns) * (360.0 / turns)).flatten()
    up = torch.tensor([0.0, 0.0, 1.0]).expand(len(turned_deg), 3)
    c2w = rotation_about(up, turned_deg) @ c2w.repeat_interleave(turns, 0)
    elevation_deg, azimuth_deg = angles_of(c2w)
    Ks = pinhole_Ks(rig.fov_y_deg[drawn].repeat_interleave(turns), size, size)
    return Cameras(c2w, Ks, size, size, elevation_deg, azimuth_deg)


def _uniform(bounds: Range, count: int, generator: torch.Generator) -> Tensor:
    return bounds[0] + torch.rand(count, generator=generator) * (bounds[1] - bounds[0])


@dataclass(frozen=True)
class Placement:
    """Where the finished object stands: a run works in a unit ball round the origin.

    Attributes:
        centre: the ball's centre in the artist's world.
        radius: the ball's radius there.
    """

    centre: tuple[float, float, float] = (0.0, 0.0, 0.0)
    radius: float = 1.0


def rig_to_plain(rig: Rig) -> dict[str, Any]:
    """Return the rig as JSON-ready data, for an asset's metadata."""
    return {name: value.tolist() if torch.is_tensor(value) else value for name, value in asdict(rig).items()}
