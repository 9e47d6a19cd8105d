# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Render toys on the CPU: colour, alpha, depth and normals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray

from limbeck.playset.solids import Solids
from limbeck.playset.things import PATTERNS, Thing, build
from limbeck.playset.trace import trace

FOV_Y_DEG = 45.0
EXTENT = 1.1
"""Half the height that the image spans at the object's centre."""
DISTANCE = EXTENT / math.tan(math.radians(FOV_Y_DEG) / 2)


@dataclass(frozen=True)
class View:
    """One picture of a toy.

    Attributes:
        rgba: sRGB and coverage in 0 to 255; the colour is the covered share's own (straight alpha), 0 where nothing is.
        depth: camera z in world units, mean over the covered share; 0 where nothing is.
        normals: world-space unit normals, mean over the covered share; 0 where nothing is.
        c2w: the camera, OpenGL axes, float32 [4, 4].
    """

    rgba: UInt8[ndarray, "height width 4"]
    depth: Float32[ndarray, "height width"]
    normals: Float32[ndarray, "height width 3"]
    c2w: Float32[ndarray, "4 4"]


def camera_c2w(azimuth_deg: float, elevation_deg: float) -> ndarray:
    """Return the camera at ``DISTANCE`` from the origin that looks at it: float64 [4, 4], OpenGL axes."""
    azimuth, elevation = math.radians(azimuth_deg), math.radians(elevation_deg)
    flat = math.cos(elevation)
    backward = np.array([flat * math.sin(azimuth), -flat * math.cos(azimuth), math.sin(elevation)])
    right = np.array([math.cos(azimuth), math.sin(azimuth), 0.0])
    c2w = np.eye(4)
    c2w[:3, 0], c2w[:3, 1], c2w[:3, 2], c2w[:3, 3] = right, np.cross(backward, right), backward, backward * DISTANCE
    return c2w


def render(thing: Thing, azimuth_deg: float, elevation_deg: float, *, size: int = 64, samples: int = 2) -> View:
    """Render a toy from an orbit camera.

    Args:
        thing: the toy.
        azimuth_deg: 0 looks at the front, growing as in ``cameras.py``.
        elevation_deg: above the horizon.
        size: pixels per side.
        samples: rays per pixel and axis.
    """
    return render_solids(
        build(thing), thing.pattern, camera_c2w(azimuth_deg, elevation_deg), size=size, samples=samples
    )


def render_views(
    thing: Thing, azimuths_deg: Sequence[float], elevation_deg: float, *, size: int = 64, samples: int = 2
) -> list[View]:
    """Render several views of one toy at one elevation."""
    solids = build(thing)
    cameras = [camera_c2w(azimuth, elevation_deg) for azimuth in azimuths_deg]
    return [render_solids(solids, thing.pattern, c2w, size=size, samples=samples) for c2w in cameras]


def render_many(
    things: Sequence[Thing], azimuths_deg: Sequence[float], elevations_deg: Sequence[float], *, workers: int = 2
) -> list[View]:
    """Render one view of each toy, on several threads (the kernel lets go of the interpreter's lock)."""
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(render, things, azimuths_deg, elevations_deg))


def render_solids(solids: Solids, pattern: str, c2w: ndarray, *, size: int, samples: int) -> View:
    """Render a union of solids from one camera with vertical field of view ``FOV_Y_DEG``."""
    inverse = np.linalg.inv(solids.linear)
    offset = -np.einsum("sij,sj->si", inverse, solids.center)
    reach = np.linalg.norm(solids.half_extents(), axis=1)
    is_ball = solids.kinds == 0
    reach = np.where(is_ball, np.linalg.norm(solids.linear, ord=2, axis=(1, 2)), reach)
    rgb, alpha = np.zeros((size, size, 3)), np.zeros((size, size))
    depth, normals = np.zeros((size, size)), np.zeros((size, size, 3))
    tangent = math.tan(math.radians(FOV_Y_DEG) / 2)
    kernel_scene = (solids.kinds, inverse, offset, solids.center, reach, solids.taper, solids.color, solids.is_main)
    trace(*kernel_scene, PATTERNS.index(pattern), c2w, tangent, samples, rgb, alpha, depth, normals)
    return _view(rgb, alpha, depth, normals, c2w)


def _view(rgb: ndarray, alpha: ndarray, depth: ndarray, normals: ndarray, c2w: ndarray) -> View:
    """Turn sums over the covered share into means."""
    covered = np.maximum(alpha, 1e-9)
    rgba = np.concatenate([rgb / covered[..., None], alpha[..., None]], -1)
    length = np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-9)
    return View(
        np.clip(np.rint(rgba * 255), 0, 255).astype(np.uint8),
        (depth / covered).astype(np.float32),
        (normals / length).astype(np.float32),
        c2w.astype(np.float32),
    )
