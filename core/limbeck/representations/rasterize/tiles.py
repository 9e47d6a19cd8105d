# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Blend the Gaussians of each tile front to back, and back-propagate back to front, as numba kernels.

Symbols, per pixel: alpha = min(0.999, opacity * exp(-|q|^2 / 2)) with q = L (pixel - mean); T the transmittance left;
weight = alpha * T. A splat counts if alpha >= 1/255; a pixel ends before the splat that would bring T to 1e-4 or less.

A loop over pixels runs over whole rows of a tile, without branches, so that it compiles to SIMD code. The arrays it
reads and writes are rows of one scratch array with fixed distances: that tells the compiler that they do not overlap.
"""

from typing import no_type_check

import numpy as np

from limbeck.representations.rasterize.binning import TILE_HEIGHT, TILE_WIDTH
from limbeck.representations.rasterize.jit import Float32Array, Int32Array, inlined, kernel

PIXELS = TILE_WIDTH * TILE_HEIGHT

MAX_ALPHA = np.float32(0.999)
MIN_TRANSMITTANCE = np.float32(1e-4)
HALF = np.float32(0.5)
ZERO, ONE = np.float32(0.0), np.float32(1.0)

# Exponents are kept as log2(alpha) / 8: with the root scaled by SCALE, log2(alpha) / 8 = log2(opacity) / 8 - |q|^2.
EIGHTH_LOG2_CUT = np.float32(np.log2(1.0 / 255.0) / 8.0)
SCALE = np.float32(np.sqrt(np.log2(np.e) / 16.0))
EXP_FLOOR = np.float32(-1.0)
# 2^x on [-1, 0], relative error 1e-7, exact at 0 (so that alpha = opacity at the mean).
EXP1, EXP2, EXP3 = np.float32(0.6931437211), np.float32(0.2401801428), np.float32(0.0552973579)
EXP4, EXP5 = np.float32(0.0092057978), np.float32(0.0009449035)

# Columns of a splat's record.
X, Y, ROOT0, ROOT1, ROOT2, EIGHTH_LOG2_OPACITY, DEPTH, OPACITY, FEATURES = range(9)
# Columns of a pair's gradient slot: sums over its pixels of g = -dloss/dsigma, g q, g q q^T; then the features'.
SUM_G, SUM_Q0, SUM_Q1, SUM_Q00, SUM_Q01, SUM_Q11, SUM_FEATURES = range(7)

CHANNELS = 4  # features are padded to a multiple of this, and blended so many at a time


@inlined
@no_type_check
def _exp2_of_eighth(x):
    """Return 2^(8 x) for x in [-1, 0]: a polynomial, squared three times, is all arithmetic and so vectorises."""
    y = ONE + x * (EXP1 + x * (EXP2 + x * (EXP3 + x * (EXP4 + x * EXP5))))
    y = y * y
    y = y * y
    return y * y


@inlined
@no_type_check
def _fill_pixel_centres(px, py, column, row):
    for p in range(PIXELS):
        px[p] = np.float32(column + p % TILE_WIDTH) + HALF
        py[p] = np.float32(row + p // TILE_WIDTH) + HALF


@inlined
@no_type_check
def _blend(first, end, splat, index, px, py, T, last, median, weight, out0, out1, out2, out3):
    """Blend one splat and its first four features into the pixels first..end of a tile.

    T < 0 marks a pixel that has ended, with -T its final transmittance.
    """
    x, y, l0, l1, l2 = splat[X], splat[Y], splat[ROOT0], splat[ROOT1], splat[ROOT2]
    exponent, depth = splat[EIGHTH_LOG2_OPACITY], splat[DEPTH]
    f0, f1, f2, f3 = splat[FEATURES], splat[FEATURES + 1], splat[FEATURES + 2], splat[FEATURES + 3]
    for p in range(first, end):
        dx, dy = px[p] - x, py[p] - y
        q0, q1 = l0 * dx + l1 * dy, l2 * dy
        e = exponent - (q0 * q0 + q1 * q1)
        alpha = min(_exp2_of_eighth(max(e, EXP_FLOOR)), MAX_ALPHA)
        T_before = T[p]
        T_after = T_before - alpha * T_before
        hit = e >= EIGHTH_LOG2_CUT
        used = hit & (T_after > MIN_TRANSMITTANCE)
        w = alpha * T_before if used else ZERO
        T_stopped = -abs(T_before) if hit else T_before
        T[p] = T_after if used else T_stopped
        last[p] = index if used else last[p]
        median[p] = depth if used & (T_before > HALF) & (T_after <= HALF) else median[p]
        weight[p] = w
        out0[p] += w * f0
        out1[p] += w * f1
        out2[p] += w * f2
        out3[p] += w * f3


@inlined
@no_type_check
def _any_open(T):
    highest = ZERO
    for p in range(PIXELS):
        highest = max(highest, T[p])
    return highest > ZERO


@inlined
@no_type_check
def _blend_features(first, end, splat, feature, weight, out):
    f0, f1, f2, f3 = splat[feature], splat[feature + 1], splat[feature + 2], splat[feature + 3]
    out0, out1, out2, out3 = out[0], out[1], out[2], out[3]
    for p in range(first, end):
        w = weight[p]
        out0[p] += w * f0
        out1[p] += w * f1
        out2[p] += w * f2
        out3[p] += w * f3


@inlined
@no_type_check
def _blend_tile(pairs, splats, scratch):
    """Blend a tile's pairs, in order, until all its pixels have ended."""
    px, py, T, last, median, weight, out = (
        scratch[0], scratch[1], scratch[2], scratch[3], scratch[4], scratch[5], scratch[6:],
    )
    for i in range(len(pairs)):
        splat = splats[pairs[i, 0]]
        first, end = pairs[i, 1] * TILE_WIDTH, pairs[i, 2] * TILE_WIDTH
        _blend(first, end, splat, np.float32(i), px, py, T, last, median, weight, out[0], out[1], out[2], out[3])
        for k in range(CHANNELS, len(out), CHANNELS):
            _blend_features(first, end, splat, FEATURES + k, weight, out[k : k + CHANNELS])
        if i % 16 == 15 and not _any_open(T):
            break


