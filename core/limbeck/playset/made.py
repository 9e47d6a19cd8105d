# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Toys that people make and grow: vehicles, household things, buildings and plants. Front at -Y."""

from __future__ import annotations

import math

from limbeck.playset.animals import SIDES, Vary
from limbeck.playset.palette import (
    BEAK,
    CHALK,
    CHARCOAL,
    COFFEE,
    CREAM,
    DOUGH,
    GLASS,
    INK,
    LEAF,
    LIGHT,
    ROSE,
    STEEL,
    WOOD,
    darker,
)
from limbeck.playset.solids import Sculptor, arc, turn_x, turn_y, turn_z


def car(clay: Sculptor, vary: Vary) -> None:
    """Build a car: headlights and grille in front, red lamps behind."""
    length, width = vary(0.85), vary(0.42)
    clay.box((0, 0, -0.14), (width, length, 0.2), clay.main)
    clay.box((0, 0.1, 0.18), (width * 0.86, 0.46, 0.16), GLASS)
    clay.box((0, 0.1, 0.18), (width * 0.875, 0.05, 0.17), clay.main)
    clay.box((0, 0.1, 0.33), (width * 0.84, 0.42, 0.035), clay.main)
    for side in SIDES:
        for end in SIDES:
            hub = (width - 0.08, end * 0.52, -0.32)
            clay.cone((side * hub[0], *hub[1:]), (side * (width + 0.06), *hub[1:]), 0.22, 0.22, INK)
            clay.cone((side * (width + 0.05), *hub[1:]), (side * (width + 0.075), *hub[1:]), 0.1, 0.1, STEEL)
        clay.ball((side * width * 0.66, -length, -0.08), (0.11, 0.05, 0.1), LIGHT)
        clay.ball((side * width * 0.66, length, -0.08), (0.09, 0.04, 0.07), (0.75, 0.05, 0.05))
    clay.box((0, -length, -0.22), (width * 0.5, 0.03, 0.07), CHARCOAL)


def mug(clay: Sculptor, vary: Vary) -> None:
    """Build a mug of coffee with one handle on its right."""
    radius, height = vary(0.46), vary(0.55)
    clay.cone((0, 0, -height), (0, 0, height), radius, radius * 1.04, clay.main)
    clay.cone((0, 0, height - 0.02), (0, 0, height + 0.01), radius * 0.88, radius * 0.88, COFFEE)
    clay.tube(arc((radius, 0, 0), (1, 0, 0), (0, 0, 1), vary(0.3), (-1.65, 1.65), 8), 0.085, clay.main)


def chair(clay: Sculptor, vary: Vary) -> None:
    """Build a chair: the back rest at the back, wooden legs."""
    width, back = vary(0.42), vary(0.42)
    clay.box((0, 0, -0.1), (width, width, 0.07), clay.main)
    clay.box((0, width - 0.05, -0.05 + back), (width, 0.06, back), clay.main)
    for side in SIDES:
        for end in SIDES:
            top, foot = width - 0.08, width - 0.06
            clay.cone((side * top, end * top, -0.1), (side * foot, end * foot, -0.88), 0.075, 0.065, WOOD)


def table(clay: Sculptor, vary: Vary) -> None:
    """Build a wide table on four wooden legs."""
    width, depth = vary(0.75), vary(0.5)
    clay.box((0, 0, 0.3), (width, depth, 0.08), clay.main)
    for side in SIDES:
        for end in SIDES:
            x, y = side * (width - 0.1), end * (depth - 0.1)
            clay.cone((x, y, 0.3), (x, y, -0.6), 0.08, 0.07, WOOD)


def cactus(clay: Sculptor, vary: Vary) -> None:
    """Build a cactus with two uneven arms and a flower; the pot wears the colour."""
    top, elbow, radius = vary(0.68), vary(0.12), 0.2
    clay.cone((0, 0, -0.85), (0, 0, -0.35), 0.3, 0.44, clay.main)
    clay.cone((0, 0, -0.42), (0, 0, -0.32), 0.49, 0.49, clay.main)
    clay.cone((0, 0, -0.4), (0, 0, top), radius, radius, LEAF)
    clay.ball((0, 0, top), radius, LEAF)
    for side, z, rise in ((1, elbow, 0.3), (-1, elbow - 0.14, 0.36)):
        x = side * 0.45
        clay.cone((side * 0.1, 0, z), (x, 0, z), 0.1, 0.1, LEAF)
        clay.ball((x, 0, z), 0.11, LEAF)
        clay.cone((x, 0, z), (x, 0, z + rise), 0.11, 0.11, LEAF)
        clay.ball((x, 0, z + rise), 0.11, LEAF)
    clay.ball((0, 0, top + 0.2), (0.11, 0.11, 0.09), ROSE)


