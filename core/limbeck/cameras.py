# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Cameras: the only place where frames and conventions are stated and converted.

World: Blender's. Right-handed, z up, the object's front faces -Y, units are free (objects fill about the unit ball).
Azimuth 0 is the camera at -Y looking at the front; it grows counter-clockwise seen from above (-Y -> +X -> +Y -> -X).

``c2w`` [V, 4, 4]       camera to world, OpenGL/Blender camera axes: x right, y up, the camera looks along -z.
``viewmats`` [V, 4, 4]  world to camera, OpenCV axes: x right, y down, the camera looks along +z.
``Ks`` [V, 3, 3]        pinhole intrinsics in pixels; the centre of the top left pixel is at (0.5, 0.5).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from limbeck.devices import uploaded

OPENGL_TO_OPENCV = torch.tensor([1.0, -1.0, -1.0, 1.0])
"""Flips the camera's y and z axes; its own inverse."""


@dataclass(frozen=True)
class Cameras:
    """A batch of pinhole cameras that share one image size.

    Attributes:
        c2w: camera to world, OpenGL axes.
        Ks: intrinsics in pixels of a ``width`` x ``height`` image.
        elevation_deg, azimuth_deg: where each camera stands seen from the rig's centre; they choose view prompts.
    """

    c2w: Float[Tensor, "views 4 4"]
    Ks: Float[Tensor, "views 3 3"]
    width: int
    height: int
    elevation_deg: Float[Tensor, " views"]
    azimuth_deg: Float[Tensor, " views"]

    @property
    def viewmats(self) -> Float[Tensor, "views 4 4"]:
        """World to camera, OpenCV axes."""
        return viewmats_from_c2w(self.c2w)

    def resized(self, width: int, height: int) -> Cameras:
        """Return the same cameras with images of another size in pixels."""
        scale = torch.tensor([width / self.width, height / self.height, 1.0]).to(self.Ks)
        return Cameras(self.c2w, self.Ks * scale[:, None], width, height, self.elevation_deg, self.azimuth_deg)

    def select(self, is_kept: Bool[Tensor, " views"]) -> Cameras:
        """Return some of the cameras, in the same order."""
        return Cameras(
            self.c2w[is_kept],
            self.Ks[is_kept],
            self.width,
            self.height,
            self.elevation_deg[is_kept],
            self.azimuth_deg[is_kept],
        )

    def to(self, device: torch.device) -> Cameras:
        """Return the cameras on another device."""
        return Cameras(
            uploaded(self.c2w, device),
            uploaded(self.Ks, device),
            self.width,
            self.height,
            uploaded(self.elevation_deg, device),
            uploaded(self.azimuth_deg, device),
        )


def viewmats_from_c2w(c2w: Float[Tensor, "views 4 4"]) -> Float[Tensor, "views 4 4"]:
    """Convert camera-to-world (OpenGL axes) to world-to-camera (OpenCV axes)."""
    opencv_c2w = c2w * uploaded(OPENGL_TO_OPENCV, c2w)
    rotation = opencv_c2w[:, :3, :3].transpose(1, 2)
    viewmats = torch.zeros_like(c2w)
    viewmats[:, :3, :3] = rotation
    viewmats[:, :3, 3] = -(rotation @ opencv_c2w[:, :3, 3:])[..., 0]
    viewmats[:, 3, 3] = 1.0
    return viewmats


def c2w_from_viewmats(viewmats: Float[Tensor, "views 4 4"]) -> Float[Tensor, "views 4 4"]:
    """Convert world-to-camera (OpenCV axes) to camera-to-world (OpenGL axes)."""
    rotation = viewmats[:, :3, :3].transpose(1, 2)
    c2w = torch.zeros_like(viewmats)
    c2w[:, :3, :3] = rotation
    c2w[:, :3, 3] = -(rotation @ viewmats[:, :3, 3:])[..., 0]
    c2w[:, 3, 3] = 1.0
    return c2w * OPENGL_TO_OPENCV.to(viewmats)


def look_at_c2w(
    positions: Float[Tensor, "views 3"], target: Float[Tensor, "3"] | Float[Tensor, "views 3"]
) -> Float[Tensor, "views 4 4"]:
    """Return cameras at ``positions`` that look at ``target`` with world z up (OpenGL axes).

    A camera straight above or below the target takes +Y (as Blender's top view does) for up.
    """
    backward = torch.nn.functional.normalize(positions - target, dim=-1)
    up = torch.tensor([0.0, 0.0, 1.0]).to(positions).expand_as(backward)
    is_vertical = backward[:, 2:].abs() > 1.0 - 1e-6
    up = torch.where(is_vertical, torch.tensor([0.0, 1.0, 0.0]).to(positions), up)
    right = torch.nn.functional.normalize(torch.cross(up, backward, dim=-1), dim=-1)
    c2w = torch.zeros(len(positions), 4, 4).to(positions)
    c2w[:, :3, 0] = right
    c2w[:, :3, 1] = torch.cross(backward, right, dim=-1)
    c2w[:, :3, 2] = backward
    c2w[:, :3, 3] = positions
    c2w[:, 3, 3] = 1.0
    return c2w


