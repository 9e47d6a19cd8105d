# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's cameras as pinhole cameras, in numpy. Knows no bpy.

``c2w`` [4,4] is camera to world in OpenGL axes, as Blender's: x right, y up, looking along -z. ``K`` [3,3] is in
pixels, y down, and the centre of the top left pixel is at (0.5, 0.5).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .refusal import DescriptionError

Array = npt.NDArray[np.float64]
TOLERANCE = 1e-3
"""How far axes may be from orthonormal; the protocol refuses more."""
LEAST_BALL_PIXELS, MOST_BALL_SIZES = 4.0, 10.0
"""Radius of the asset's ball in a posed picture, in pixels and in sizes of the picture, as the server wants it."""


@dataclass(frozen=True)
class Lens:
    """A perspective camera's optics, as Blender's Camera has them; lengths in millimetres, shifts in sensors."""

    focal: float
    sensor_fit: str = "AUTO"
    sensor_width: float = 36.0
    sensor_height: float = 24.0
    shift_x: float = 0.0
    shift_y: float = 0.0


@dataclass(frozen=True)
class Frame:
    """The picture's size in pixels, and the shape of a pixel."""

    width: int
    height: int
    pixel_aspect_x: float = 1.0
    pixel_aspect_y: float = 1.0


def intrinsics(lens: Lens, frame: Frame) -> Array:
    """Return K of what Blender renders."""
    is_wide = frame.pixel_aspect_x * frame.width >= frame.pixel_aspect_y * frame.height
    fit = lens.sensor_fit if lens.sensor_fit != "AUTO" else ("HORIZONTAL" if is_wide else "VERTICAL")
    sensor = lens.sensor_height if lens.sensor_fit == "VERTICAL" else lens.sensor_width
    pixel_aspect = frame.pixel_aspect_y / frame.pixel_aspect_x
    seen = frame.width if fit == "HORIZONTAL" else pixel_aspect * frame.height
    focal = lens.focal / sensor * seen
    return np.array(
        [
            [focal, 0.0, frame.width / 2 - lens.shift_x * seen],
            [0.0, focal / pixel_aspect, frame.height / 2 + lens.shift_y * seen / pixel_aspect],
            [0.0, 0.0, 1.0],
        ]
    )


def lens_of(K: Array, width: int, height: int) -> Lens:
    """Return optics that see K's vertical field of view in a picture of any width, for square pixels."""
    sensor = 24.0
    return Lens(
        focal=float(K[1, 1]) * sensor / height,
        sensor_fit="VERTICAL",
        sensor_height=sensor,
        shift_x=float(width / 2 - K[0, 2]) / height,
        shift_y=float(K[1, 2] - height / 2) / height,
    )


def intrinsics_of_projection(projection: Any, width: int, height: int) -> Array:
    """Return K of a perspective OpenGL projection matrix [4,4], such as a viewport's.

    Raises:
        DescriptionError: if it is orthographic, which no pinhole camera is.
    """
    P = np.array(projection, np.float64)
    if abs(P[3, 2] + 1) > 1e-6:
        raise DescriptionError(
            "The viewport is orthographic", "press Numpad 5 for perspective, or look through a camera"
        )
    return np.array(
        [
            [P[0, 0] * width / 2, 0.0, (1 - P[0, 2]) * width / 2],
            [0.0, P[1, 1] * height / 2, (1 + P[1, 2]) * height / 2],
            [0.0, 0.0, 1.0],
        ]
    )


def rigid_c2w(matrix: Any, name: str) -> Array:
    """Return an object's world matrix without its scale, as Blender's renderers take a camera's.

    Raises:
        DescriptionError: if what is left is no rotation.
    """
    c2w = np.array(matrix, np.float64)
    if not np.isfinite(c2w).all():
        raise DescriptionError(f'The camera "{name}" has a transform that is not finite', "clear its transform")
    lengths = np.linalg.norm(c2w[:3, :3], axis=0)
    if lengths.min() < 1e-9:
        raise DescriptionError(f'The camera "{name}" has a scale of zero', "set its scale, and its parents', to 1")
    axes = c2w[:3, :3] / lengths
    if np.abs(axes.T @ axes - np.eye(3)).max() > TOLERANCE or np.linalg.det(axes) < 0:
        raise DescriptionError(
            f'The camera "{name}" is sheared or mirrored by its scale or its parents\'',
            "apply the parents' scale (Ctrl+A), or unparent it and keep its transform (Alt+P)",
        )
    u, _, vt = np.linalg.svd(axes)
    c2w[:3, :3] = u @ vt
    c2w[3] = (0.0, 0.0, 0.0, 1.0)
    return c2w


def into_frame(c2w: Array, frame: Any) -> Array:
    """Return a camera of the world in another frame, whose matrix to the world is a rotation, one scale and a shift."""
    to_world = np.array(frame, np.float64)
    scale = np.cbrt(np.linalg.det(to_world[:3, :3]))
    back = to_world[:3, :3].T / scale  # the inverse rotation
    inside = np.eye(4)
    inside[:3, :3] = back @ c2w[:3, :3]
    inside[:3, 3] = back @ (c2w[:3, 3] - to_world[:3, 3]) / scale
    return inside


def out_of_frame(c2w: Array, frame: Any) -> Array:
    """Undo ``into_frame``."""
    to_world = np.array(frame, np.float64)
    rotation = to_world[:3, :3] / np.cbrt(np.linalg.det(to_world[:3, :3]))
    outside = np.eye(4)
    outside[:3, :3] = rotation @ c2w[:3, :3]
    outside[:3, 3] = to_world[:3, :3] @ c2w[:3, 3] + to_world[:3, 3]
    return outside


def blindness(c2w: Array, K: Array, width: int, height: int) -> str:
    """Return why a camera cannot see the asset, which lies in the unit ball round the origin, or nothing."""
    if np.linalg.norm(c2w[:3, 3]) < 1.0:
        return "is inside of where the asset will be"
    centre = c2w[:3, :3].T @ -c2w[:3, 3] * (1.0, -1.0, -1.0)  # OpenCV axes
    inverse = np.linalg.inv(K)
    left, right = inverse[0] @ (0.0, 0.0, 1.0), inverse[0] @ (width, 0.0, 1.0)
    top, bottom = inverse[1] @ (0.0, 0.0, 1.0), inverse[1] @ (0.0, height, 1.0)
    inward = np.array([(1.0, 0.0, -left), (-1.0, 0.0, right), (0.0, 1.0, -top), (0.0, -1.0, bottom), (0.0, 0.0, 1.0)])
    inward /= np.linalg.norm(inward, axis=1, keepdims=True)
    return "does not see where the asset will be" if (inward @ centre).min() < -1.0 else ""


def misfit(c2w: Array, K: Array, width: int, height: int) -> str:
    """Return why the render cannot be held to a picture that this camera saw, or nothing; as the server decides."""
    centre = c2w[:3, :3].T @ -c2w[:3, 3] * (1.0, -1.0, -1.0)
    if centre[2] <= 0:
        return "looks away from where the asset will be"
    x, y = (K @ centre)[:2] / centre[2]
    if not (0 <= x <= width and 0 <= y <= height):
        return "does not show the middle of where the asset will be"
    radius = K[1, 1] / centre[2]
    if not LEAST_BALL_PIXELS <= radius <= MOST_BALL_SIZES * max(width, height):
        return "shows where the asset will be far too small or too large"
    return ""