def rocket(clay: Sculptor, vary: Vary) -> None:
    """Build a white rocket; nose, belt and four fins wear the colour, a window in front."""
    radius = vary(0.27)
    clay.cone((0, 0, -0.5), (0, 0, 0.35), radius, radius, CHALK)
    clay.cone((0, 0, 0.35), (0, 0, 0.95), radius, 0.02, clay.main)
    clay.cone((0, 0, -0.62), (0, 0, -0.48), radius * 0.75, radius, CHARCOAL)
    clay.ball((0, -radius, 0.12), (0.13, 0.05, 0.13), GLASS)
    clay.cone((0, 0, -0.2), (0, 0, -0.1), radius * 1.03, radius * 1.03, clay.main)
    for quarter in range(4):
        angle = (quarter + 0.5) * math.pi / 2
        reach = radius + 0.13
        center = (reach * math.cos(angle), reach * math.sin(angle), -0.58)
        clay.box(center, (0.2, 0.04, 0.24), clay.main, turn_z(angle) @ turn_y(0.3))
    clay.cone((0, 0, -0.62), (0, 0, -0.9), radius * 0.5, 0.03, BEAK)


def mushroom(clay: Sculptor, vary: Vary) -> None:
    """Build a toadstool with white dots on a coloured cap."""
    cap = vary(0.7)
    clay.cone((0, 0, -0.8), (0, 0, 0.1), vary(0.3), 0.2, CREAM)
    clay.ball((0, 0, 0.12), (cap, cap, 0.5), clay.main)
    clay.cone((0, 0, 0.0), (0, 0, 0.1), cap * 0.6, cap * 0.96, CREAM)
    for dot in range(7):
        around, rise = dot * 2 * math.pi / 7 + 0.3, 0.95 if dot % 2 == 0 else 0.55
        flat = cap * math.cos(rise)
        clay.ball((flat * math.sin(around), -flat * math.cos(around), 0.12 + 0.5 * math.sin(rise)), 0.12, CHALK)


def house(clay: Sculptor, vary: Vary) -> None:
    """Build a gabled house: door and two windows in front, a chimney on one side; the roof wears the colour."""
    width, depth = vary(0.5), vary(0.5)
    clay.box((0, 0, -0.36), (width, depth, 0.38), CREAM)
    for side in SIDES:
        clay.box((side * width * 0.56, 0, 0.26), (width * 0.78, depth + 0.1, 0.06), clay.main, turn_y(side * 0.72))
    for step in range(4):
        clay.box((0, 0, 0.05 + step * 0.13), (width * (0.9 - step * 0.24), depth * 0.99, 0.07), CREAM)
    clay.box((0, -depth, -0.5), (0.14, 0.03, 0.25), WOOD)
    for side in SIDES:
        clay.box((side * width * 0.64, -depth, -0.3), (0.12, 0.02, 0.13), GLASS)
        for end in SIDES:
            clay.box((end * width, side * depth * 0.45, -0.3), (0.02, 0.14, 0.13), GLASS)
    clay.box((width * 0.5, 0.2, 0.5), (0.09, 0.09, 0.24), darker(clay.main))


def tree(clay: Sculptor, vary: Vary) -> None:
    """Build a fir of three tiers in the colour."""
    reach = vary(0.6)
    clay.cone((0, 0, -0.9), (0, 0, -0.3), 0.14, 0.12, WOOD)
    for tier in range(3):
        clay.cone((0, 0, -0.42 + tier * 0.38), (0, 0, 0.2 + tier * 0.36), reach * (1 - 0.24 * tier), 0.03, clay.main)


def lamp(clay: Sculptor, vary: Vary) -> None:
    """Build a table lamp with a coloured shade."""
    clay.cone((0, 0, -0.82), (0, 0, -0.72), 0.38, 0.34, CHARCOAL)
    clay.cone((0, 0, -0.72), (0, 0, 0.2), 0.06, 0.06, STEEL)
    clay.cone((0, 0, 0.08), (0, 0, 0.75), vary(0.55), vary(0.3), clay.main)
    clay.ball((0, 0, 0.1), 0.12, LIGHT)


def boat(clay: Sculptor, vary: Vary) -> None:
    """Build a sailing boat: bow at -Y, mainsail behind the mast, a smaller jib before it."""
    clay.ball((0, 0, -0.5), (0.34, 0.8, 0.26), clay.main)
    clay.box((0, 0, -0.38), (0.27, 0.62, 0.05), WOOD)
    clay.cone((0, 0, -0.45), (0, 0, 0.88), 0.05, 0.04, WOOD)
    size = vary(0.9)
    for row in range(6):
        z, share = -0.18 + row * 0.17, (1 - row / 6.3) * size
        clay.box((0, 0.31 * share + 0.05, z), (0.03, 0.31 * share, 0.09), CHALK)
        clay.box((0, -0.2 * share - 0.05, z), (0.03, 0.2 * share, 0.09), CHALK)
    clay.box((0, 0.14, 0.86), (0.025, 0.14, 0.07), clay.main)


