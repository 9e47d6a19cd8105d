# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Find the pairs of Gaussians and tiles that touch, by running the kernels of binning.py."""

from dataclasses import dataclass

import numpy as np

from limbeck.representations.rasterize.binning import count_most_pairs, deal_pairs, list_pairs, sort_by_depth
from limbeck.representations.rasterize.jit import Float32Array, Float64Array, Int32Array, Int64Array
from limbeck.representations.rasterize.threads import run_alone, run_in_chunks
from limbeck.representations.rasterize.tiles import TILE_HEIGHT, TILE_WIDTH

FEW_SPLATS = 1 << 16
"""So many are sorted and dealt in less time than waking a thread for each kernel takes: a step of 2000 Gaussians in
four views of 64 pixels is 7 % faster on two threads."""
MOST_PAIRS = 2**31 - 1  # their numbers are int32


@dataclass(frozen=True)
class TilePairs:
    """Which Gaussians touch which tile.

    Args:
        tile_starts: tile t has the pairs tile_starts[t] : tile_starts[t + 1], from near to far.
        pairs: splat (camera * N + Gaussian), slot, first row and end row in the tile, [P, 4].
        splat_slots: first and end slot of every splat, [C, N, 2].
        slots: how many slots there are; not all are used.
    """

    tile_starts: Int64Array
    pairs: Int32Array
    splat_slots: Int32Array
    slots: int


def find_pairs(
    means2d: Float32Array,
    roots: Float32Array,
    depths: Float32Array,
    thresholds: Float64Array,
    radii: Int32Array,
    width: int,
    height: int,
) -> TilePairs:
    """Return the pairs of projected Gaussians and tiles; arguments as in binning.py."""
    cameras, points = depths.shape
    order, visible = np.empty((cameras, points), np.int32), np.empty(cameras, np.int32)
    run_light = run_alone if depths.size <= FEW_SPLATS else run_in_chunks
    run_light(sort_by_depth, depths.view(np.uint32), radii, order, visible)
    most_pairs = np.empty(cameras, np.int64)
    run_light(count_most_pairs, width, height, means2d, radii, order, visible, most_pairs)
    camera_slots = _starts(most_pairs)
    listed = np.empty((camera_slots[-1], 4), np.int32)
    tile_counts = np.zeros((cameras, -(-height // TILE_HEIGHT) * -(-width // TILE_WIDTH)), np.int32)
    splat_slots, camera_ends = np.zeros((cameras, points, 2), np.int32), np.empty(cameras, np.int64)
    run_in_chunks(
        list_pairs,
        *(width, height, means2d, roots, radii, thresholds, order, visible),
        *(camera_slots, camera_ends, listed, tile_counts, splat_slots),
    )
    tile_starts = _starts(tile_counts)
    pairs = np.empty((tile_starts[-1], 4), np.int32)
    next_in_tile = tile_starts[:-1].reshape(tile_counts.shape).copy()
    run_light(deal_pairs, camera_slots, camera_ends, listed, next_in_tile, pairs)
    return TilePairs(tile_starts, pairs, splat_slots, len(listed))


def _starts(counts: Int32Array | Int64Array) -> Int64Array:
    """Return where each count's items start in one flat list, and its end."""
    starts = np.zeros(counts.size + 1, np.int64)
    np.cumsum(counts, out=starts[1:])
    if starts[-1] > MOST_PAIRS:
        raise ValueError(f"expected at most 2^31 pairs of Gaussians and tiles, got {starts[-1]}: use fewer cameras")
    return starts
