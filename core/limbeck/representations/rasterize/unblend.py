# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Take the Gaussians of every tile off again, back to front, and sum gradients, as a numba kernel; see tiles.py."""

from typing import no_type_check

import numpy as np

from limbeck.representations.rasterize.jit import Float32Array, Int32Array, Int64Array, inlined, kernel
from limbeck.representations.rasterize.tiles import (
    ALL_PIXELS,
    BEHIND,
    CHANNELS,
    DOT_REST,
    EXP_FLOOR,
    EXPONENT,
    EXPONENT_CUT,
    FEATURES,
    LAST,
    MAX_ALPHA,
    ONE,
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
    SUM_FEATURES,
    SUM_G,
    SUM_Q0,
    SUM_Q00,
    SUM_Q01,
    SUM_Q1,
    SUM_Q11,
    T_LEFT,
    WEIGHT,
    ZERO,
    V,
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
def _unblend(scratch, first, end, splat, index):
    """Take one splat off the pixels first..end and return its ten gradient sums.

    Of every pixel, T_LEFT goes from behind to before the splat, and BEHIND, the light from behind it times the gradient
    V, becomes the light from behind the one before it. DOT_REST is the splat's features beyond the fourth times V.
    """
    x, y, l0, l1, l2 = splat[X], splat[Y], splat[ROOT0], splat[ROOT1], splat[ROOT2]
    exponent = splat[EXPONENT]
    f0, f1, f2, f3 = splat[FEATURES], splat[FEATURES + 1], splat[FEATURES + 2], splat[FEATURES + 3]
    g_sum, g0, g1, g00, g01, g11 = ZERO, ZERO, ZERO, ZERO, ZERO, ZERO
    w0, w1, w2, w3 = ZERO, ZERO, ZERO, ZERO
    for p in range(first, end):
        dx, dy = scratch[p + PX] - x, scratch[p + PY] - y
        q0, q1 = l0 * dx + l1 * dy, l2 * dy
        e = exponent - (q0 * q0 + q1 * q1)
        alpha_free = exp2_of_eighth(max(e, EXP_FLOOR))
        alpha = min(alpha_free, MAX_ALPHA)
        used = (e >= EXPONENT_CUT) & (index <= scratch[p + LAST])
        through = ONE / (ONE - alpha)
        T_behind = scratch[p + T_LEFT]
        T_before = T_behind * through
        v0, v1, v2, v3 = scratch[p + V], scratch[p + V + ROW1], scratch[p + V + ROW2], scratch[p + V + ROW3]
        dot = f0 * v0 + f1 * v1 + f2 * v2 + f3 * v3 + scratch[p + DOT_REST]
        v_alpha = T_before * dot - scratch[p + BEHIND] * through
        w = alpha * T_before if used else ZERO
        g = alpha_free * v_alpha if used & (alpha_free <= MAX_ALPHA) else ZERO
        scratch[p + T_LEFT] = T_before if used else T_behind
        scratch[p + BEHIND] += w * dot
        scratch[p + WEIGHT] = w
        gq0, gq1 = g * q0, g * q1
        g_sum += g
        g0 += gq0
        g1 += gq1
        g00 += gq0 * q0
        g01 += gq0 * q1
        g11 += gq1 * q1
        w0 += w * v0
        w1 += w * v1
        w2 += w * v2
        w3 += w * v3
    return g_sum, g0, g1, g00, g01, g11, w0, w1, w2, w3


@inlined
@no_type_check
def _dot_features(scratch, first, end, splat, k):
    """Add the features k..k+3 times their gradients V to DOT_REST."""
    f0, f1, f2, f3 = splat[FEATURES + k], splat[FEATURES + k + 1], splat[FEATURES + k + 2], splat[FEATURES + k + 3]
    v = V + np.uint64(k * PIXELS)
    for p in range(first, end):
        near = f0 * scratch[p + v] + f1 * scratch[p + v + ROW1]
        scratch[p + DOT_REST] += near + f2 * scratch[p + v + ROW2] + f3 * scratch[p + v + ROW3]


@inlined
@no_type_check
def _sum_features(scratch, first, end, k):
    """Return the gradients for the features k..k+3, from the weights that _unblend left."""
    v = V + np.uint64(k * PIXELS)
    w0, w1, w2, w3 = ZERO, ZERO, ZERO, ZERO
    for p in range(first, end):
        w = scratch[p + WEIGHT]
        w0 += w * scratch[p + v]
        w1 += w * scratch[p + v + ROW1]
        w2 += w * scratch[p + v + ROW2]
        w3 += w * scratch[p + v + ROW3]
    return w0, w1, w2, w3


@inlined
@no_type_check
def _unblend_pair(scratch, pair, splat, index, slot):
    first, end = pixel_range(pair)
    features = len(splat) - FEATURES
    if features > CHANNELS:
        for p in range(first, end):
            scratch[p + DOT_REST] = ZERO
    for k in range(CHANNELS, features, CHANNELS):
        _dot_features(scratch, first, end, splat, k)
    sums = _unblend(scratch, first, end, splat, index)
    slot[SUM_G], slot[SUM_Q0], slot[SUM_Q1], slot[SUM_Q00], slot[SUM_Q01], slot[SUM_Q11] = sums[:SUM_FEATURES]
    slot[SUM_FEATURES], slot[SUM_FEATURES + 1], slot[SUM_FEATURES + 2], slot[SUM_FEATURES + 3] = sums[SUM_FEATURES:]
    for k in range(CHANNELS, features, CHANNELS):
        s = SUM_FEATURES + k
        slot[s], slot[s + 1], slot[s + 2], slot[s + 3] = _sum_features(scratch, first, end, k)


@kernel
@no_type_check
def unblend_tiles(
    chunk: int,
    chunks: int,
    tile_starts: Int64Array,
    pairs: Int32Array,
    splats: Float32Array,
    backgrounds: Float32Array,
    transmittances: Float32Array,
    last: Float32Array,
    v_render: Float32Array,
    v_alphas: Float32Array,
    slots: Float32Array,
) -> None:
    """Fill slots [P, 6 + padded features]: each pair's gradient sums over its pixels."""
    _, height, width, features = v_render.shape
    scratch = np.empty((SCRATCH_ROWS + splats.shape[1] - FEATURES) * PIXELS, np.float32)
    for tile in range(chunk, len(tile_starts) - 1, chunks):
        c, column, row = tile_corner(tile, width, height)
        for i in range(len(scratch)):
            scratch[i] = ZERO
        fill_pixel_centres(scratch, column, row)
        most = -ONE
        for p in range(ALL_PIXELS):
            scratch[p + LAST] = last[tile, p]
            most = max(most, last[tile, p])
            x, y = position(p, column, row)
            if x < width and y < height:
                behind = -v_alphas[c, y, x]
                for k in range(features):
                    v = v_render[c, y, x, k]
                    scratch[p + V + np.uint64(k * PIXELS)] = v
                    behind += backgrounds[c, k] * v
                scratch[p + T_LEFT] = transmittances[c, y, x]
                scratch[p + BEHIND] = scratch[p + T_LEFT] * behind
        start, end = tile_starts[tile], tile_starts[tile + 1]
        used = start + np.int64(most) + 1
        for i in range(used, end):
            for k in range(slots.shape[1]):
                slots[pairs[i, 1], k] = ZERO
        for i in range(used - 1, start - 1, -1):
            _unblend_pair(scratch, pairs[i], splats[pairs[i, 0]], np.float32(i - start), slots[pairs[i, 1]])