def airplane(clay: Sculptor, vary: Vary) -> None:
    """Build an airplane: nose at -Y, white wings with engines, a tail fin in the colour."""
    radius, span = vary(0.2), vary(0.88)
    clay.cone((0, 0.85, 0.05), (0, -0.45, 0), 0.09, radius, clay.main)
    clay.ball((0, -0.45, 0), (radius, 0.4, radius), clay.main)
    clay.ball((0, -0.58, 0.08), (radius * 0.75, 0.2, 0.13), GLASS)
    clay.box((0, -0.08, -0.02), (span, 0.22, 0.045), CHALK)
    clay.box((0, 0.75, 0.08), (0.34, 0.12, 0.04), CHALK)
    clay.box((0, 0.78, 0.25), (0.04, 0.13, 0.2), clay.main, turn_x(-0.25))
    for side in SIDES:
        clay.cone((side * 0.42, -0.1, -0.1), (side * 0.42, -0.4, -0.1), 0.09, 0.09, STEEL)


def teapot(clay: Sculptor, vary: Vary) -> None:
    """Build a teapot: spout to the front, handle behind."""
    belly = vary(0.52)
    clay.ball((0, 0, -0.15), (belly, belly, 0.45), clay.main)
    clay.cone((0, 0, -0.62), (0, 0, -0.5), 0.32, 0.34, darker(clay.main))
    clay.ball((0, 0, 0.2), (belly * 0.6, belly * 0.6, 0.14), darker(clay.main))
    clay.ball((0, 0, 0.38), 0.09, darker(clay.main))
    clay.cone((0, -belly * 0.7, -0.25), (0, -belly - 0.36, 0.2), 0.16, 0.08, clay.main)
    clay.tube(arc((0, belly, -0.08), (0, 1, 0), (0, 0, 1), 0.28, (-1.7, 1.7), 7), 0.075, clay.main)


def donut(clay: Sculptor, vary: Vary) -> None:
    """Build a standing donut, hole to the front: dough with a ring of coloured icing before it."""
    radius, thick = vary(0.58), vary(0.27)
    ring = arc((0, 0, 0), (1, 0, 0), (0, 0, 1), radius, (0.0, 2 * math.pi), 14)
    clay.tube([*ring, ring[1]], thick, DOUGH)
    icing = arc((0, -0.09, 0), (1, 0, 0), (0, 0, 1), radius, (0.0, 2 * math.pi), 14)
    clay.tube([*icing, icing[1]], thick * 0.9, clay.main)


def camera(clay: Sculptor, vary: Vary) -> None:
    """Build a photo camera: lens and flash in front, shutter button on one side, a screen behind."""
    width, height = vary(0.75), vary(0.45)
    clay.box((0, 0, -0.05), (width, 0.27, height), clay.main)
    clay.box((-0.1, 0, height + 0.02), (0.26, 0.2, 0.12), clay.main)
    clay.cone((-0.1, -0.2, -0.08), (-0.1, -0.5, -0.08), 0.36, 0.33, STEEL)
    clay.cone((-0.1, -0.3, -0.08), (-0.1, -0.52, -0.08), 0.27, 0.27, INK)
    clay.ball((-0.1, -0.5, -0.08), (0.17, 0.06, 0.17), GLASS)
    clay.box((-0.1, -0.2, height + 0.03), (0.15, 0.02, 0.06), LIGHT)
    clay.cone((width * 0.72, 0, height - 0.06), (width * 0.72, 0, height + 0.06), 0.1, 0.1, (0.85, 0.1, 0.1))
    clay.box((0, 0.27, -0.08), (width * 0.6, 0.02, height * 0.62), GLASS)


def ladder(clay: Sculptor, vary: Vary) -> None:
    """Build a step ladder: coloured treads on the front pair of rails, two thin props behind."""
    foot, top = vary(0.36), 0.24
    for side in SIDES:
        clay.cone((side * foot, -0.38, -0.92), (side * top, 0, 0.85), 0.055, 0.055, clay.main)
        clay.cone((side * foot, 0.42, -0.92), (side * top, 0.03, 0.82), 0.045, 0.045, STEEL)
    for tread in range(5):
        share = (tread + 0.7) / 5.4
        half = foot + (top - foot) * share
        clay.box((0, -0.38 * (1 - share), -0.92 + 1.77 * share), (half, 0.09, 0.04), clay.main)
    clay.box((0, 0.0, 0.86), (top + 0.05, 0.13, 0.045), clay.main)
