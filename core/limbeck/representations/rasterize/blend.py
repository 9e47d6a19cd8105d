# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Blend the Gaussians of every tile, front to back, as a numba kernel; symbols and layouts in tiles.py."""

from typing import no_type_check

import numpy as np

from limbeck.representations.rasterize.jit import Float32Array, Int32Array, Int64Array, inlined, kernel
from limbeck.representations.rasterize.tiles import (
    ALL_PIXELS,
    CHANNELS,
    COVERED,
    DEPTH,
    EXP_FLOOR,
    EXPONENT,
    EXPONENT_CUT,
    FEATURES,
    HALF,
    LAST,
    MAX_ALPHA,
    MEDIAN,
    MIN_TRANSMITTANCE,
    ONE,
    OUT,
    PIXELS,
    PX,
    PY,
    ROOT0,
    ROOT1,
    ROOT2,
    ROW1,
    ROW2,
    ROW3,
    SCRATCH_ROWS,
    T_LEFT,
    WEIGHT,
    ZERO,
    X,
    Y,
    exp2_of_eighth,
    fill_pixel_centres,
    pixel_range,
    position,
    tile_corner,
)


@inlined
@no_type_check
def _open_tile(scratch, column, row, width, height):
    """Make the scratch array ready for a tile; its pixels outside the image have ended before they begin."""
    for i in range(len(scratch)):
        scratch[i] = ZERO
    fill_pixel_centres(scratch, column, row)
    for p in range(ALL_PIXELS):
        scratch[p + T_LEFT] = ONE if scratch[p + PX] < width and scratch[p + PY] < height else -ONE
        scratch[p + LAST] = -ONE


@inlined
@no_type_check
def _blend(scratch, first, end, splat, index):
    """Blend one splat and its first four features into the pixels first..end of a tile.

    COVERED is 1 - T, summed up because the difference has few digits where little is covered, and expected depth
    divides by it.

    T < 0 marks a pixel that has ended, with -T its final transmittance.
    """
    x, y, l0, l1, l2 = splat[X], splat[Y], splat[ROOT0], splat[ROOT1], splat[ROOT2]
    exponent, depth = splat[EXPONENT], splat[DEPTH]
    f0, f1, f2, f3 = splat[FEATURES], splat[FEATURES + 1], splat[FEATURES + 2], splat[FEATURES + 3]
    for p in range(first, end):
        dx, dy = scratch[p + PX] - x, scratch[p + PY] - y
        q0, q1 = l0 * dx + l1 * dy, l2 * dy
        e = exponent - (q0 * q0 + q1 * q1)
        alpha = min(exp2_of_eighth(max(e, EXP_FLOOR)), MAX_ALPHA)
        T_before = scratch[p + T_LEFT]
        T_after = T_before - alpha * T_before
        hit = e >= EXPONENT_CUT
        used = hit & (T_after > MIN_TRANSMITTANCE)
        w = alpha * T_before if used else ZERO
        T_stopped = -abs(T_before) if hit else T_before
        scratch[p + T_LEFT] = T_after if used else T_stopped
        scratch[p + LAST] = index if used else scratch[p + LAST]
        scratch[p + MEDIAN] = depth if used & (T_before > HALF) & (T_after <= HALF) else scratch[p + MEDIAN]
        scratch[p + WEIGHT] = w
        scratch[p + COVERED] += w
        scratch[p + OUT] += w * f0
        scratch[p + OUT + ROW1] += w * f1
        scratch[p + OUT + ROW2] += w * f2
        scratch[p + OUT + ROW3] += w * f3


@inlined
@no_type_check
def _blend_features(scratch, first, end, splat, k):
    """Blend the features k..k+3 with the weights that _blend left."""
    f0, f1, f2, f3 = splat[FEATURES + k], splat[FEATURES + k + 1], splat[FEATURES + k + 2], splat[FEATURES + k + 3]
    out = OUT + np.uint64(k * PIXELS)
    for p in range(first, end):
        w = scratch[p + WEIGHT]
        scratch[p + out] += w * f0
        scratch[p + out + ROW1] += w * f1
        scratch[p + out + ROW2] += w * f2
        scratch[p + out + ROW3] += w * f3


@inlined
@no_type_check
def _any_open(scratch):
    open_pixels = ZERO
    for p in range(ALL_PIXELS):
        open_pixels += ONE if scratch[p + T_LEFT] > ZERO else ZERO
    return open_pixels > ZERO


@inlined
@no_type_check
def _blend_tile(scratch, pairs, splats):
    """Blend a tile's pairs, in order, until all its pixels have ended."""
    for i in range(len(pairs)):
        splat = splats[pairs[i, 0]]
        first, end = pixel_range(pairs[i])
        _blend(scratch, first, end, splat, np.float32(i))
        for k in range(CHANNELS, len(splat) - FEATURES, CHANNELS):
            _blend_features(scratch, first, end, splat, k)
        if i % 16 == 15 and not _any_open(scratch):
            break


@kernel
@no_type_check
def blend_tiles(
    chunk: int,
    chunks: int,
    tile_starts: Int64Array,
    pairs: Int32Array,
    splats: Float32Array,
    backgrounds: Float32Array,
    render: Float32Array,
    alphas: Float32Array,
    medians: Float32Array,
    transmittances: Float32Array,
    last: Float32Array,
) -> None:
    """Fill render [C,H,W,K]; alphas, medians, transmittances [C,H,W]; and each pixel's last pair [tiles,PIXELS]."""
    _, height, width, features = render.shape
    scratch = np.empty((SCRATCH_ROWS + splats.shape[1] - FEATURES) * PIXELS, np.float32)
    for tile in range(chunk, len(tile_starts) - 1, chunks):
        c, column, row = tile_corner(tile, width, height)
        _open_tile(scratch, column, row, width, height)
        _blend_tile(scratch, pairs[tile_starts[tile] : tile_starts[tile + 1]], splats)
        for p in range(ALL_PIXELS):
            last[tile, p] = scratch[p + LAST]
            x, y = position(p, column, row)
            if x < width and y < height:
                T = abs(scratch[p + T_LEFT])
                transmittances[c, y, x] = T
                alphas[c, y, x], medians[c, y, x] = scratch[p + COVERED], scratch[p + MEDIAN]
                for k in range(features):
                    render[c, y, x, k] = scratch[p + OUT + np.uint64(k * PIXELS)] + T * backgrounds[c, k]
