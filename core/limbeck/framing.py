# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Reference pictures as a run uses them: framed as priors know pictures, or as their own cameras saw them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from PIL import Image
from torch import Tensor

from limbeck.cameras import Cameras, angles_of
from limbeck.errors import LimbeckError
from limbeck.pictures import OPAQUE
from limbeck.priors.novel_view import Viewpoints
from limbeck.priors.prior import PriorSpec

FILL = 0.83
"""Share of a frame that an object's longer side takes: the median over 480 training views of the playset's pool."""
ASPECT_TOLERANCE = 0.02
"""How much a picture may be stretched against its camera's width and height, for rounding by whoever resized it."""
WHITE = 1.0
LEAST_RADIUS, MOST_RADIUS = 4.0, 10.0
"""Of the object's unit ball in a reference: in pixels, and in sizes of the picture; else its units are wrong."""


@dataclass(frozen=True)
class Reference:
    """A picture that the user gives, with the object cut out.

    Attributes:
        rgba: sRGB with straight alpha, as ``pictures.cut_out`` returns it.
        camera: the one that saw it, in the run's world (the object in the unit ball); None is straight from the front.
        weight: of the photometric term, and in the mean of several image prompts; above 0.
        use: what it is for. A photometric target needs a camera.
    """

    rgba: UInt8[ndarray, "height width 4"]
    camera: Cameras | None = None
    weight: float = 1.0
    use: Literal["prompt", "photometric", "both"] = "prompt"

    def __post_init__(self) -> None:
        """Refuse what cannot be used.

        Raises:
            LimbeckError: E_IMAGE_CAMERA.
            ValueError: for a weight that is none, or a photometric target without camera.
        """
        if not self.weight > 0:
            raise ValueError(f"expected a weight above 0, got {self.weight}")
        if self.is_target and self.camera is None:
            raise ValueError("expected a camera for a photometric reference, got none")
        if self.camera is not None:
            _require_fitting(self.camera, self.rgba)

    @property
    def is_prompt(self) -> bool:
        """Whether priors that look at a picture look at it."""
        return self.use != "photometric"

    @property
    def is_target(self) -> bool:
        """Whether the render is held to it at its camera."""
        return self.use != "prompt"


@dataclass(frozen=True)
class Targets:
    """Posed pictures that the render is held to.

    Attributes:
        rgb: premultiplied by alpha, sRGB in 0 to 1.
        alpha: 0 to 1.
        cameras: one per picture; square.
        weights: of each one's squared error.
    """

    rgb: Float[Tensor, "views 3 H W"]
    alpha: Float[Tensor, "views 1 H W"]
    cameras: Cameras
    weights: Float[Tensor, " views"]

    def over(self, background: float) -> Float[Tensor, "views 3 H W"]:
        """Return the pictures over a grey level."""
        return self.rgb + (1 - self.alpha) * background

    def turn(self, step: int, at_once: int) -> Targets:
        """Return those whose turn it is: all, or ``at_once`` of them, the next ones in every step."""
        count = len(self.weights)
        if count <= at_once:
            return self
        is_due = torch.zeros(count, dtype=torch.bool)
        is_due[(step * at_once + torch.arange(at_once)) % count] = True
        is_due = is_due.to(self.rgb.device)
        return Targets(self.rgb[is_due], self.alpha[is_due], self.cameras.select(is_due), self.weights[is_due])

    def to(self, device: torch.device) -> Targets:
        """Return the pictures on another device."""
        return Targets(self.rgb.to(device), self.alpha.to(device), self.cameras.to(device), self.weights.to(device))


def known_background(spec: PriorSpec) -> float:
    """Return the middle of the grey levels that a prior knows behind objects; white, if it knows any (Zero-1-to-3)."""
    return WHITE if spec.background is None else (spec.background[0] + spec.background[1]) / 2


