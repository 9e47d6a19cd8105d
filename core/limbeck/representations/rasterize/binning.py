# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Sort Gaussians by depth and list, for every tile of every image, those that touch it and in which rows.

A (Gaussian, tile) pair is made only if the ellipse alpha >= 1/255 meets the tile's pixel centres; its rows bound that
part of the ellipse. Lists are in order of depth, ties in order of index.
"""

import math
from typing import no_type_check

import numpy as np

from limbeck.representations.rasterize.jit import Float32Array, Int32Array, UInt32Array, inlined, kernel

TILE_WIDTH = 8
TILE_HEIGHT = 16

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
    starts[:] = 0
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
    """Fill order [C,N] with the visible Gaussians from near to far (a stable radix sort), visible [C] with their count."""
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
        order[c, :seen] = order_other[:seen]
        visible[c] = seen


@inlined
@no_type_check
def _ellipse(means2d, roots, opacities, c, g):
    """Return (x, y, l0, l1, l2, s) such that alpha >= 1/255 where |L d|^2 <= s, in pixel-centre coordinates."""
    s = 2.0 * math.log(255.0 * np.float64(opacities[g])) * (1.0 + SLACK) + SLACK
    x, y = np.float64(means2d[c, g, 0]) - 0.5, np.float64(means2d[c, g, 1]) - 0.5
    return x, y, np.float64(roots[c, g, 0]), np.float64(roots[c, g, 1]), np.float64(roots[c, g, 2]), s


@inlined
@no_type_check
def _clamped_int(value, low, high):
    """Convert to an integer inside [low, high]; NaN becomes low."""
    return np.int64(min(value, float(high))) if value > low else np.int64(low)


@inlined
@no_type_check
def _columns_touched(ellipse, width):
    """Return the first and last pixel column that the ellipse can touch (last < first if none)."""
    x, _, l0, l1, l2, s = ellipse
    half = math.sqrt(s * (l1 * l1 + l2 * l2)) / (l0 * l2)
    return _clamped_int(math.ceil(x - half), 0, width), _clamped_int(math.floor(x + half), -1, width - 1)


@inlined
@no_type_check
def _rows_touched(ellipse, first_column, last_column, height):
    """Return the first and last pixel row in which the ellipse meets these columns (last < first if none)."""
    x, y, l0, l1, l2, s = ellipse
    # d = (u, v): |L d|^2 = (l0 u + l1 v)^2 + (l2 v)^2. The ellipse's top is at v = sqrt(s) / l2, u = -v l1 / l0.
    half = math.sqrt(s * (l1 * l1 + l2 * l2)) / (l0 * l2)
    left, right = max(first_column - x, -half), min(last_column - x, half)
    top = -math.sqrt(s) / l2 * l1 / l0
    u_high, u_low = min(max(top, left), right), min(max(-top, left), right)
    c = l1 * l1 + l2 * l2
    high = (-l0 * l1 * u_high + math.sqrt(max(s * c - (l0 * l2 * u_high) ** 2, 0.0))) / c
    low = (-l0 * l1 * u_low - math.sqrt(max(s * c - (l0 * l2 * u_low) ** 2, 0.0))) / c
    return _clamped_int(math.ceil(y + low), 0, height), _clamped_int(math.floor(y + high), -1, height - 1)


@kernel
@no_type_check
def count_pairs(
    chunk: int,
    chunks: int,
    width: int,
    height: int,
    means2d: Float32Array,
    roots: Float32Array,
    opacities: Float32Array,
    order: Int32Array,
    visible: Int32Array,
    pairs_per_tile: Int32Array,
    pairs_per_splat: Int32Array,
) -> None:
    """Fill pairs_per_tile [C, tiles down, tiles across] and pairs_per_splat [C,N]."""
    for c in range(chunk, order.shape[0], chunks):
        pairs_per_tile[c] = 0
        pairs_per_splat[c] = 0
        for i in range(visible[c]):
            g = order[c, i]
            ellipse = _ellipse(means2d, roots, opacities, c, g)
            first, last = _columns_touched(ellipse, width)
            for tx in range(first // TILE_WIDTH, last // TILE_WIDTH + 1):
                column = tx * TILE_WIDTH
                top, bottom = _rows_touched(ellipse, max(first, column), min(last, column + TILE_WIDTH - 1), height)
                if bottom < top:
                    continue
                for ty in range(top // TILE_HEIGHT, bottom // TILE_HEIGHT + 1):
                    pairs_per_tile[c, ty, tx] += 1
                    pairs_per_splat[c, g] += 1


@kernel
@no_type_check
def list_pairs(
    chunk: int,
    chunks: int,
    width: int,
    height: int,
    means2d: Float32Array,
    roots: Float32Array,
    opacities: Float32Array,
    order: Int32Array,
    visible: Int32Array,
    next_in_tile: Int32Array,
    first_slots: Int32Array,
    pairs: Int32Array,
) -> None:
    """Fill pairs [P,4]: splat (camera * N + Gaussian), first row and end row in its tile, slot.

    Args:
        next_in_tile: where each tile's next pair goes, [C, tiles down, tiles across]; advanced here.
        first_slots: the first slot of each Gaussian in each camera, [C,N]; a Gaussian's slots are consecutive, so that
            the sums over its pairs read them in one order whatever thread wrote them.
    """
    for c in range(chunk, order.shape[0], chunks):
        for i in range(visible[c]):
            g = order[c, i]
            slot = first_slots[c, g]
            ellipse = _ellipse(means2d, roots, opacities, c, g)
            first, last = _columns_touched(ellipse, width)
            for tx in range(first // TILE_WIDTH, last // TILE_WIDTH + 1):
                column = tx * TILE_WIDTH
                top, bottom = _rows_touched(ellipse, max(first, column), min(last, column + TILE_WIDTH - 1), height)
                if bottom < top:
                    continue
                for ty in range(top // TILE_HEIGHT, bottom // TILE_HEIGHT + 1):
                    place = next_in_tile[c, ty, tx]
                    next_in_tile[c, ty, tx] = place + 1
                    pairs[place, 0] = c * means2d.shape[1] + g
                    pairs[place, 1] = max(top - ty * TILE_HEIGHT, 0)
                    pairs[place, 2] = min(bottom + 1 - ty * TILE_HEIGHT, TILE_HEIGHT)
                    pairs[place, 3] = slot
                    slot += 1
