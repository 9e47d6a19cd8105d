# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Sort Gaussians by depth and list, for every tile of every image, those that touch it and in which rows.

A pair of Gaussian and tile is made only if the ellipse alpha >= 1/255 meets the tile's pixel centres, and knows in
which rows. First all pairs are listed as they come, Gaussian by Gaussian from near to far, then they are dealt to their
tiles: so each tile's list is in order of depth, ties in order of index. A pair's place in the first list is its slot:
a Gaussian's slots are consecutive, so that sums over its pairs have one order, whatever thread blended them.
"""

import math
from typing import no_type_check

import numpy as np

from limbeck.representations.rasterize.jit import (
    Float32Array,
    Float64Array,
    Int32Array,
    Int64Array,
    UInt32Array,
    inlined,
    kernel,
)
from limbeck.representations.rasterize.tiles import TILE_HEIGHT, TILE_WIDTH

# Binning decides in float64 what the blending decides in float32: take a little more than the exact ellipse.
SLACK = 1e-3

RADIX_BITS = 11
RADIX_PASSES = 3


@inlined
@no_type_check
def _sortable(bits):
    """Map the bits of a float32 to an unsigned integer of the same order."""
    return ~bits if bits & np.uint32(0x80000000) else bits | np.uint32(0x80000000)


@inlined
@no_type_check
def _radix_pass(shift, keys, order, keys_out, order_out, starts, count):
    for digit in range(len(starts)):
        starts[digit] = 0
    mask = np.uint32((1 << RADIX_BITS) - 1)
    for i in range(count):
        starts[((keys[i] >> np.uint32(shift)) & mask) + 1] += 1
    for digit in range(1 << RADIX_BITS):
        starts[digit + 1] += starts[digit]
    for i in range(count):
        digit = (keys[i] >> np.uint32(shift)) & mask
        place = starts[digit]
        starts[digit] = place + 1
        keys_out[place] = keys[i]
        order_out[place] = order[i]


@kernel
@no_type_check
def sort_by_depth(
    chunk: int, chunks: int, depth_bits: UInt32Array, radii: Int32Array, order: Int32Array, visible: Int32Array
) -> None:
    """Fill order [C,N] with what is visible, from near to far (stable), and visible [C] with their count."""
    count = depth_bits.shape[1]
    keys, keys_other = np.empty(count, np.uint32), np.empty(count, np.uint32)
    order_first, order_other = np.empty(count, np.int32), np.empty(count, np.int32)
    starts = np.empty((1 << RADIX_BITS) + 1, np.int32)
    for c in range(chunk, depth_bits.shape[0], chunks):
        seen = 0
        for g in range(count):
            if radii[c, g, 0] > 0:
                keys[seen] = _sortable(depth_bits[c, g])
                order_first[seen] = g
                seen += 1
        _radix_pass(0, keys, order_first, keys_other, order_other, starts, seen)
        _radix_pass(RADIX_BITS, keys_other, order_other, keys, order_first, starts, seen)
        _radix_pass(2 * RADIX_BITS, keys, order_first, keys_other, order_other, starts, seen)
        for i in range(seen):
            order[c, i] = order_other[i]
        visible[c] = seen


@inlined
@no_type_check
def _clamped_int(value, low, high):
    """Convert to an integer inside [low, high]; NaN becomes low."""
    return np.int64(min(value, float(high))) if value > low else np.int64(low)


@inlined
@no_type_check
def _box(means2d, radii, c, g, width, height):
    """Return the first and last pixel column and row with centres in a Gaussian's box (last < first if none)."""
    x, y = np.float64(means2d[c, g, 0]) - 0.5, np.float64(means2d[c, g, 1]) - 0.5
    rx, ry = radii[c, g, 0], radii[c, g, 1]
    return (
        _clamped_int(math.ceil(x - rx), 0, width),
        _clamped_int(math.floor(x + rx), -1, width - 1),
        _clamped_int(math.ceil(y - ry), 0, height),
        _clamped_int(math.floor(y + ry), -1, height - 1),
    )


@inlined
@no_type_check
def _ellipse(root, threshold):
    """Return what _rows_touched needs of the ellipse |L d|^2 <= threshold, with d = (u, v) from its centre.

    Solved for v: v = slope u +- sqrt(base - curve u^2), with |u| <= half; the highest point is at u = top.
    """
    l0, l1, l2 = np.float64(root[0]), np.float64(root[1]), np.float64(root[2])
    c = 1.0 / (l1 * l1 + l2 * l2)
    half = math.sqrt(threshold / c) / (l0 * l2)
    return half, -math.sqrt(threshold) / l2 * l1 / l0, -l0 * l1 * c, threshold * c, (l0 * l2 * c) ** 2


