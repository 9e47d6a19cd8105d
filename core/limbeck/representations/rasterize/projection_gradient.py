# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Back-propagate through the projection of 3D Gaussians (projection.py), as a numba kernel in float64."""

from typing import no_type_check

import numpy as np

from limbeck.representations.rasterize.jit import Float32Array, Float64Array, Int32Array, inlined, kernel
from limbeck.representations.rasterize.projection import (
    Lens,
    axes,
    dot,
    in_camera,
    jacobian_rows,
    limited,
    read_row,
    root_of,
    rotation_columns,
    scaled_sum,
    spread,
    unit_quaternion,
)


@inlined
@no_type_check
def _covariance_gradient(v_root, l0, l1, l2):
    """Return the gradient (xx, xy, yy) for the 2D covariance as a symmetric matrix, given that for its root."""
    # With q = L d and S the sum over pixels of -dloss/dsigma * q q^T, v_root = -S L^-T and v_covariance = L^T S L / 2.
    s11 = -v_root[2] * l2
    s01 = -v_root[1] * l2
    s00 = -v_root[0] * l0 - v_root[1] * l1
    xx = l0 * l0 * s00
    xy = l0 * (l1 * s00 + l2 * s01)
    yy = l1 * l1 * s00 + 2.0 * l1 * l2 * s01 + l2 * l2 * s11
    return 0.5 * xx, 0.5 * xy, 0.5 * yy


@inlined
@no_type_check
def _mean_gradient(camera, slope_x, slope_y, per_z, v_mean2d, v_depth, v_row_x, v_row_y):
    """Return the gradient for the mean in world space."""
    fx, fy = camera[12] * per_z, camera[13] * per_z
    axis_x, axis_y, axis_z = axes(camera)
    sx, sy = limited(camera, slope_x, slope_y)
    free_x, free_y = 1.0 if sx == slope_x else 0.0, 1.0 if sy == slope_y else 0.0
    # J = [[fx/z, 0, -fx sx/z], [0, fy/z, -fy sy/z]], where sx = x/z unless limited.
    v_fx, v_fy = dot(v_row_x, axis_x), dot(v_row_y, axis_y)
    v_sx, v_sy = dot(v_row_x, axis_z), dot(v_row_y, axis_z)
    vx = fx * (v_mean2d[0] - free_x * v_sx * per_z)
    vy = fy * (v_mean2d[1] - free_y * v_sy * per_z)
    vz = (
        v_depth
        - fx * (slope_x * v_mean2d[0] + (v_fx - (1.0 + free_x) * sx * v_sx) * per_z)
        - fy * (slope_y * v_mean2d[1] + (v_fy - (1.0 + free_y) * sy * v_sy) * per_z)
    )
    return scaled_sum(1.0, scaled_sum(vx, axis_x, vy, axis_y), vz, axis_z)


@inlined
@no_type_check
def _quaternion_gradient(w, x, y, z, inverse_norm, v):
    """Return the gradient for the quaternion before normalisation; v[j][i] is that of column j, row i of R."""
    vw = 2.0 * (x * (v[1][2] - v[2][1]) + y * (v[2][0] - v[0][2]) + z * (v[0][1] - v[1][0]))
    vx = 2.0 * (
        y * (v[0][1] + v[1][0]) + z * (v[0][2] + v[2][0]) + w * (v[1][2] - v[2][1]) - 2.0 * x * (v[1][1] + v[2][2])
    )
    vy = 2.0 * (
        x * (v[0][1] + v[1][0]) + z * (v[1][2] + v[2][1]) + w * (v[2][0] - v[0][2]) - 2.0 * y * (v[0][0] + v[2][2])
    )
    vz = 2.0 * (
        x * (v[0][2] + v[2][0]) + y * (v[1][2] + v[2][1]) + w * (v[0][1] - v[1][0]) - 2.0 * z * (v[0][0] + v[1][1])
    )
    along = vw * w + vx * x + vy * y + vz * z
    return (
        (vw - along * w) * inverse_norm,
        (vx - along * x) * inverse_norm,
        (vy - along * y) * inverse_norm,
        (vz - along * z) * inverse_norm,
    )