def pinhole_Ks(fov_y_deg: Float[Tensor, " views"], width: int, height: int) -> Float[Tensor, "views 3 3"]:
    """Return intrinsics with square pixels and a centred principal point for a vertical field of view in degrees."""
    focal = 0.5 * height / torch.tan(torch.deg2rad(fov_y_deg) / 2)
    Ks = torch.zeros(len(fov_y_deg), 3, 3).to(fov_y_deg)
    Ks[:, 0, 0] = focal
    Ks[:, 1, 1] = focal
    Ks[:, 0, 2] = width / 2
    Ks[:, 1, 2] = height / 2
    Ks[:, 2, 2] = 1.0
    return Ks


def orbit_positions(
    elevation_deg: Float[Tensor, " views"], azimuth_deg: Float[Tensor, " views"], distance: Float[Tensor, " views"]
) -> Float[Tensor, "views 3"]:
    """Return points at the given angles and distance from the origin (azimuth 0 at -Y, growing towards +X)."""
    elevation, azimuth = torch.deg2rad(elevation_deg), torch.deg2rad(azimuth_deg)
    horizontal = torch.cos(elevation)
    direction = torch.stack(
        [horizontal * torch.sin(azimuth), -horizontal * torch.cos(azimuth), torch.sin(elevation)], -1
    )
    return direction * distance[:, None]


def orbit_cameras(
    elevation_deg: Float[Tensor, " views"],
    azimuth_deg: Float[Tensor, " views"],
    distance: Float[Tensor, " views"],
    fov_y_deg: Float[Tensor, " views"],
    *,
    width: int,
    height: int,
) -> Cameras:
    """Return cameras on an orbit round the origin that look at the origin."""
    positions = orbit_positions(elevation_deg, azimuth_deg, distance)
    c2w = look_at_c2w(positions, torch.zeros(3).to(positions))
    return Cameras(c2w, pinhole_Ks(fov_y_deg, width, height), width, height, elevation_deg, azimuth_deg)


def ring_cameras(
    count: int, *, elevation_deg: float, fov_y_deg: float, distance: float, size: int, start_deg: float = 0.0
) -> Cameras:
    """Return ``count`` cameras evenly round the object, the first at azimuth ``start_deg``."""
    azimuth_deg = start_deg + torch.arange(count) * (360.0 / count)
    constant = torch.ones(count)
    return orbit_cameras(
        constant * elevation_deg, azimuth_deg, constant * distance, constant * fov_y_deg, width=size, height=size
    )


def angles_of(c2w: Float[Tensor, "views 4 4"]) -> tuple[Float[Tensor, " views"], Float[Tensor, " views"]]:
    """Return (elevation_deg, azimuth_deg in (-180, 180]) of camera centres seen from the origin."""
    x, y, z = c2w[:, :3, 3].unbind(-1)
    elevation = torch.atan2(z, torch.hypot(x, y))
    return torch.rad2deg(elevation), torch.rad2deg(torch.atan2(x, -y))


def rotation_about(axis: Float[Tensor, "views 3"], angle_deg: Float[Tensor, " views"]) -> Float[Tensor, "views 4 4"]:
    """Return world rotations about unit axes through the origin, counter-clockwise seen against the axis."""
    angle = torch.deg2rad(angle_deg)[:, None, None]
    x, y, z = axis.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(-1, 3, 3)
    rotation = torch.eye(4).to(axis).repeat(len(axis), 1, 1)
    rotation[:, :3, :3] += torch.sin(angle) * cross + (1 - torch.cos(angle)) * (cross @ cross)
    return rotation


def are_in_sector(azimuth_deg: Float[Tensor, " views"], sector_deg: tuple[float, float]) -> Bool[Tensor, " views"]:
    """Return which azimuths lie in [low, high), whole turns apart counting as equal."""
    low, high = sector_deg
    return torch.remainder(azimuth_deg - low, 360.0) < high - low


def distance_for(fov_y_deg: float, extent: float) -> float:
    """Return how far a camera must stand for a plane of half-height ``extent`` at the origin to fill its image."""
    return extent / math.tan(math.radians(fov_y_deg) / 2)


def mvdream_camera(c2w: Float[Tensor, "views 4 4"]) -> Float[Tensor, "views 16"]:
    """Return MVDream's camera condition: the row-major c2w with unit translation, in its own world.

    MVDream's world (arXiv:2308.16512) is z up with the front at +X, so ours turns by +90 degrees about z
    (-Y -> +X). Its camera axes are OpenGL's, as ours.
    """
    turn = uploaded(torch.tensor([[0.0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]), c2w)
    turned = turn @ c2w
    centre = turned[:, :3, 3]
    turned[:, :3, 3] = centre / centre.norm(dim=-1, keepdim=True).clamp_min(1e-8)
    return turned.flatten(1)
