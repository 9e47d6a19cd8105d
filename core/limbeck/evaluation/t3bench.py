# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The quality protocol of T3Bench (arXiv:2310.02977, section 3.2, and its published code): the best side of an asset.

162 places on a sphere look at the asset, through five focal lengths each. A place's score is its best picture's; three
times every place takes the mean of itself and its neighbours, so that one lucky picture does not decide; the best place
counts. With ImageReward's scores r, T3Bench's quality is 20 r + 50. The paper's other half, alignment, asks a captioner
and GPT-4, and is not here.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
import trimesh
from jaxtyping import Float, UInt8
from numpy import ndarray

from limbeck.assets.mesh import Mesh, transform_positions
from limbeck.cameras import Cameras, look_at_c2w, pinhole_Ks
from limbeck.evaluation.unlit import draw_unlit

SUBDIVISIONS = 2
PLACES = 162
RADIUS = 2.2
FOVS_Y_DEG = (60.0, 45.0, 36.0, 30.0, 24.0)
PICTURE_SIZE = 512
ROUNDS = 3
PLACES_AT_ONCE = 6
"""Thirty pictures for the judge in one batch."""


def places() -> Float[ndarray, "162 3"]:
    """Return the vertices of the icosphere of level 2, unit vectors, in trimesh's order."""
    return np.asarray(_icosphere().vertices)


def neighbour_means() -> Float[ndarray, "162 162"]:
    """Return the matrix that gives each place the mean of itself and its five or six neighbours."""
    sphere = _icosphere()
    together = np.eye(len(sphere.vertices))
    first, second = np.asarray(sphere.edges_unique).T
    together[first, second] = together[second, first] = 1.0
    return together / together.sum(1, keepdims=True)


def best_side(scores: Float[ndarray, "162 focal_lengths"]) -> float:
    """Return the best place's score, after three rounds of means with its neighbours."""
    by_place = scores.max(1)
    for _ in range(ROUNDS):
        by_place = neighbour_means() @ by_place
    return float(by_place.max())


def quality(best: float) -> float:
    """Return T3Bench's quality for the best side's ImageReward."""
    return 20.0 * best + 50.0


def normalised(mesh: Mesh) -> Mesh:
    """Return the mesh with the mean of its vertices in the origin and its largest coordinate 1."""
    centred = transform_positions(mesh, lambda vertices: vertices - vertices.astype(np.float64).mean(0))
    reach = float(np.abs(centred.vertices).max())
    return transform_positions(centred, lambda vertices: vertices / reach)


def place_cameras(size: int = PICTURE_SIZE) -> Cameras:
    """Return 810 cameras: five fields of view of the first place, then of the second, and so on."""
    positions = torch.from_numpy(places().astype(np.float32) * RADIUS).repeat_interleave(len(FOVS_Y_DEG), 0)
    Ks = pinhole_Ks(torch.tensor(FOVS_Y_DEG), size, size).repeat(PLACES, 1, 1)
    x, y, z = positions.unbind(1)
    elevation, azimuth = torch.rad2deg(torch.asin((z / RADIUS).clamp(-1, 1))), torch.rad2deg(torch.atan2(x, -y))
    return Cameras(look_at_c2w(positions, torch.zeros(3)), Ks, size, size, elevation, azimuth)


def draw_places(mesh: Mesh, size: int = PICTURE_SIZE) -> Iterator[UInt8[ndarray, "pictures size size 3"]]:
    """Draw the asset for every place, some places at a time: unlit, before black, five pictures of each in a row."""
    centred, cameras = normalised(mesh), place_cameras(size)
    views = torch.arange(len(cameras.c2w))
    for part in views.split(PLACES_AT_ONCE * len(FOVS_Y_DEG)):
        yield draw_unlit(centred, cameras.select(torch.isin(views, part)))


def _icosphere() -> trimesh.Trimesh:
    sphere = trimesh.creation.icosphere(subdivisions=SUBDIVISIONS)
    if len(sphere.vertices) != PLACES:
        raise RuntimeError(f"expected {PLACES} vertices of an icosphere of level 2, got {len(sphere.vertices)}")
    return sphere
