# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Gather what blending reads of a Gaussian into one record, and sum its pairs' gradients, as numba kernels."""

from typing import no_type_check

import numpy as np

from limbeck.representations.rasterize.jit import Float32Array, Float64Array, Int32Array, inlined, kernel
from limbeck.representations.rasterize.tiles import (
    DEPTH,
    EXPONENT,
    EXPONENT_CUT,
    FEATURES,
    PER_THRESHOLD,
    ROOT0,
    ROOT1,
    ROOT2,
    SCALE,
    SUM_FEATURES,
    SUM_G,
    SUM_Q0,
    SUM_Q00,
    SUM_Q01,
    SUM_Q1,
    SUM_Q11,
    X,
    Y,
)


@kernel
@no_type_check
def gather_splats(
    chunk: int,
    chunks: int,
    radii: Int32Array,
    means2d: Float32Array,
    roots: Float32Array,
    depths: Float32Array,
    thresholds: Float64Array,
    colors: Float32Array,
    with_depth: bool,
    splats: Float32Array,
) -> None:
    """Fill splats [C * N, record] for the Gaussians that are seen; the features are colours, then depth, then zeros.

    Args:
        colors: [1 or C, N, D]
    """
    cameras, count = depths.shape
    dims = colors.shape[2]
    for i in range(cameras * count * chunk // chunks, cameras * count * (chunk + 1) // chunks):
        c, g = i // count, i % count
        if radii[c, g, 0] > 0:
            splat = splats[i]
            splat[X], splat[Y] = means2d[c, g, 0], means2d[c, g, 1]
            splat[ROOT0], splat[ROOT1], splat[ROOT2] = (
                SCALE * roots[c, g, 0],
                SCALE * roots[c, g, 1],
                SCALE * roots[c, g, 2],
            )
            splat[EXPONENT] = EXPONENT_CUT + PER_THRESHOLD * thresholds[g]
            splat[DEPTH] = depths[c, g]
            for k in range(FEATURES + dims, len(splat)):
                splat[k] = np.float32(0.0)
            camera_colors = colors[c if colors.shape[0] > 1 else 0]
            for k in range(dims):
                splat[FEATURES + k] = camera_colors[g, k]
            if with_depth:
                splat[FEATURES + dims] = depths[c, g]


@inlined
@no_type_check
def _sum_slots(slots, first, end, total):
    for k in range(len(total)):
        total[k] = 0.0
    for s in range(first, end):
        for k in range(len(total)):
            total[k] += slots[s, k]


@inlined
@no_type_check
def _spread_geometry(total, root, v_mean2d, v_root):
    """Turn sums over pixels into the gradients for a 2D mean and its root (see projection.py)."""
    l0, l1, l2 = root[0], root[1], root[2]
    q0, q1 = total[SUM_Q0] / SCALE, total[SUM_Q1] / SCALE
    q00, q01, q11 = total[SUM_Q00] / SCALE**2, total[SUM_Q01] / SCALE**2, total[SUM_Q11] / SCALE**2
    v_mean2d[0], v_mean2d[1] = l0 * q0, l1 * q0 + l2 * q1
    v_root[0], v_root[1], v_root[2] = -(q00 - q01 * l1 / l2) / l0, -q01 / l2, -q11 / l2


@kernel
@no_type_check
def sum_pairs(
    chunk: int,
    chunks: int,
    splat_slots: Int32Array,
    slots: Float32Array,
    roots: Float32Array,
    opacities: Float32Array,
    v_means2d: Float32Array,
    v_roots: Float32Array,
    v_depths: Float32Array,
    v_opacities: Float32Array,
    v_colors: Float32Array,
    with_depth: bool,
) -> None:
    """Add up the slots of every Gaussian, in one fixed order, into its gradients.

    The outputs must be zero on entry. v_colors is [1 or C, N, D]; with 1 it sums over the cameras.
    """
    cameras, count = splat_slots.shape[:2]
    dims = v_colors.shape[2]
    total = np.empty(slots.shape[1], np.float64)
    for g in range(count * chunk // chunks, count * (chunk + 1) // chunks):
        for c in range(cameras):
            if splat_slots[c, g, 1] > splat_slots[c, g, 0]:
                _sum_slots(slots, splat_slots[c, g, 0], splat_slots[c, g, 1], total)
                _spread_geometry(total, roots[c, g], v_means2d[c, g], v_roots[c, g])
                v_opacities[g] += total[SUM_G] / opacities[g]
                camera_v_colors = v_colors[c if v_colors.shape[0] > 1 else 0]
                for k in range(dims):
                    camera_v_colors[g, k] += total[SUM_FEATURES + k]
                if with_depth:
                    v_depths[c, g] = total[SUM_FEATURES + dims]