def framed(reference: Reference, spec: PriorSpec) -> Float[Tensor, "1 3 size size"]:
    """Return the object as a prior's training pictures show one: centred, of their size, over a background it knows."""
    size = spec.image_size
    rows, columns = ((reference.rgba[..., 3] >= OPAQUE).any(axis).nonzero()[0] for axis in (1, 0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    half = max(bottom - top, right - left) / FILL / 2
    y, x = (top + bottom) / 2, (left + right) / 2
    rgba = _resampled(reference.rgba, (x - half, y - half, x + half, y + half), size)
    return rgba[:, :3] + (1 - rgba[:, 3:]) * known_background(spec)


def targets(references: Sequence[Reference], size: int) -> Targets | None:
    """Return the photometric targets as squares of ``size`` pixels, each with the camera that saw it; None without any.

    A picture that is not square is padded with transparency, evenly on both sides.
    """
    posed = [
        (reference, reference.camera)
        for reference in references
        if reference.is_target and reference.camera is not None
    ]
    if not posed:
        return None
    rgba = torch.cat([_resampled(reference.rgba, _square(reference.rgba), size) for reference, _ in posed])
    cameras = [_squared(camera, size) for _, camera in posed]
    return Targets(
        rgba[:, :3],
        rgba[:, 3:],
        Cameras(
            torch.cat([camera.c2w for camera in cameras]),
            torch.cat([camera.Ks for camera in cameras]),
            size,
            size,
            torch.cat([camera.elevation_deg for camera in cameras]),
            torch.cat([camera.azimuth_deg for camera in cameras]),
        ),
        torch.tensor([reference.weight for reference, _ in posed]),
    )


def viewpoint_of(camera: Cameras, front: Cameras) -> Viewpoints:
    """Return from where a posed picture looks once it is framed: its direction, at the distance of ``front``."""
    elevation_deg, azimuth_deg = angles_of(camera.c2w)
    return Viewpoints(elevation_deg, azimuth_deg, Viewpoints.of(front).distance)


def _square(rgba: UInt8[ndarray, "height width 4"]) -> tuple[float, float, float, float]:
    height, width = rgba.shape[:2]
    x, y, half = width / 2, height / 2, max(height, width) / 2
    return (x - half, y - half, x + half, y + half)


def _squared(camera: Cameras, size: int) -> Cameras:
    """Return the camera of the picture padded to a square and resized."""
    longest = max(camera.width, camera.height)
    Ks = camera.Ks.clone()
    Ks[:, 0, 2] += (longest - camera.width) / 2
    Ks[:, 1, 2] += (longest - camera.height) / 2
    padded = Cameras(camera.c2w, Ks, longest, longest, camera.elevation_deg, camera.azimuth_deg)
    return padded.resized(size, size)


def _resampled(
    rgba: UInt8[ndarray, "height width 4"], box: tuple[float, float, float, float], size: int
) -> Float[Tensor, "1 4 size size"]:
    """Return a square part of a picture, antialiased, premultiplied, in 0 to 1; transparent beyond the picture.

    Args:
        rgba: straight alpha.
        box: left, top, right, bottom in pixels; may reach beyond the picture.
        size: pixels per side of the result.
    """
    margin = max(0, *(int(np.ceil(side)) for side in (-box[0], -box[1])))
    margin = max(margin, *(int(np.ceil(side)) for side in (box[2] - rgba.shape[1], box[3] - rgba.shape[0])))
    padded = np.pad(rgba, ((margin, margin), (margin, margin), (0, 0)))
    image = Image.fromarray(padded).convert("RGBa")
    moved = (box[0] + margin, box[1] + margin, box[2] + margin, box[3] + margin)
    resized = image.resize((size, size), Image.Resampling.BILINEAR, box=moved)
    # Image.fromarray cannot hand out RGBa as an array of its own kind, but its bytes are the premultiplied pixels.
    pixels = np.frombuffer(resized.tobytes(), np.uint8).reshape(size, size, 4).astype(np.float32) / 255
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))[None]


def _require_fitting(camera: Cameras, rgba: UInt8[ndarray, "height width 4"]) -> None:
    """Refuse a camera that saw another picture, or does not look at the object."""
    height, width = rgba.shape[:2]
    if abs(np.log((width / height) / (camera.width / camera.height))) > ASPECT_TOLERANCE + 1 / min(width, height):
        raise LimbeckError(
            "E_IMAGE_CAMERA",
            f"expected a picture of the shape of its camera's {camera.width} x {camera.height}, got {width} x {height}",
            "give the picture that the camera saw, uncropped",
        )
    _require_object_in_view(camera)


def _require_object_in_view(camera: Cameras) -> None:
    K, centre = camera.Ks[0], camera.viewmats[0, :3, 3]
    x, y = ((K @ centre)[:2] / centre[2]).tolist()
    what = ""
    if centre[2] <= 0 or not (0 <= x <= camera.width and 0 <= y <= camera.height):
        what = "a reference's camera to look at the object's centre, which is the origin, got one that does not"
    radius_pixels, size = float(K[1, 1] / centre[2]), max(camera.width, camera.height)
    if not what and not LEAST_RADIUS <= radius_pixels <= MOST_RADIUS * size:
        what = f"a reference's camera to show the unit ball of the object, got one of {radius_pixels:.3g} pixels radius"
    if not what and max(abs(K[0, 1]), abs(K[1, 0])) > 1e-3 * K[1, 1]:
        what = f"a camera without skew in K, got {K[0, 1]:.3g} and {K[1, 0]:.3g}"
    if what:
        remedy = "move the cameras' world so that its origin is in the object and its unit is about the object's radius"
        raise LimbeckError("E_IMAGE_CAMERA", f"expected {what}", remedy)
