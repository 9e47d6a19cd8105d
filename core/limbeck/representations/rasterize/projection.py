# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Project 3D Gaussians to 2D, as a numba kernel (EWA splatting, gsplat's conventions).

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

from limbeck.representations.rasterize.jit import Float32Array, Float64Array, Int32Array, inlined, kernel

MAX_SIGMAS = 3.33
LARGEST_RADIUS = 1e9  # fits int32


class Lens(NamedTuple):
    """What is the same for all cameras; lengths in world units or pixels."""

    width: float
    height: float
    near_plane: float
    far_plane: float
    eps2d: float
    radius_clip: float


def camera_table(viewmats: Float32Array, Ks: Float32Array, lens: Lens) -> Float64Array:
    """Return [C, 20]: the first three rows of the view matrix, fx, fy, cx, cy, and limits of the slopes x/z and y/z.

    As in gsplat, the Jacobian is taken at most 30 % of a half-image off-screen, for it explodes far out.
    """
    focals, centres = Ks[:, (0, 1), (0, 1)].astype(np.float64), Ks[:, :2, 2].astype(np.float64)
    size = np.array([lens.width, lens.height])
    low, high = -(centres + 0.15 * size) / focals, (1.15 * size - centres) / focals
    rows = viewmats[:, :3].reshape(-1, 12).astype(np.float64)
    return np.concatenate([rows, focals, centres, low, high], axis=1)


@inlined
@no_type_check
def dot(u, v):
    """Return the scalar product of two vectors."""
    return u[0] * v[0] + u[1] * v[1] + u[2] * v[2]


@inlined
@no_type_check
def scaled_sum(a, u, b, v):
    """Return a u + b v."""
    return (a * u[0] + b * v[0], a * u[1] + b * v[1], a * u[2] + b * v[2])


@inlined
@no_type_check
def read_row(matrix, i):
    """Return the first three entries of a row, in float64."""
    return (np.float64(matrix[i, 0]), np.float64(matrix[i, 1]), np.float64(matrix[i, 2]))


@inlined
@no_type_check
def unit_quaternion(quats, g):
    """Return w, x, y, z normalised, and the inverse of the norm; zero stays zero, which is no rotation."""
    w, x, y, z = np.float64(quats[g, 0]), np.float64(quats[g, 1]), np.float64(quats[g, 2]), np.float64(quats[g, 3])
    inverse_norm = 1.0 / max(math.sqrt(w * w + x * x + y * y + z * z), 1e-12)
    return w * inverse_norm, x * inverse_norm, y * inverse_norm, z * inverse_norm, inverse_norm


@inlined
@no_type_check
def rotation_columns(w, x, y, z):
    """Return the columns of a unit quaternion's rotation matrix."""
    return (
        (1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y + w * z), 2.0 * (x * z - w * y)),
        (2.0 * (x * y - w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z + w * x)),
        (2.0 * (x * z + w * y), 2.0 * (y * z - w * x), 1.0 - 2.0 * (x * x + y * y)),
    )


@inlined
@no_type_check
def axes(camera):
    """Return the camera's x, y and z axes in world space."""
    return (camera[0], camera[1], camera[2]), (camera[4], camera[5], camera[6]), (camera[8], camera[9], camera[10])


@inlined
@no_type_check
def in_camera(camera, mean):
    """Return the slopes x/z and y/z, and z, of a point."""
    axis_x, axis_y, axis_z = axes(camera)
    z = dot(axis_z, mean) + camera[11]
    per_z = 1.0 / z
    return (dot(axis_x, mean) + camera[3]) * per_z, (dot(axis_y, mean) + camera[7]) * per_z, z, per_z


@inlined
@no_type_check
def limited(camera, slope_x, slope_y):
    """Return the slopes at which the Jacobian is taken."""
    return min(max(slope_x, camera[16]), camera[18]), min(max(slope_y, camera[17]), camera[19])


@inlined
@no_type_check
def jacobian_rows(camera, slope_x, slope_y, per_z):
    """Return the two rows of J W."""
    fx, fy = camera[12] * per_z, camera[13] * per_z
    axis_x, axis_y, axis_z = axes(camera)
    return scaled_sum(fx, axis_x, -fx * slope_x, axis_z), scaled_sum(fy, axis_y, -fy * slope_y, axis_z)


