# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Which face every pixel sees, as a numba kernel: the part of rasterising that has no gradient."""

from __future__ import annotations

import math
from typing import no_type_check

from numba import njit

NEAR = 1e-3


@njit(cache=True, nogil=True)
@no_type_check
def find_faces(chunk, chunks, pixels, z, faces, found, nearness):
    """Write into found [V, H, W] which face is nearest at every pixel's centre; -1 is none.

    Both sides of a face are seen. Of equally near faces the first wins. Faces that reach behind the near plane are left
    out.

    Args:
        pixels: projected vertices [V, N, 2], float64; a pixel's centre is at +0.5.
        z: their camera z [V, N], float64.
        faces: vertex numbers [F, 3].
        found: -1 everywhere on entry.
        nearness: 0 everywhere on entry [V, H, W], float64; 1 / z of what was found.
    """
    views, H, W = found.shape
    for view in range(views * chunk // chunks, views * (chunk + 1) // chunks):
        for face in range(len(faces)):
            a, b, c = faces[face]
            za, zb, zc = z[view, a], z[view, b], z[view, c]
            if min(za, zb, zc) <= NEAR:
                continue
            ax, ay = pixels[view, a]
            bx, by = pixels[view, b]
            cx, cy = pixels[view, c]
            area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
            if area == 0.0 or not math.isfinite(area):
                continue
            first_row = max(0, math.ceil(min(ay, by, cy) - 0.5))
            last_row = min(H - 1, math.floor(max(ay, by, cy) - 0.5))
            first_column = max(0, math.ceil(min(ax, bx, cx) - 0.5))
            last_column = min(W - 1, math.floor(max(ax, bx, cx) - 0.5))
            for row in range(first_row, last_row + 1):
                for column in range(first_column, last_column + 1):
                    x, y = column + 0.5, row + 0.5
                    wa = ((bx - x) * (cy - y) - (by - y) * (cx - x)) / area
                    wb = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) / area
                    wc = 1.0 - wa - wb
                    if min(wa, wb, wc) < -1e-9:  # a pixel on a shared edge must not fall between its faces by rounding
                        continue
                    near = wa / za + wb / zb + wc / zc
                    if near > nearness[view, row, column]:
                        nearness[view, row, column] = near
                        found[view, row, column] = face


@njit(cache=True, nogil=True)
@no_type_check
def find_cuts(chunk, chunks, pixels, z, edges, nearness, cuts, reaches):
    """Find which outline passes between every two neighbouring pixels' centres, one of which sees a nearer surface.

    An edge is on an outline if the faces on its two sides appear on the same side of it. Of several between two pixels
    the one that is farthest from the nearer surface's pixel counts: up to there something is covered.

    Args:
        pixels, z: as ``find_faces`` takes them.
        edges: both ends and the third vertices of the faces on either side [E, 4], -1 where there is none.
        nearness: what ``find_faces`` wrote.
        cuts: both ends of the edge that passes between a pixel and the next along x (0) and y (1), and whether the
            surface is on the next one's side [2, V, H, W, 3]; -1 everywhere on entry.
        reaches: how far it is from the nearer surface's pixel, 0 to 1 [2, V, H, W]; -1 everywhere on entry.
    """
    for view in range(nearness.shape[0] * chunk // chunks, nearness.shape[0] * (chunk + 1) // chunks):
        for edge in edges:
            p, q = pixels[view, edge[0]], pixels[view, edge[1]]
            near_p, near_q = z[view, edge[0]], z[view, edge[1]]
            if min(near_p, near_q) <= NEAR:
                continue
            side = _side(p, q, pixels[view, edge[2]])
            if edge[3] >= 0 and side * _side(p, q, pixels[view, edge[3]]) <= 0.0:
                continue
            for axis in range(2):
                found = (cuts[axis, view], reaches[axis, view])
                _cut(axis, p, q, 1.0 / near_p, 1.0 / near_q, side, edge, nearness[view], found)


@njit(cache=True, nogil=True)
@no_type_check
def _side(p, q, r):
    return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])


@njit(cache=True, nogil=True)
@no_type_check
def _cut(axis, p, q, near_p, near_q, side, edge, nearness, found):
    """Note an outline's crossings with the lines through pixels' centres along an axis.

    Steep edges cut rows and flat ones columns, never both: what they cover would count twice.
    """
    cuts, reaches = found
    other = 1 - axis
    extent = q[other] - p[other]
    across = abs(q[axis] - p[axis])
    if abs(extent) < across or (axis == 1 and abs(extent) == across) or extent == 0.0:
        return
    is_after = (side * extent < 0.0) == (axis == 0)  # the surface lies towards higher coordinates
    length = nearness.shape[1 - axis]
    first = max(0, math.ceil(min(p[other], q[other]) - 0.5))
    last = min(nearness.shape[axis] - 1, math.floor(max(p[other], q[other]) - 0.5))
    for line in range(first, last + 1):
        share = (line + 0.5 - p[other]) / extent
        place = p[axis] + share * (q[axis] - p[axis]) - 0.5
        before = math.floor(place)
        if before < 0 or before + 1 >= length:
            continue
        row, column = (line, before) if axis == 0 else (before, line)
        one, two = nearness[row, column], nearness[row + axis, column + other]
        front, back = (two, one) if is_after else (one, two)
        reach = before + 1 - place if is_after else place - before
        if front <= back or near_p + share * (near_q - near_p) <= back or reach <= reaches[row, column]:
            continue
        reaches[row, column] = reach
        cuts[row, column, 0], cuts[row, column, 1], cuts[row, column, 2] = edge[0], edge[1], is_after
