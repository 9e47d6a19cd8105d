# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What the kernels that blend tiles share: sizes, layouts, the exponential.

Symbols, per pixel: alpha = min(0.999, opacity * exp(-|q|^2 / 2)) with q = L (pixel - mean); T the transmittance left;
weight = alpha * T. A splat counts if alpha >= 1/255; a pixel ends before the splat that would bring T to 1e-4 or less.

A loop over pixels runs over whole rows of a tile, without branches, so that it compiles to SIMD code. What it reads
and writes per pixel are the rows of one flat scratch array, PIXELS apart: with constant distances the compiler knows
that they do not overlap, and with unsigned indices that none of them counts from the end.
"""

from typing import no_type_check

import numpy as np

from limbeck.representations.rasterize.jit import inlined

# A row of a tile is one vector of the widest SIMD units. Of the sizes tried, 8 x 8 to 32 x 8, 16 x 16 and 16 x 32 were
# the fastest at 64 to 256 px.
TILE_WIDTH = 16
TILE_HEIGHT = 16
PIXELS = TILE_WIDTH * TILE_HEIGHT
ALL_PIXELS = np.uint64(PIXELS)

MAX_ALPHA = np.float32(0.999)
MIN_TRANSMITTANCE = np.float32(1e-4)
HALF = np.float32(0.5)
ZERO, ONE = np.float32(0.0), np.float32(1.0)

# Exponents are log2(alpha) / 8: with the root scaled by SCALE, that is log2(opacity) / 8 - |q|^2.
EXPONENT_CUT = np.float32(np.log2(1.0 / 255.0) / 8.0)
PER_THRESHOLD = np.log2(np.e) / 16.0  # log2(opacity) / 8 is this times the threshold 2 log(255 opacity), plus the cut
SCALE = np.float32(np.sqrt(np.log2(np.e) / 16.0))
EXP_FLOOR = np.float32(-1.0)
# 2^x on [-1, 0], relative error 1e-7, exact at 0 (so that alpha = opacity at the mean).
EXP1, EXP2, EXP3 = np.float32(0.6931437211), np.float32(0.2401801428), np.float32(0.0552973579)
EXP4, EXP5 = np.float32(0.0092057978), np.float32(0.0009449035)

# Columns of a splat's record.
X, Y, ROOT0, ROOT1, ROOT2, EXPONENT, DEPTH, FEATURES = range(8)
# Columns of a pair's gradient slot: sums over its pixels of g = -dloss/dsigma, g q, g q q^T; then the features'.
SUM_G, SUM_Q0, SUM_Q1, SUM_Q00, SUM_Q01, SUM_Q11, SUM_FEATURES = range(7)

# Rows of the scratch array when blending ...
PX, PY, T_LEFT, LAST, WEIGHT, MEDIAN, COVERED, OUT = (np.uint64(row * PIXELS) for row in range(8))
# ... and when taking splats off again.
BEHIND, DOT_REST, V = MEDIAN, COVERED, OUT
SCRATCH_ROWS = 7  # before OUT or V, which have one row for every feature

ROW1, ROW2, ROW3 = (np.uint64(row * PIXELS) for row in range(1, 4))

CHANNELS = 4  # features are padded to a multiple of this, and blended so many at a time


@inlined
@no_type_check
def exp2_of_eighth(x):
    """Return 2^(8 x) for x in [-1, 0]: a polynomial, squared three times, is all arithmetic and so vectorises."""
    y = ONE + x * (EXP1 + x * (EXP2 + x * (EXP3 + x * (EXP4 + x * EXP5))))
    y = y * y
    y = y * y
    return y * y


@inlined
@no_type_check
def tile_corner(tile, width, height):
    """Return the camera, column and row of a tile's first pixel, tiles counted by camera, then row, then column."""
    across, down = -(-width // TILE_WIDTH), -(-height // TILE_HEIGHT)
    return tile // (down * across), tile % across * TILE_WIDTH, tile // across % down * TILE_HEIGHT


@inlined
@no_type_check
def pixel_range(pair):
    """Return the first and end pixel of a pair's rows in its tile."""
    return np.uint64(pair[2] * TILE_WIDTH), np.uint64(pair[3] * TILE_WIDTH)


@inlined
@no_type_check
def position(p, column, row):
    """Return a pixel's column and row in the image."""
    return column + np.int64(p) % TILE_WIDTH, row + np.int64(p) // TILE_WIDTH


@inlined
@no_type_check
def fill_pixel_centres(scratch, column, row):
    """Fill the scratch rows PX and PY for the tile whose first pixel is in this column and row."""
    for p in range(PIXELS):
        scratch[p] = np.float32(column + p % TILE_WIDTH) + HALF
        scratch[PIXELS + p] = np.float32(row + p // TILE_WIDTH) + HALF