@inlined
@no_type_check
def spread(row, columns, scale):
    """Return one row of A = J W R diag(s)."""
    return (dot(row, columns[0]) * scale[0], dot(row, columns[1]) * scale[1], dot(row, columns[2]) * scale[2])


@inlined
@no_type_check
def root_of(xx, xy, yy):
    """Return L with L^T L = inverse of the covariance [[xx, xy], [xy, yy]], upper triangle (l0, l1, l2)."""
    det = xx * yy - xy * xy
    l2 = 1.0 / math.sqrt(yy)
    l0 = math.sqrt(yy / det)
    return l0, -xy / math.sqrt(yy * det), l2


@inlined
@no_type_check
def _radii(mx, my, xx, yy, threshold, lens):
    """Return the half-size in pixels of the box outside which alpha < 1/255, or zeros if it misses the image."""
    extent = min(MAX_SIGMAS, math.sqrt(threshold))
    rx, ry = math.ceil(extent * math.sqrt(xx)), math.ceil(extent * math.sqrt(yy))
    on_screen = mx + rx > 0.0 and mx - rx < lens.width and my + ry > 0.0 and my - ry < lens.height
    # Not "if outside: drop": a comparison with NaN is false, and NaN must be dropped as well.
    if on_screen and max(rx, ry) > lens.radius_clip:
        return np.int32(min(rx, LARGEST_RADIUS)), np.int32(min(ry, LARGEST_RADIUS))
    return np.int32(0), np.int32(0)


@inlined
@no_type_check
def _project_one(mean, columns, scale, threshold, camera, lens):
    """Return (rx, ry, mean x, mean y, depth, l0, l1, l2) of one Gaussian in one camera; rx = 0 if it is not seen."""
    slope_x, slope_y, z, per_z = in_camera(camera, mean)
    unseen = (np.int32(0), np.int32(0), 0.0, 0.0, z, 0.0, 0.0, 0.0)
    if not (lens.near_plane <= z <= lens.far_plane and threshold >= 0.0):
        return unseen
    mx, my = camera[12] * slope_x + camera[14], camera[13] * slope_y + camera[15]
    slope_x, slope_y = limited(camera, slope_x, slope_y)
    row_x, row_y = jacobian_rows(camera, slope_x, slope_y, per_z)
    ax, ay = spread(row_x, columns, scale), spread(row_y, columns, scale)
    xx, xy, yy = dot(ax, ax) + lens.eps2d, dot(ax, ay), dot(ay, ay) + lens.eps2d
    if not 0.0 < xx * yy - xy * xy < math.inf:
        return unseen
    rx, ry = _radii(mx, my, xx, yy, threshold, lens)
    l0, l1, l2 = root_of(xx, xy, yy)
    return rx, ry, mx, my, z, l0, l1, l2


@kernel
@no_type_check
def project(
    chunk: int,
    chunks: int,
    means: Float32Array,
    quats: Float32Array,
    scales: Float32Array,
    thresholds: Float64Array,
    cameras: Float64Array,
    lens: Lens,
    radii: Int32Array,
    means2d: Float32Array,
    depths: Float32Array,
    roots: Float32Array,
) -> None:
    """Fill radii [C,N,2] px, means2d [C,N,2] px, depths [C,N] and roots [C,N,3]; radii 0 means not seen.

    Args:
        thresholds: |L d|^2 at which alpha = 1/255, [N]; negative if opacity is less.
    """
    count = means.shape[0]
    for g in range(count * chunk // chunks, count * (chunk + 1) // chunks):
        w, x, y, z, _ = unit_quaternion(quats, g)
        columns = rotation_columns(w, x, y, z)
        mean, scale = read_row(means, g), read_row(scales, g)
        for c in range(cameras.shape[0]):
            rx, ry, mx, my, depth, l0, l1, l2 = _project_one(mean, columns, scale, thresholds[g], cameras[c], lens)
            radii[c, g, 0], radii[c, g, 1] = rx, ry
            means2d[c, g, 0], means2d[c, g, 1] = mx, my
            depths[c, g] = depth
            roots[c, g, 0], roots[c, g, 1], roots[c, g, 2] = l0, l1, l2