@inlined
@no_type_check
def _rows_touched(ellipse, left, right):
    """Return the lowest and highest v of an ellipse between two columns, all relative to its centre."""
    half, top, slope, base, curve = ellipse
    left, right = max(left, -half), min(right, half)
    u_low, u_high = min(max(-top, left), right), min(max(top, left), right)
    low = slope * u_low - math.sqrt(max(base - curve * u_low * u_low, 0.0))
    return low, slope * u_high + math.sqrt(max(base - curve * u_high * u_high, 0.0))


@kernel
@no_type_check
def count_most_pairs(
    chunk: int,
    chunks: int,
    width: int,
    height: int,
    means2d: Float32Array,
    radii: Int32Array,
    order: Int32Array,
    visible: Int32Array,
    most_pairs: Int64Array,
) -> None:
    """Fill most_pairs [C] with the number of pairs there would be if every Gaussian filled its box."""
    for c in range(chunk, order.shape[0], chunks):
        total = 0
        for i in range(visible[c]):
            left, right, top, bottom = _box(means2d, radii, c, order[c, i], width, height)
            if left <= right and top <= bottom:
                across, down = right // TILE_WIDTH - left // TILE_WIDTH, bottom // TILE_HEIGHT - top // TILE_HEIGHT
                total += (across + 1) * (down + 1)
        most_pairs[c] = total


@inlined
@no_type_check
def _list_splat(splat, slot, x, y, box, ellipse, tiles_across, listed, tile_counts):
    """List one Gaussian's pairs from a slot on and return the next free slot."""
    left, right, top, bottom = box
    for tx in range(left // TILE_WIDTH, right // TILE_WIDTH + 1):
        column = tx * TILE_WIDTH
        low, high = _rows_touched(ellipse, max(left, column) - x, min(right, column + TILE_WIDTH - 1) - x)
        first, last = _clamped_int(math.ceil(y + low), top, bottom + 1), _clamped_int(math.floor(y + high), -1, bottom)
        if first > last:
            continue
        for ty in range(first // TILE_HEIGHT, last // TILE_HEIGHT + 1):
            row, tile = ty * TILE_HEIGHT, ty * tiles_across + tx
            listed[slot, 0], listed[slot, 1] = splat, tile
            listed[slot, 2], listed[slot, 3] = max(first - row, 0), min(last + 1 - row, TILE_HEIGHT)
            tile_counts[tile] += 1
            slot += 1
    return slot


@kernel
@no_type_check
def list_pairs(
    chunk: int,
    chunks: int,
    width: int,
    height: int,
    means2d: Float32Array,
    roots: Float32Array,
    radii: Int32Array,
    thresholds: Float64Array,
    order: Int32Array,
    visible: Int32Array,
    camera_slots: Int64Array,
    camera_ends: Int64Array,
    listed: Int32Array,
    tile_counts: Int32Array,
    splat_slots: Int32Array,
) -> None:
    """List all pairs, and count them by tile.

    Args:
        thresholds: |L d|^2 at which alpha = 1/255, [N].
        camera_slots: each camera's first slot, [C].
        camera_ends: filled, the end of each camera's slots, [C].
        listed: filled, [slots, 4]: splat (camera * N + Gaussian), tile of that camera, first row and end row in it.
        tile_counts: zero, filled, [C, tiles].
        splat_slots: zero, filled, first and end slot of every splat, [C, N, 2].
    """
    tiles_across = -(-width // TILE_WIDTH)
    count = order.shape[1]
    for c in range(chunk, order.shape[0], chunks):
        slot = camera_slots[c]
        for i in range(visible[c]):
            g = order[c, i]
            splat_slots[c, g, 0] = slot
            ellipse = _ellipse(roots[c, g], thresholds[g] * (1.0 + SLACK) + SLACK)
            x, y = np.float64(means2d[c, g, 0]) - 0.5, np.float64(means2d[c, g, 1]) - 0.5
            box = _box(means2d, radii, c, g, width, height)
            slot = _list_splat(c * count + g, slot, x, y, box, ellipse, tiles_across, listed, tile_counts[c])
            splat_slots[c, g, 1] = slot
        camera_ends[c] = slot


@kernel
@no_type_check
def deal_pairs(
    chunk: int,
    chunks: int,
    camera_slots: Int64Array,
    camera_ends: Int64Array,
    listed: Int32Array,
    next_in_tile: Int32Array,
    pairs: Int32Array,
) -> None:
    """Fill pairs [P,4], tile by tile: splat, slot, first row and end row.

    Args:
        next_in_tile: where each tile's list starts, [C, tiles]; advanced to where it ends.
    """
    for c in range(chunk, next_in_tile.shape[0], chunks):
        places = next_in_tile[c]
        for slot in range(camera_slots[c], camera_ends[c]):
            tile = listed[slot, 1]
            place = places[tile]
            places[tile] = place + 1
            pairs[place, 0], pairs[place, 1] = listed[slot, 0], slot
            pairs[place, 2], pairs[place, 3] = listed[slot, 2], listed[slot, 3]
