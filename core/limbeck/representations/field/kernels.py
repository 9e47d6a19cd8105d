# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""March rays through a voxel grid, forward and backward, as numba kernels.

Emission and absorption (Max 1995; NeRF, arXiv:2003.08934, eq. 3), at samples a fixed distance dt apart on every ray:

    a_i = 1 - exp(-sigma_i dt)      T_i = prod_{j<i} (1 - a_j)      w_i = T_i a_i      image = sum_i w_i f_i

With g_i the gradient of the loss with respect to w_i, and S_i the sum of w_j g_j over all j behind i,

    dL/dsigma_i = dt (T_{i+1} g_i - S_i)

so that backward walks the same way as forward: S_i is the whole sum, known from the images, less what was passed.
sigma is DENSITY softplus(raw), activated after interpolation, which makes surfaces sharper than cells (DVGO,
arXiv:2111.11215, section 4.2). Colours are interpolated as they are.

Images do not depend on the number of threads; nor do gradients, which SLOTS copies of the grid collect.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, no_type_check

import numba

DENSITY = 30.0
"""Density per world unit at softplus(raw) = 1."""
BLOCK = 4
"""Cells along the side of a block that is skipped as a whole."""
SLOTS = 4
NEAR = 0.01
OPAQUE = 1e-4
"""A ray ends when less light than this is left."""
RGB, ALPHA, DEPTH, AWAY, MEDIAN, NORMAL, CHANNELS = 0, 3, 4, 5, 6, 7, 10
"""Channels of what ``march`` writes; up to AWAY they have gradients."""