@inlined
@no_type_check
def _one_camera_gradient(mean, columns, scale, camera, eps2d, v_mean2d, v_depth, v_root):
    """Return the gradients for the mean and for the three columns of R diag(s), from one camera."""
    slope_x, slope_y, _, per_z = in_camera(camera, mean)
    sx, sy = limited(camera, slope_x, slope_y)
    row_x, row_y = jacobian_rows(camera, sx, sy, per_z)
    ax, ay = spread(row_x, columns, scale), spread(row_y, columns, scale)
    l0, l1, l2 = root_of(dot(ax, ax) + eps2d, dot(ax, ay), dot(ay, ay) + eps2d)
    gxx, gxy, gyy = _covariance_gradient(v_root, l0, l1, l2)
    v_ax, v_ay = scaled_sum(2.0 * gxx, ax, 2.0 * gxy, ay), scaled_sum(2.0 * gxy, ax, 2.0 * gyy, ay)
    v_row_x, v_row_y = (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)
    for j in range(3):
        v_row_x = scaled_sum(1.0, v_row_x, v_ax[j] * scale[j], columns[j])
        v_row_y = scaled_sum(1.0, v_row_y, v_ay[j] * scale[j], columns[j])
    v_mean = _mean_gradient(camera, slope_x, slope_y, per_z, v_mean2d, v_depth, v_row_x, v_row_y)
    return (
        v_mean,
        scaled_sum(v_ax[0], row_x, v_ay[0], row_y),
        scaled_sum(v_ax[1], row_x, v_ay[1], row_y),
        scaled_sum(v_ax[2], row_x, v_ay[2], row_y),
    )


@kernel
@no_type_check
def project_backward(
    chunk: int,
    chunks: int,
    means: Float32Array,
    quats: Float32Array,
    scales: Float32Array,
    cameras: Float64Array,
    lens: Lens,
    radii: Int32Array,
    v_means2d: Float32Array,
    v_depths: Float32Array,
    v_roots: Float32Array,
    v_means: Float32Array,
    v_quats: Float32Array,
    v_scales: Float32Array,
) -> None:
    """Fill the gradients for means [N,3], quats [N,4] and scales [N,3], summed over the cameras in their order."""
    count = means.shape[0]
    for g in range(count * chunk // chunks, count * (chunk + 1) // chunks):
        w, x, y, z, inverse_norm = unit_quaternion(quats, g)
        columns = rotation_columns(w, x, y, z)
        mean, scale = read_row(means, g), read_row(scales, g)
        zero = (0.0, 0.0, 0.0)
        v_mean, v0, v1, v2 = zero, zero, zero, zero
        for c in range(cameras.shape[0]):
            if radii[c, g, 0] > 0:
                v_mean2d = (np.float64(v_means2d[c, g, 0]), np.float64(v_means2d[c, g, 1]))
                from_camera = _one_camera_gradient(
                    mean, columns, scale, cameras[c], lens.eps2d, v_mean2d, v_depths[c, g], read_row(v_roots[c], g)
                )
                v_mean = scaled_sum(1.0, v_mean, 1.0, from_camera[0])
                v0 = scaled_sum(1.0, v0, 1.0, from_camera[1])
                v1 = scaled_sum(1.0, v1, 1.0, from_camera[2])
                v2 = scaled_sum(1.0, v2, 1.0, from_camera[3])
        v_rotation = (
            scaled_sum(scale[0], v0, 0.0, zero),
            scaled_sum(scale[1], v1, 0.0, zero),
            scaled_sum(scale[2], v2, 0.0, zero),
        )
        v_quats[g, 0], v_quats[g, 1], v_quats[g, 2], v_quats[g, 3] = _quaternion_gradient(
            w, x, y, z, inverse_norm, v_rotation
        )
        v_means[g, 0], v_means[g, 1], v_means[g, 2] = v_mean
        v_scales[g, 0], v_scales[g, 1], v_scales[g, 2] = dot(columns[0], v0), dot(columns[1], v1), dot(columns[2], v2)
