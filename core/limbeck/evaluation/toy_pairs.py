# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Pairs of views of toys: which toys differ, how cameras are related, and what a wrong camera is."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from numpy import ndarray
from torch import Tensor

from limbeck.cameras import orbit_cameras
from limbeck.playset.pool import SIZE
from limbeck.playset.render import DISTANCE, FOV_Y_DEG
from limbeck.playset.views import ViewPool
from limbeck.priors.pair_classifier import relative_cameras

WRONG_FROM_DEG = 30.0
"""A wrong camera is off by at least this much in azimuth, and by nothing else."""


def wrong_azimuths(
    azimuth_deg: Float32[ndarray, " pairs"], generator: np.random.Generator
) -> Float32[ndarray, " pairs"]:
    """Return azimuths at least ``WRONG_FROM_DEG`` away from those given, uniform over the rest of the circle."""
    off = generator.uniform(WRONG_FROM_DEG, 360 - WRONG_FROM_DEG, azimuth_deg.shape)
    return azimuth_deg + off.astype(np.float32)


def are_different(pool: ViewPool, first: ndarray, second: ndarray) -> Bool[ndarray, " pairs"]:
    """Return which pairs of toys differ in object or colour."""
    return (pool.noun[first] != pool.noun[second]) | (pool.color[first] != pool.color[second])


def relative_orbit_cameras(
    azimuth_deg: tuple[ndarray, ndarray], elevation_deg: tuple[ndarray, ndarray]
) -> Float[Tensor, "pairs 4 4"]:
    """Return the relative cameras of pairs of orbit cameras, given (first, second) angles."""
    first, second = (_orbit_c2w(a, e) for a, e in zip(azimuth_deg, elevation_deg, strict=True))
    return relative_cameras(first, second)


def _orbit_c2w(azimuth_deg: ndarray, elevation_deg: ndarray) -> Tensor:
    azimuth, elevation = (torch.from_numpy(np.asarray(angle, np.float32)) for angle in (azimuth_deg, elevation_deg))
    ones = torch.ones_like(azimuth)
    return orbit_cameras(elevation, azimuth, ones * DISTANCE, ones * FOV_Y_DEG, width=SIZE, height=SIZE).c2w