# Sums may not be reordered ("reassoc"): where LLVM compiles a loop twice and chooses by addresses, the order would not
# be the same from run to run.
FASTMATH = {"contract", "nsz", "arcp"}
kernel: Callable[..., Any] = partial(numba.njit, cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
inlined: Callable[..., Any] = partial(numba.njit, fastmath=FASTMATH, error_model="numpy", forceinline=True)


@inlined
@no_type_check
def _ray(camera, x, y):
    """Return a pixel's unit direction in the world and its cosine with the camera's axis."""
    u, v = (x + 0.5 - camera[14]) / camera[12], (y + 0.5 - camera[15]) / camera[13]
    length = math.sqrt(u * u + v * v + 1.0)
    dx = (camera[0] * u - camera[1] * v - camera[2]) / length
    dy = (camera[3] * u - camera[4] * v - camera[5]) / length
    dz = (camera[6] * u - camera[7] * v - camera[8]) / length
    return dx, dy, dz, 1.0 / length


@inlined
@no_type_check
def _clip(origin, direction, half, enter, leave):
    """Narrow the span of a ray in which one coordinate is inside the box."""
    if abs(direction) < 1e-12:
        return (enter, leave) if abs(origin) <= half else (1.0, 0.0)
    one, other = (-half - origin) / direction, (half - origin) / direction
    return max(enter, min(one, other)), min(leave, max(one, other))


@inlined
@no_type_check
def _span(camera, dx, dy, dz, half):
    """Return where a ray enters and leaves the box, in front of the camera."""
    enter, leave = _clip(camera[9], dx, half, NEAR, 1e30)
    enter, leave = _clip(camera[10], dy, half, enter, leave)
    return _clip(camera[11], dz, half, enter, leave)


@inlined
@no_type_check
def _locate(camera, dx, dy, dz, t, half, R):
    """Return the cell of a point on a ray, and where in it the point is, 0 to 1."""
    scale = (R - 1) / (2.0 * half)
    gx = min(max((camera[9] + t * dx + half) * scale, 0.0), R - 1.0)
    gy = min(max((camera[10] + t * dy + half) * scale, 0.0), R - 1.0)
    gz = min(max((camera[11] + t * dz + half) * scale, 0.0), R - 1.0)
    ix, iy, iz = min(int(gx), R - 2), min(int(gy), R - 2), min(int(gz), R - 2)
    return ix, iy, iz, gx - ix, gy - iy, gz - iz


@inlined
@no_type_check
def _interpolate(values, ix, iy, iz, fx, fy, fz):
    """Return the raw density and the colour at a point of a cell."""
    raw = red = green = blue = 0.0
    for corner in range(8):
        i, j, k = corner >> 2, (corner >> 1) & 1, corner & 1
        weight = (fx if i else 1.0 - fx) * (fy if j else 1.0 - fy) * (fz if k else 1.0 - fz)
        node = values[ix + i, iy + j, iz + k]
        raw += weight * node[0]
        red += weight * node[1]
        green += weight * node[2]
        blue += weight * node[3]
    return raw, red, green, blue


@inlined
@no_type_check
def _slope(values, ix, iy, iz, fx, fy, fz):
    """Return the gradient of the raw density within a cell, per cell, and its length."""
    sx = sy = sz = 0.0
    for corner in range(8):
        i, j, k = corner >> 2, (corner >> 1) & 1, corner & 1
        wx, wy, wz = (fx if i else 1.0 - fx), (fy if j else 1.0 - fy), (fz if k else 1.0 - fz)
        raw = values[ix + i, iy + j, iz + k, 0]
        sx += (1.0 if i else -1.0) * wy * wz * raw
        sy += wx * (1.0 if j else -1.0) * wz * raw
        sz += wx * wy * (1.0 if k else -1.0) * raw
    return sx, sy, sz, max(math.sqrt(sx * sx + sy * sy + sz * sz), 1e-8)


@inlined
@no_type_check
def _softplus(raw):
    """Return softplus and its derivative."""
    if raw > 20.0:
        return raw, 1.0
    power = math.exp(raw)
    return math.log1p(power), power / (1.0 + power)


@inlined
@no_type_check
def _march_ray(values, occupancy, camera, half, step, x, y, with_slopes, pixel):
    R = values.shape[0]
    dx, dy, dz, cosine = _ray(camera, x, y)
    enter, leave = _span(camera, dx, dy, dz, half)
    T, red, green, blue, depth, median, away = 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    nx, ny, nz = 0.0, 0.0, 0.0
    for k in range(max(0, math.ceil((leave - enter) / step - 0.5))):
        t = enter + (k + 0.5) * step
        ix, iy, iz, fx, fy, fz = _locate(camera, dx, dy, dz, t, half, R)
        if not occupancy[ix // BLOCK, iy // BLOCK, iz // BLOCK]:
            continue
        raw, r, g, b = _interpolate(values, ix, iy, iz, fx, fy, fz)
        w = T * (1.0 - math.exp(-DENSITY * step * _softplus(raw)[0]))
        red, green, blue, depth = red + w * r, green + w * g, blue + w * b, depth + w * t * cosine
        if T > 0.5 and T - w <= 0.5:
            median = t * cosine
        T -= w
        if with_slopes:
            sx, sy, sz, length = _slope(values, ix, iy, iz, fx, fy, fz)
            nx, ny, nz = nx - w * sx / length, ny - w * sy / length, nz - w * sz / length
            facing = max(0.0, -(sx * dx + sy * dy + sz * dz) / length)
            away += w * facing * facing
        if T < OPAQUE:
            break
    pixel[RGB], pixel[RGB + 1], pixel[RGB + 2], pixel[ALPHA] = red, green, blue, 1.0 - T
    pixel[DEPTH], pixel[AWAY], pixel[MEDIAN] = depth, away, median
    pixel[NORMAL], pixel[NORMAL + 1], pixel[NORMAL + 2] = nx, ny, nz


@kernel
@no_type_check
def march(chunk, chunks, values, occupancy, cameras, half, step, with_slopes, images):
    """Fill images [V, H, W, CHANNELS] with sums over rays: premultiplied colour, alpha, depth times alpha and so on.

    Args:
        values: raw density, then colour, by node [R, R, R, 4].
        occupancy: which blocks of cells may hold something.
        cameras: rows of c2w's rotation (OpenGL axes), position, fx, fy, cx, cy [V, 16], float64.
        half: half the side of the box, in world units.
        step: distance of samples.
        with_slopes: whether to fill AWAY and NORMAL too.
    """
    views, H, W, _ = images.shape
    for row in range(views * H * chunk // chunks, views * H * (chunk + 1) // chunks):
        for x in range(W):
            view, y = row // H, row % H
            _march_ray(values, occupancy, cameras[view], half, step, x, y, with_slopes, images[view, y, x])


@inlined
@no_type_check
def _scatter(v_values, ix, iy, iz, fx, fy, fz, v_raw, v_red, v_green, v_blue):
    for corner in range(8):
        i, j, k = corner >> 2, (corner >> 1) & 1, corner & 1
        weight = (fx if i else 1.0 - fx) * (fy if j else 1.0 - fy) * (fz if k else 1.0 - fz)
        node = v_values[ix + i, iy + j, iz + k]
        node[0] += weight * v_raw
        node[1] += weight * v_red
        node[2] += weight * v_green
        node[3] += weight * v_blue


@inlined
@no_type_check
def _scatter_slope(v_values, ix, iy, iz, fx, fy, fz, vx, vy, vz):
    for corner in range(8):
        i, j, k = corner >> 2, (corner >> 1) & 1, corner & 1
        wx, wy, wz = (fx if i else 1.0 - fx), (fy if j else 1.0 - fy), (fz if k else 1.0 - fz)
        along = (vx if i else -vx) * wy * wz + wx * (vy if j else -vy) * wz + wx * wy * (vz if k else -vz)
        v_values[ix + i, iy + j, iz + k, 0] += along


@inlined
@no_type_check
def _unmarch_ray(values, occupancy, camera, half, step, x, y, pixel, v_pixel, v_values):
    R, v_away = values.shape[0], v_pixel[AWAY]
    dx, dy, dz, cosine = _ray(camera, x, y)
    enter, leave = _span(camera, dx, dy, dz, half)
    behind = 0.0
    for channel in range(AWAY):  # the weights in AWAY count as constant
        behind += v_pixel[channel] * pixel[channel]
    T = 1.0
    for k in range(max(0, math.ceil((leave - enter) / step - 0.5))):
        t = enter + (k + 0.5) * step
        ix, iy, iz, fx, fy, fz = _locate(camera, dx, dy, dz, t, half, R)
        if not occupancy[ix // BLOCK, iy // BLOCK, iz // BLOCK]:
            continue
        raw, r, g, b = _interpolate(values, ix, iy, iz, fx, fy, fz)
        density, slope = _softplus(raw)
        w = T * (1.0 - math.exp(-DENSITY * step * density))
        v_w = v_pixel[0] * r + v_pixel[1] * g + v_pixel[2] * b + v_pixel[ALPHA] + v_pixel[DEPTH] * t * cosine
        T -= w
        behind -= w * v_w
        v_raw = DENSITY * step * slope * (T * v_w - behind)
        _scatter(v_values, ix, iy, iz, fx, fy, fz, v_raw, w * v_pixel[0], w * v_pixel[1], w * v_pixel[2])
        if v_away != 0.0:
            sx, sy, sz, length = _slope(values, ix, iy, iz, fx, fy, fz)
            facing = max(0.0, -(sx * dx + sy * dy + sz * dz) / length)
            scale = (
                -2.0 * v_away * w * facing / length
            )  # facing's gradient is -(d - facing n) / length, n = -s / length
            along = facing / length
            vx, vy, vz = scale * (dx + along * sx), scale * (dy + along * sy), scale * (dz + along * sz)
            _scatter_slope(v_values, ix, iy, iz, fx, fy, fz, vx, vy, vz)
        if T < OPAQUE:
            break


@kernel
@no_type_check
def unmarch(chunk, chunks, values, occupancy, cameras, half, step, images, v_images, v_values):
    """Add the gradients of ``march`` to v_values [SLOTS, R, R, R, 4], which must be zero on entry.

    Args:
        images: what ``march`` wrote.
        v_images: gradients of its channels up to AWAY.
    """
    views, H, W, _ = images.shape
    for slot in range(chunk, SLOTS, chunks):
        for row in range(views * H * slot // SLOTS, views * H * (slot + 1) // SLOTS):
            view, y = row // H, row % H
            for x in range(W):
                pixel, v_pixel = images[view, y, x], v_images[view, y, x]
                _unmarch_ray(values, occupancy, cameras[view], half, step, x, y, pixel, v_pixel, v_values[slot])