@kernel
@no_type_check
def blend_tiles(
    chunk: int,
    chunks: int,
    tile_starts: Int32Array,
    pairs: Int32Array,
    splats: Float32Array,
    backgrounds: Float32Array,
    render: Float32Array,
    alphas: Float32Array,
    medians: Float32Array,
    final_T: Float32Array,
    final_last: Float32Array,
) -> None:
    """Fill render [C,H,W,K], alphas and medians [C,H,W], and per tile the final T and last pair of every pixel."""
    cameras, height, width, features = render.shape
    across, down = -(-width // TILE_WIDTH), -(-height // TILE_HEIGHT)
    scratch = np.empty((6 + splats.shape[1] - FEATURES, PIXELS), np.float32)
    for tile in range(chunk, cameras * down * across, chunks):
        c, row, column = tile // (down * across), tile // across % down * TILE_HEIGHT, tile % across * TILE_WIDTH
        rows, columns = min(TILE_HEIGHT, height - row), min(TILE_WIDTH, width - column)
        _fill_pixel_centres(scratch[0], scratch[1], column, row)
        scratch[2] = -ONE
        for y in range(rows):
            scratch[2, y * TILE_WIDTH : y * TILE_WIDTH + columns] = ONE
        scratch[3] = -ONE
        scratch[4:] = ZERO
        _blend_tile(pairs[tile_starts[tile] : tile_starts[tile + 1]], splats, scratch)
        for p in range(PIXELS):
            final_T[tile, p] = abs(scratch[2, p])
            final_last[tile, p] = scratch[3, p]
        for y in range(rows):
            for x in range(columns):
                p = y * TILE_WIDTH + x
                alphas[c, row + y, column + x] = ONE - final_T[tile, p]
                medians[c, row + y, column + x] = scratch[4, p]
                for k in range(features):
                    render[c, row + y, column + x, k] = scratch[6 + k, p] + final_T[tile, p] * backgrounds[c, k]


@inlined
@no_type_check
def _unblend(first, end, splat, index, px, py, T, last, behind, dot_rest, weight, v0, v1, v2, v3):
    """Take one splat off the pixels first..end and return its ten gradient sums.

    Args:
        T: transmittance behind the splat; becomes that in front of it.
        behind: (light from behind the splat) . v; becomes that from behind the one in front of it.
        dot_rest: features beyond the fourth . v
    """
    x, y, l0, l1, l2 = splat[X], splat[Y], splat[ROOT0], splat[ROOT1], splat[ROOT2]
    exponent = splat[EIGHTH_LOG2_OPACITY]
    f0, f1, f2, f3 = splat[FEATURES], splat[FEATURES + 1], splat[FEATURES + 2], splat[FEATURES + 3]
    g_sum, g0, g1, g00, g01, g11 = ZERO, ZERO, ZERO, ZERO, ZERO, ZERO
    w0, w1, w2, w3 = ZERO, ZERO, ZERO, ZERO
    for p in range(first, end):
        dx, dy = px[p] - x, py[p] - y
        q0, q1 = l0 * dx + l1 * dy, l2 * dy
        e = exponent - (q0 * q0 + q1 * q1)
        alpha_free = _exp2_of_eighth(max(e, EXP_FLOOR))
        alpha = min(alpha_free, MAX_ALPHA)
        used = (e >= EIGHTH_LOG2_CUT) & (index <= last[p])
        through = ONE / (ONE - alpha)
        T_before = T[p] * through
        dot = f0 * v0[p] + f1 * v1[p] + f2 * v2[p] + f3 * v3[p] + dot_rest[p]
        v_alpha = T_before * dot - behind[p] * through
        w = alpha * T_before if used else ZERO
        g = alpha_free * v_alpha if used & (alpha_free <= MAX_ALPHA) else ZERO
        T[p] = T_before if used else T[p]
        behind[p] += w * dot
        weight[p] = w
        gq0, gq1 = g * q0, g * q1
        g_sum += g
        g0 += gq0
        g1 += gq1
        g00 += gq0 * q0
        g01 += gq0 * q1
        g11 += gq1 * q1
        w0 += w * v0[p]
        w1 += w * v1[p]
        w2 += w * v2[p]
        w3 += w * v3[p]
    return g_sum, g0, g1, g00, g01, g11, w0, w1, w2, w3


@inlined
@no_type_check
def _dot_rest(first, end, splat, v, dot_rest):
    for p in range(first, end):
        dot_rest[p] = ZERO
    for k in range(CHANNELS, len(v)):
        f, v_k = splat[FEATURES + k], v[k]
        for p in range(first, end):
            dot_rest[p] += f * v_k[p]


@inlined
@no_type_check
def _weighted_sum(first, end, weight, v_k):
    total = ZERO
    for p in range(first, end):
        total += weight[p] * v_k[p]
    return total


@inlined
@no_type_check
def _unblend_tile(pairs, splats, scratch, slots):
    """Take a tile's pairs off its pixels, the farthest first, and fill their slots."""
    px, py, T, last, behind, dot_rest, weight, v = (
        scratch[0], scratch[1], scratch[2], scratch[3], scratch[4], scratch[5], scratch[6], scratch[7:],
    )
    used = int(last.max()) + 1
    for i in range(used, len(pairs)):
        slots[pairs[i, 3]] = ZERO
    for i in range(used - 1, -1, -1):
        splat, slot = splats[pairs[i, 0]], slots[pairs[i, 3]]
        first, end = pairs[i, 1] * TILE_WIDTH, pairs[i, 2] * TILE_WIDTH
        if len(v) > CHANNELS:
            _dot_rest(first, end, splat, v, dot_rest)
        (
            slot[SUM_G], slot[SUM_Q0], slot[SUM_Q1], slot[SUM_Q00], slot[SUM_Q01], slot[SUM_Q11],
            slot[SUM_FEATURES], slot[SUM_FEATURES + 1], slot[SUM_FEATURES + 2], slot[SUM_FEATURES + 3],
        ) = _unblend(first, end, splat, np.float32(i), px, py, T, last, behind, dot_rest, weight, v[0], v[1], v[2], v[3])
        for k in range(CHANNELS, len(v)):
            slot[SUM_FEATURES + k] = _weighted_sum(first, end, weight, v[k])


@kernel
@no_type_check
def unblend_tiles(
    chunk: int,
    chunks: int,
    tile_starts: Int32Array,
    pairs: Int32Array,
    splats: Float32Array,
    backgrounds: Float32Array,
    final_T: Float32Array,
    final_last: Float32Array,
    v_render: Float32Array,
    v_alphas: Float32Array,
    slots: Float32Array,
) -> None:
    """Fill slots [P, 6 + padded features]: each pair's gradient sums over its pixels."""
    cameras, height, width, features = v_render.shape
    across, down = -(-width // TILE_WIDTH), -(-height // TILE_HEIGHT)
    scratch = np.empty((7 + splats.shape[1] - FEATURES, PIXELS), np.float32)
    for tile in range(chunk, cameras * down * across, chunks):
        c, row, column = tile // (down * across), tile // across % down * TILE_HEIGHT, tile % across * TILE_WIDTH
        _fill_pixel_centres(scratch[0], scratch[1], column, row)
        scratch[2] = final_T[tile]
        scratch[3] = final_last[tile]
        scratch[4:] = ZERO
        for y in range(min(TILE_HEIGHT, height - row)):
            for x in range(min(TILE_WIDTH, width - column)):
                p = y * TILE_WIDTH + x
                behind = -v_alphas[c, row + y, column + x]
                for k in range(features):
                    v = v_render[c, row + y, column + x, k]
                    scratch[7 + k, p] = v
                    behind += backgrounds[c, k] * v
                scratch[4, p] = behind * scratch[2, p]
        _unblend_tile(pairs[tile_starts[tile] : tile_starts[tile + 1]], splats, scratch, slots)
