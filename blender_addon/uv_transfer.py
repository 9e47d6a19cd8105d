# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texture coordinates of triangles onto the polygons that they were cut from. Knows no bpy.

A seam may run along the diagonal that cut a polygon in two. Its corners then have two places in the picture but room
for one: such a polygon gets a patch of its own, appended to the picture, into which what it showed is copied.
Pictures are bottom up and v points up, as in Blender.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
MARGIN = 2
"""Texels round a patch, filled with what is next to them: bilinear reads and the first mipmap stay inside."""
LEAST_PATCH, MOST_PATCH = 8, 256
SAME = 1e-6


@dataclass(frozen=True)
class Cut:
    """How polygons were cut into triangles.

    Attributes:
        loops: [F,3] of each triangle's corners, the numbers of the polygons' corners.
        polygons: [F] the polygon that each triangle is of.
        positions: [F,3,3] in any one frame.
    """

    loops: Ints
    polygons: Ints
    positions: Floats


def loop_values(cut: Cut, corner_values: Floats, loop_count: int) -> Floats:
    """Return values [L,K] of polygons' corners from those of triangles' corners [F,3,K]; of several the last one."""
    values = np.zeros((loop_count, corner_values.shape[-1]), np.float32)
    values[cut.loops.ravel()] = corner_values.reshape(-1, corner_values.shape[-1])
    return values


def torn_polygons(cut: Cut, corner_uvs: Floats, loop_count: int) -> Ints:
    """Return the polygons with a corner that has more than one place in the picture."""
    apart = np.abs(loop_values(cut, corner_uvs, loop_count)[cut.loops] - corner_uvs).max(axis=(1, 2)) > SAME
    return np.unique(cut.polygons[apart]).astype(np.int32)


def transfer(cut: Cut, corner_uvs: Floats, loop_count: int, picture: Floats) -> tuple[Floats, Floats]:
    """Return the polygons' corners' coordinates [L,2], and the picture [H,W,4], which may have grown upwards."""
    height, width = picture.shape[:2]
    uvs = loop_values(cut, corner_uvs, loop_count)
    patches = [_patch(cut, corner_uvs, picture, polygon) for polygon in torn_polygons(cut, corner_uvs, loop_count)]
    if not patches:
        return uvs, picture
    corners, grown = _shelved(patches, width, height)
    whole = np.zeros((grown, width, picture.shape[2]), np.float32)
    whole[:height] = picture
    uvs[:, 1] *= height / grown
    for patch, (x, y) in zip(patches, corners, strict=True):
        size = len(patch.pixels)
        whole[y : y + size, x : x + size] = patch.pixels
        uvs[patch.loops] = (patch.places + np.array([x, y])) / (width, grown)
    return uvs, whole


@dataclass(frozen=True)
class _Patch:
    """A square of pixels for one polygon, and where in it, in pixels, its corners lie."""

    pixels: Floats
    loops: Ints
    places: Floats


def _patch(cut: Cut, corner_uvs: Floats, picture: Floats, polygon: int) -> _Patch:
    chosen = cut.polygons == polygon
    loops, uvs = cut.loops[chosen], corner_uvs[chosen].astype(np.float64)
    flat = _flattened(cut.positions[chosen].astype(np.float64))
    low, high = flat.min((0, 1)), flat.max((0, 1))
    texels = _density(flat, uvs * picture.shape[1::-1]) * float((high - low).max())
    inner = int(np.clip(np.ceil(texels), LEAST_PATCH, min(MOST_PATCH, picture.shape[1] - 2 * MARGIN)))
    places = (flat - low) / max(float((high - low).max()), 1e-12) * (inner - 1) + MARGIN + 0.5
    size = inner + 2 * MARGIN
    y, x = np.mgrid[:size, :size] + 0.5
    found = _uvs_at(np.stack([x, y], -1).reshape(-1, 2), places, uvs)
    pixels = sampled(picture, found).reshape(size, size, -1)
    return _Patch(pixels, loops.ravel(), places.reshape(-1, 2).astype(np.float32))


def _density(flat: npt.NDArray[np.float64], pixels: npt.NDArray[np.float64]) -> float:
    """Return how many texels the picture has per unit of length, at the typical edge of triangles [T,3,2]."""
    lengths, texels = (np.linalg.norm(it - np.roll(it, 1, axis=1), axis=-1) for it in (flat, pixels))
    return float(np.median(texels / np.maximum(lengths, 1e-12)))


def _flattened(corners: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return triangles [T,3,3] in the plane of their mean normal [T,3,2]."""
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal = normals.sum(0)
    normal = normal if np.linalg.norm(normal) > 0 else np.array([0.0, 0.0, 1.0])
    axis = np.eye(3)[np.abs(normal).argmin()]
    right = np.cross(axis, normal)
    right /= np.linalg.norm(right)
    up = np.cross(normal, right)
    return corners @ np.stack([right, up / np.linalg.norm(up)], 1)


def _uvs_at(
    points: npt.NDArray[np.float64], places: npt.NDArray[np.float64], uvs: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return where points [N,2] are in the picture: through the triangle that each is in, or deepest in."""
    a, b, c = places.transpose(1, 0, 2)
    area = _cross(b - a, c - a)
    safe = np.where(np.abs(area) > 1e-12, area, np.inf)
    at = points[:, None]
    weights = np.stack([_cross(c - b, at - b), _cross(a - c, at - c), _cross(b - a, at - a)], -1) / safe[:, None]
    weights[:, np.isinf(safe)] = -np.inf
    best = weights.min(-1).argmax(1)
    chosen = np.nan_to_num(weights[np.arange(len(points)), best], neginf=0.0).clip(0)
    chosen /= np.maximum(chosen.sum(1, keepdims=True), 1e-12)
    return np.einsum("nk,nkc->nc", chosen, uvs[best])


def sampled(picture: Floats, uvs: npt.NDArray[np.float64]) -> Floats:
    """Return bilinear reads [N,K] of a picture [H,W,K], clamped at its borders."""
    height, width = picture.shape[:2]
    x, y = (uvs * (width, height) - 0.5).T
    x, y = x.clip(0, width - 1), y.clip(0, height - 1)
    x0, y0 = x.astype(int), y.astype(int)
    x1, y1 = np.minimum(x0 + 1, width - 1), np.minimum(y0 + 1, height - 1)
    s, t = (x - x0)[:, None], (y - y0)[:, None]
    below = picture[y0, x0] * (1 - s) + picture[y0, x1] * s
    above = picture[y1, x0] * (1 - s) + picture[y1, x1] * s
    return (below * (1 - t) + above * t).astype(np.float32)


def _shelved(patches: list[_Patch], width: int, height: int) -> tuple[list[tuple[int, int]], int]:
    """Return the corner of each patch on shelves above a picture, and the height that comes of it."""
    corners: dict[int, tuple[int, int]] = {}
    x, y, shelf = 0, height, 0
    for number in sorted(range(len(patches)), key=lambda number: -len(patches[number].pixels)):
        size = len(patches[number].pixels)
        if x + size > width:
            x, y, shelf = 0, y + shelf, 0
        corners[number] = (x, y)
        x, shelf = x + size, max(shelf, size)
    return [corners[number] for number in range(len(patches))], y + shelf


def _cross(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
