# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Project 3D Gaussians to 2D and back-propagate, as numba kernels (EWA splatting, gsplat's conventions).

Arithmetic is float64: there are few Gaussians compared with pixels, and the 2D covariance of an elongated Gaussian
loses most of its digits in float32. Storage is float32.

With J the Jacobian of the projection, W the camera's rotation, R and s the Gaussian's rotation and scales, the 2D
covariance is A A^T + eps2d I with A = J W R diag(s), and the kernels blend with its *root*: the upper-triangular L with
L^T L = covariance^-1. |L d|^2 can be neither negative nor far off, whatever the rounding, and gradients through L lose
fewer digits than through the inverse itself.
"""

import math
from typing import NamedTuple, no_type_check

import numpy as np

from limbeck.representations.rasterize.jit import Float32Array, Int32Array, inlined, kernel

MIN_ALPHA = 1.0 / 255.0
MAX_SIGMAS = 3.33
LARGEST_RADIUS = 1e9  # fits int32


class Lens(NamedTuple):
    """What projection needs to know beside the cameras; lengths in world units or pixels."""

    width: float
    height: float
    near_plane: float
    far_plane: float
    eps2d: float
    radius_clip: float


@inlined
@no_type_check
def _dot(u, v):
    return u[0] * v[0] + u[1] * v[1] + u[2] * v[2]


@inlined
@no_type_check
def _scaled_sum(a, u, b, v):
    return (a * u[0] + b * v[0], a * u[1] + b * v[1], a * u[2] + b * v[2])


@inlined
@no_type_check
def _row(matrix, i):
    return (np.float64(matrix[i, 0]), np.float64(matrix[i, 1]), np.float64(matrix[i, 2]))


@inlined
@no_type_check
def _unit_quaternion(quats, g):
    w, x, y, z = np.float64(quats[g, 0]), np.float64(quats[g, 1]), np.float64(quats[g, 2]), np.float64(quats[g, 3])
    inverse_norm = 1.0 / max(math.sqrt(w * w + x * x + y * y + z * z), 1e-12)
    return w * inverse_norm, x * inverse_norm, y * inverse_norm, z * inverse_norm, inverse_norm


@inlined
@no_type_check
def _rotation_columns(w, x, y, z):
    return (
        (1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y + w * z), 2.0 * (x * z - w * y)),
        (2.0 * (x * y - w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z + w * x)),
        (2.0 * (x * z + w * y), 2.0 * (y * z - w * x), 1.0 - 2.0 * (x * x + y * y)),
    )


@inlined
@no_type_check
def _clamped_slope(slope, centre, focal, size):
    """Return the slope the Jacobian is taken at, and 1 if it still follows the mean (gsplat clamps far off-screen)."""
    margin = 0.3 * 0.5 * size / focal
    low, high = -centre / focal - margin, (size - centre) / focal + margin
    return min(max(slope, low), high), 1.0 if low <= slope <= high else 0.0


@inlined
@no_type_check
def _in_camera(view, mean):
    return (
        _dot(_row(view, 0), mean) + view[0, 3],
        _dot(_row(view, 1), mean) + view[1, 3],
        _dot(_row(view, 2), mean) + view[2, 3],
    )


@inlined
@no_type_check
def _jacobian_rows(view, K, slope_x, slope_y, z):
    """Return the two rows of J W."""
    fx, fy = np.float64(K[0, 0]) / z, np.float64(K[1, 1]) / z
    last = _row(view, 2)
    return _scaled_sum(fx, _row(view, 0), -fx * slope_x, last), _scaled_sum(fy, _row(view, 1), -fy * slope_y, last)


@inlined
@no_type_check
def _spread(row, columns, scale):
    """Return one row of A = J W R diag(s)."""
    return (_dot(row, columns[0]) * scale[0], _dot(row, columns[1]) * scale[1], _dot(row, columns[2]) * scale[2])


@inlined
@no_type_check
def _root(xx, xy, yy):
    """Return L with L^T L = inverse of the covariance [[xx, xy], [xy, yy]], upper triangle (l0, l1, l2)."""
    det = xx * yy - xy * xy
    l2 = 1.0 / math.sqrt(yy)
    l0 = math.sqrt(yy / det)
    return l0, -xy / math.sqrt(yy * det), l2


@inlined
@no_type_check
def _radii(mx, my, xx, yy, opacity, lens):
    """Return the half-size in pixels of the box outside which alpha < 1/255, or zeros if it misses the image."""
    extent = min(MAX_SIGMAS, math.sqrt(2.0 * math.log(opacity / MIN_ALPHA)))
    rx, ry = math.ceil(extent * math.sqrt(xx)), math.ceil(extent * math.sqrt(yy))
    on_screen = mx + rx > 0.0 and mx - rx < lens.width and my + ry > 0.0 and my - ry < lens.height
    # Not "if outside: drop": a comparison with NaN is false, and NaN must be dropped as well.
    if on_screen and max(rx, ry) > lens.radius_clip:
        return np.int32(min(rx, LARGEST_RADIUS)), np.int32(min(ry, LARGEST_RADIUS))
    return np.int32(0), np.int32(0)


@inlined
@no_type_check
def _project_one(mean, columns, scale, opacity, view, K, lens):
    """Return (rx, ry, mean x, mean y, depth, l0, l1, l2) of one Gaussian in one camera; rx = 0 if it is not seen."""
    x, y, z = _in_camera(view, mean)
    unseen = (np.int32(0), np.int32(0), 0.0, 0.0, z, 0.0, 0.0, 0.0)
    if not (lens.near_plane <= z <= lens.far_plane and opacity >= MIN_ALPHA):
        return unseen
    mx, my = K[0, 0] * (x / z) + K[0, 2], K[1, 1] * (y / z) + K[1, 2]
    slope_x, _ = _clamped_slope(x / z, K[0, 2], K[0, 0], lens.width)
    slope_y, _ = _clamped_slope(y / z, K[1, 2], K[1, 1], lens.height)
    row_x, row_y = _jacobian_rows(view, K, slope_x, slope_y, z)
    ax, ay = _spread(row_x, columns, scale), _spread(row_y, columns, scale)
    xx, xy, yy = _dot(ax, ax) + lens.eps2d, _dot(ax, ay), _dot(ay, ay) + lens.eps2d
    if not 0.0 < xx * yy - xy * xy < math.inf:
        return unseen
    rx, ry = _radii(mx, my, xx, yy, opacity, lens)
    l0, l1, l2 = _root(xx, xy, yy)
    return rx, ry, mx, my, z, l0, l1, l2


@kernel
@no_type_check
def project(
    chunk: int,
    chunks: int,
    means: Float32Array,
    quats: Float32Array,
    scales: Float32Array,
    opacities: Float32Array,
    viewmats: Float32Array,
    Ks: Float32Array,
    lens: Lens,
    radii: Int32Array,
    means2d: Float32Array,
    depths: Float32Array,
    roots: Float32Array,
) -> None:
    """Fill radii [C,N,2] px, means2d [C,N,2] px, depths [C,N] and roots [C,N,3]; radii 0 means not seen."""
    count = means.shape[0]
    for g in range(count * chunk // chunks, count * (chunk + 1) // chunks):
        w, x, y, z, _ = _unit_quaternion(quats, g)
        columns = _rotation_columns(w, x, y, z)
        mean, scale = _row(means, g), _row(scales, g)
        for c in range(viewmats.shape[0]):
            rx, ry, mx, my, depth, l0, l1, l2 = _project_one(
                mean, columns, scale, np.float64(opacities[g]), viewmats[c], Ks[c], lens
            )
            radii[c, g, 0], radii[c, g, 1] = rx, ry
            means2d[c, g, 0], means2d[c, g, 1] = mx, my
            depths[c, g] = depth
            roots[c, g, 0], roots[c, g, 1], roots[c, g, 2] = l0, l1, l2


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
def _mean_gradient(x, y, z, view, K, lens, v_mean2d, v_depth, v_row_x, v_row_y):
    """Return the gradient for the mean in world space."""
    fx, fy = np.float64(K[0, 0]), np.float64(K[1, 1])
    sx, free_x = _clamped_slope(x / z, K[0, 2], fx, lens.width)
    sy, free_y = _clamped_slope(y / z, K[1, 2], fy, lens.height)
    last = _row(view, 2)
    # J = [[fx/z, 0, -fx sx/z], [0, fy/z, -fy sy/z]], where sx = x/z unless clamped.
    v_fx, v_fy = _dot(v_row_x, _row(view, 0)), _dot(v_row_y, _row(view, 1))
    v_sx, v_sy = _dot(v_row_x, last), _dot(v_row_y, last)
    vx = fx / z * (v_mean2d[0] - free_x * v_sx / z)
    vy = fy / z * (v_mean2d[1] - free_y * v_sy / z)
    vz = (
        v_depth
        - fx / (z * z) * (x * v_mean2d[0] + v_fx - (1.0 + free_x) * sx * v_sx)
        - fy / (z * z) * (y * v_mean2d[1] + v_fy - (1.0 + free_y) * sy * v_sy)
    )
    return _scaled_sum(1.0, _scaled_sum(vx, _row(view, 0), vy, _row(view, 1)), vz, last)


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
def _one_camera_gradient(mean, columns, scale, view, K, lens, v_mean2d, v_depth, v_root):
    """Return the gradients for the mean and for the three columns of R diag(s), from one camera."""
    x, y, z = _in_camera(view, mean)
    slope_x, _ = _clamped_slope(x / z, K[0, 2], K[0, 0], lens.width)
    slope_y, _ = _clamped_slope(y / z, K[1, 2], K[1, 1], lens.height)
    row_x, row_y = _jacobian_rows(view, K, slope_x, slope_y, z)
    ax, ay = _spread(row_x, columns, scale), _spread(row_y, columns, scale)
    l0, l1, l2 = _root(_dot(ax, ax) + lens.eps2d, _dot(ax, ay), _dot(ay, ay) + lens.eps2d)
    gxx, gxy, gyy = _covariance_gradient(v_root, l0, l1, l2)
    v_ax, v_ay = _scaled_sum(2.0 * gxx, ax, 2.0 * gxy, ay), _scaled_sum(2.0 * gxy, ax, 2.0 * gyy, ay)
    v_row_x, v_row_y = (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)
    for j in range(3):
        v_row_x = _scaled_sum(1.0, v_row_x, v_ax[j] * scale[j], columns[j])
        v_row_y = _scaled_sum(1.0, v_row_y, v_ay[j] * scale[j], columns[j])
    v_mean = _mean_gradient(x, y, z, view, K, lens, v_mean2d, v_depth, v_row_x, v_row_y)
    return (
        v_mean,
        _scaled_sum(v_ax[0], row_x, v_ay[0], row_y),
        _scaled_sum(v_ax[1], row_x, v_ay[1], row_y),
        _scaled_sum(v_ax[2], row_x, v_ay[2], row_y),
    )


@kernel
@no_type_check
def project_backward(
    chunk: int,
    chunks: int,
    means: Float32Array,
    quats: Float32Array,
    scales: Float32Array,
    viewmats: Float32Array,
    Ks: Float32Array,
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
        w, x, y, z, inverse_norm = _unit_quaternion(quats, g)
        columns = _rotation_columns(w, x, y, z)
        mean, scale = _row(means, g), _row(scales, g)
        zero = (0.0, 0.0, 0.0)
        v_mean, v0, v1, v2 = zero, zero, zero, zero
        for c in range(viewmats.shape[0]):
            if radii[c, g, 0] > 0:
                v_mean2d = (np.float64(v_means2d[c, g, 0]), np.float64(v_means2d[c, g, 1]))
                from_camera = _one_camera_gradient(
                    mean, columns, scale, viewmats[c], Ks[c], lens, v_mean2d, v_depths[c, g], _row(v_roots[c], g)
                )
                v_mean = _scaled_sum(1.0, v_mean, 1.0, from_camera[0])
                v0 = _scaled_sum(1.0, v0, 1.0, from_camera[1])
                v1 = _scaled_sum(1.0, v1, 1.0, from_camera[2])
                v2 = _scaled_sum(1.0, v2, 1.0, from_camera[3])
        v_rotation = (
            _scaled_sum(scale[0], v0, 0.0, zero),
            _scaled_sum(scale[1], v1, 0.0, zero),
            _scaled_sum(scale[2], v2, 0.0, zero),
        )
        v_quats[g, 0], v_quats[g, 1], v_quats[g, 2], v_quats[g, 3] = _quaternion_gradient(
            w, x, y, z, inverse_norm, v_rotation
        )
        v_means[g, 0], v_means[g, 1], v_means[g, 2] = v_mean
        v_scales[g, 0], v_scales[g, 1], v_scales[g, 2] = _dot(columns[0], v0), _dot(columns[1], v1), _dot(columns[2], v2)
