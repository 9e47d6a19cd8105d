# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Ray tracing kernels: unit balls, cubes and cones met exactly, in each solid's own frame, and shaded."""

from __future__ import annotations

import math
from typing import no_type_check

import numpy as np
from numba import njit


@no_type_check
@njit(cache=True, nogil=True)
def trace(
    kinds,
    inverse,
    offset,
    center,
    reach,
    taper,
    color,
    is_main,
    pattern,
    c2w,
    tangent,
    samples,
    rgb,
    alpha,
    depth,
    normals,
):
    """Add up, per pixel, the share, colour, camera z and normal of what its rays meet."""
    size = alpha.shape[0]
    count = len(kinds)
    eye = c2w[:3, 3].copy()
    origin = np.empty((count, 3))
    for s in range(count):
        for axis in range(3):
            m = inverse[s, axis]
            origin[s, axis] = m[0] * eye[0] + m[1] * eye[1] + m[2] * eye[2] + offset[s, axis]
    share = 1.0 / (samples * samples)
    direction = np.empty(3)
    normal = np.empty(3)
    hit = np.empty(3)
    shade = np.empty(3)
    for row in range(size):
        for column in range(size):
            for sample in range(samples * samples):
                u = ((column + (sample % samples + 0.5) / samples) / size * 2 - 1) * tangent
                v = (1 - (row + (sample // samples + 0.5) / samples) / size * 2) * tangent
                length = math.sqrt(u * u + v * v + 1)
                for axis in range(3):
                    direction[axis] = (c2w[axis, 0] * u + c2w[axis, 1] * v - c2w[axis, 2]) / length
                best, distance = _nearest(kinds, inverse, origin, center, reach, taper, eye, direction, normal)
                if best < 0:
                    continue
                _to_world(inverse[best], normal)
                facing = -(normal[0] * direction[0] + normal[1] * direction[1] + normal[2] * direction[2])
                for axis in range(3):
                    hit[axis] = eye[axis] + distance * direction[axis]
                _shade(color[best], is_main[best], pattern, hit, normal, facing, direction, shade)
                alpha[row, column] += share
                depth[row, column] += share * distance / length
                for axis in range(3):
                    rgb[row, column, axis] += share * shade[axis]
                    normals[row, column, axis] += share * normal[axis]


@no_type_check
@njit(cache=True, nogil=True, inline="always")
def _to_world(inverse, normal):
    """Turn a unit solid's normal to the world's (by the inverse transpose) and to unit length, in place."""
    x = inverse[0, 0] * normal[0] + inverse[1, 0] * normal[1] + inverse[2, 0] * normal[2]
    y = inverse[0, 1] * normal[0] + inverse[1, 1] * normal[1] + inverse[2, 1] * normal[2]
    z = inverse[0, 2] * normal[0] + inverse[1, 2] * normal[1] + inverse[2, 2] * normal[2]
    length = math.sqrt(x * x + y * y + z * z + 1e-20)
    normal[0], normal[1], normal[2] = x / length, y / length, z / length


@no_type_check
@njit(cache=True, nogil=True)
def _shade(color, is_main, pattern, hit, normal, facing, direction, shade):
    """Light from the sky and from the camera; stripes, spots and gloss on the main parts."""
    light = 0.38 + 0.42 * (0.5 + 0.5 * normal[2]) + 0.28 * max(facing, 0.0)
    for axis in range(3):
        shade[axis] = color[axis]
    if is_main and pattern == 1:
        if math.floor(hit[2] / 0.16) % 2 == 0:
            _second_color(color, shade)
    elif is_main and pattern == 2:
        apart = 0.0
        for axis in range(3):
            cell = hit[axis] / 0.34 + 0.5 * (axis == 1)
            apart += (cell - math.floor(cell) - 0.5) ** 2
        if apart < 0.16:
            _second_color(color, shade)
    for axis in range(3):
        shade[axis] = min(1.0, shade[axis] * light)
    if is_main and pattern == 3:
        x = direction[0] + 2 * facing * normal[0]
        y = direction[1] + 2 * facing * normal[1]
        z = direction[2] + 2 * facing * normal[2]
        gloss = max(0.0, 0.35 * x - 0.5 * y + 0.79 * z) ** 24
        for axis in range(3):
            shade[axis] = min(1.0, 0.9 * shade[axis] + 0.9 * gloss + 0.09 * max(0.0, z) ** 2)


@no_type_check
@njit(cache=True, nogil=True, inline="always")
def _second_color(color, shade):
    """The pattern's other colour: near white, on bright grey parts dark."""
    is_bright = min(color[0], color[1], color[2]) > 0.7
    for axis in range(3):
        shade[axis] = 0.3 if is_bright else 0.96


@no_type_check
@njit(cache=True, nogil=True)
def _nearest(kinds, inverse, origin, center, reach, taper, eye, direction, normal):
    """Return (solid, distance) of the first hit, or (-1, 0), and write the unit solid's normal there."""
    best, nearest = -1, 1e9
    found = np.empty(3)
    for s in range(len(kinds)):
        along = 0.0
        apart = 0.0
        for axis in range(3):
            to_center = center[s, axis] - eye[axis]
            along += to_center * direction[axis]
            apart += to_center * to_center
        if apart - along * along > reach[s] * reach[s] or along - reach[s] > nearest:
            continue
        m, o = inverse[s], origin[s]
        a = m[0, 0] * direction[0] + m[0, 1] * direction[1] + m[0, 2] * direction[2]
        b = m[1, 0] * direction[0] + m[1, 1] * direction[1] + m[1, 2] * direction[2]
        c = m[2, 0] * direction[0] + m[2, 1] * direction[1] + m[2, 2] * direction[2]
        if kinds[s] == 0:
            distance = _meet_ball(o, a, b, c, found)
        elif kinds[s] == 1:
            distance = _meet_box(o, a, b, c, found)
        else:
            distance = _meet_cone(o, a, b, c, taper[s], found)
        if 1e-4 < distance < nearest:
            best, nearest = s, distance
            normal[0], normal[1], normal[2] = found[0], found[1], found[2]
    return best, nearest if best >= 0 else 0.0


@no_type_check
@njit(cache=True, nogil=True)
def _meet_ball(o, a, b, c, found):
    """Nearest positive t of o + t (a, b, c) on the unit ball, or -1."""
    square = a * a + b * b + c * c
    half = o[0] * a + o[1] * b + o[2] * c
    root = half * half - square * (o[0] * o[0] + o[1] * o[1] + o[2] * o[2] - 1)
    if root <= 0:
        return -1.0
    t = (-half - math.sqrt(root)) / square
    found[0], found[1], found[2] = o[0] + t * a, o[1] + t * b, o[2] + t * c
    return t


@no_type_check
@njit(cache=True, nogil=True)
def _meet_box(o, a, b, c, found):
    """The same on the cube [-1, 1]^3."""
    enter, leave, entered = -1e9, 1e9, 0
    for axis in range(3):
        step = a if axis == 0 else (b if axis == 1 else c)
        if abs(step) < 1e-12:
            if abs(o[axis]) > 1:
                return -1.0
            continue
        near, far = (-1 - o[axis]) / step, (1 - o[axis]) / step
        if near > far:
            near, far = far, near
        if near > enter:
            enter, entered = near, axis
        leave = min(leave, far)
    if enter >= leave or enter <= 0:
        return -1.0
    step = a if entered == 0 else (b if entered == 1 else c)
    found[0], found[1], found[2] = 0.0, 0.0, 0.0
    found[entered] = -1.0 if step > 0 else 1.0
    return enter


@no_type_check
@njit(cache=True, nogil=True)
def _meet_cone(o, a, b, c, taper, found):
    """The same on the cone of radius (1 + taper) / 2 + z (taper - 1) / 2 for z in -1 to 1, with its two caps."""
    middle, slope = (1 + taper) / 2, (taper - 1) / 2
    nearest = 1e9
    radius = middle + slope * o[2]
    square = a * a + b * b - slope * slope * c * c
    half = o[0] * a + o[1] * b - slope * c * radius
    rest = o[0] * o[0] + o[1] * o[1] - radius * radius
    root = half * half - square * rest
    if root > 0 and abs(square) > 1e-12:
        for sign in (-1.0, 1.0):
            t = (-half + sign * math.sqrt(root)) / square
            z = o[2] + t * c
            if 0 < t < nearest and -1 < z < 1 and middle + slope * z > 0:
                nearest = t
                found[0], found[1], found[2] = o[0] + t * a, o[1] + t * b, -slope * (middle + slope * z)
    if abs(c) > 1e-12:
        for sign in (-1.0, 1.0):
            t = (sign - o[2]) / c
            x, y = o[0] + t * a, o[1] + t * b
            rim = 1.0 if sign < 0 else taper
            if 0 < t < nearest and x * x + y * y <= rim * rim:
                nearest = t
                found[0], found[1], found[2] = 0.0, 0.0, sign
    return nearest if nearest < 1e9 else -1.0
