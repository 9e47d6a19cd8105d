# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Toys with faces: animals, a robot and a snowman. Front at -Y. ``vary`` jitters a length."""

from __future__ import annotations

import math
from collections.abc import Callable

from limbeck.playset.palette import BEAK, CHALK, CHARCOAL, CREAM, INK, ROSE, STEEL, WOOD, darker
from limbeck.playset.solids import Sculptor, arc, turn_y

Vary = Callable[[float], float]
SIDES = (-1, 1)


def robot(clay: Sculptor, vary: Vary) -> None:
    """Build a robot: box body and head, antenna, chest plate."""
    width, height, head = vary(0.42), vary(0.36), vary(0.33)
    neck = -0.12 + height
    face = neck + 0.32
    clay.box((0, 0, -0.12), (width, vary(0.27), height), clay.main)
    clay.cone((0, 0, neck), (0, 0, face - 0.2), 0.12, 0.12, CHARCOAL)
    clay.box((0, 0, face), (head, 0.28, 0.27), clay.main)
    clay.eyes((head * 0.48, -0.28, face + 0.05), 0.13)
    clay.box((0, -0.28, face - 0.15), (head * 0.55, 0.03, 0.04), INK)
    clay.cone((0, 0, face + 0.27), (0, 0, face + 0.48), 0.03, 0.03, CHARCOAL)
    clay.ball((0, 0, face + 0.5), 0.08, BEAK)
    clay.box((0, -0.3, -0.1), (width * 0.55, 0.03, height * 0.45), STEEL)
    for side in SIDES:
        hand = (side * (width + 0.16), -0.1, -0.44)
        clay.cone((side * (width + 0.1), 0, 0.12), hand, 0.1, 0.1, STEEL)
        clay.ball(hand, 0.13, darker(clay.main))
        clay.cone((side * 0.2, 0, -0.12 - height), (side * 0.2, 0, -0.85), 0.12, 0.12, STEEL)
        clay.box((side * 0.2, -0.06, -0.88), (0.15, 0.2, 0.07), darker(clay.main))


def snowman(clay: Sculptor, vary: Vary) -> None:
    """Build a snowman of three balls; hat and scarf wear the colour."""
    low, middle, head = vary(0.48), vary(0.36), vary(0.27)
    z_middle = -0.5 + low * 0.75 + middle * 0.6
    z_head = z_middle + (middle + head) * 0.7
    for z, radius in ((-0.5, low), (z_middle, middle), (z_head, head)):
        clay.ball((0, 0, z), radius, CHALK)
    for side in SIDES:
        clay.ball((side * head * 0.42, -head * 0.86, z_head + 0.07), 0.06, INK)
        clay.cone(
            (side * middle * 0.8, 0, z_middle + 0.05), (side * (middle + 0.38), 0, z_middle + 0.28), 0.04, 0.03, WOOD
        )
    clay.cone((0, -head * 0.9, z_head - 0.02), (0, -head - 0.28, z_head - 0.05), 0.08, 0.01, BEAK)
    clay.cone((0, 0, z_head - head * 0.95), (0, 0, z_head - head * 0.6), middle * 0.8, middle * 0.72, clay.main)
    clay.box((0.12, -middle * 0.75, z_middle + 0.02), (0.08, 0.05, 0.22), clay.main)
    clay.cone((0, 0, z_head + head * 0.7), (0, 0, z_head + head * 0.82), head * 1.25, head * 1.25, clay.main)
    clay.cone((0, 0, z_head + head * 0.75), (0, 0, z_head + head * 1.75), head * 0.8, head * 0.75, clay.main)
    for drop in (-0.08, 0.1):
        clay.ball((0, -middle * 0.97, z_middle - drop), 0.05, INK)


def teddy_bear(clay: Sculptor, vary: Vary) -> None:
    """Build a sitting teddy bear with a cream belly and muzzle."""
    belly, head = vary(0.42), vary(0.38)
    clay.ball((0, 0, -0.3), (belly, belly * 0.9, belly * 1.1), clay.main)
    clay.ball((0, -belly * 0.42, -0.3), (belly * 0.68, belly * 0.55, belly * 0.75), CREAM)
    clay.ball((0, -0.03, 0.38), (head, head * 0.92, head * 0.92), clay.main)
    for side in SIDES:
        ear = (side * head * 0.75, 0.38 + head * 0.75)
        clay.ball((ear[0], 0, ear[1]), (0.15, 0.09, 0.15), clay.main)
        clay.ball((ear[0], -0.06, ear[1]), (0.09, 0.06, 0.09), CREAM)
        clay.ball((side * (belly + 0.06), -0.1, -0.12), (0.14, 0.14, 0.3), clay.main, turn_y(-side * 0.5))
        clay.ball((side * 0.3, -0.3, -0.72), (0.17, 0.3, 0.17), clay.main)
        clay.ball((side * 0.3, -0.56, -0.72), (0.12, 0.05, 0.12), CREAM)
        clay.ball((side * 0.15, -head * 0.88, 0.48), 0.07, INK)
    clay.ball((0, -head * 0.8, 0.28), (0.19, 0.17, 0.14), CREAM)
    clay.ball((0, -head * 0.8 - 0.16, 0.34), (0.08, 0.06, 0.06), INK)


def penguin(clay: Sculptor, vary: Vary) -> None:
    """Build a penguin with a white belly, one beak and orange feet."""
    belly = vary(0.42)
    clay.ball((0, 0, -0.12), (belly, belly * 0.92, 0.72), clay.main)
    clay.ball((0, -belly * 0.3, -0.2), (belly * 0.76, belly * 0.72, 0.58), CHALK)
    clay.ball((0, -0.02, 0.5), (0.33, 0.31, 0.31), clay.main)
    clay.eyes((0.14, -0.25, 0.56), 0.105)
    clay.cone((0, -0.27, 0.43), (0, -0.56, 0.4), 0.11, 0.02, BEAK)
    for side in SIDES:
        clay.ball((side * (belly + 0.03), 0, -0.1), (0.07, 0.16, 0.42), clay.main, turn_y(-side * 0.28))
        clay.ball((side * 0.19, -0.22, -0.82), (0.15, 0.24, 0.07), BEAK)


def duck(clay: Sculptor, vary: Vary) -> None:
    """Build a swimming duck with a flat bill and an upturned tail."""
    width, z_head = vary(0.45), vary(0.4)
    clay.ball((0, 0.1, -0.35), (width, 0.68, 0.4), clay.main)
    clay.ball((0, -0.36, z_head), (0.3, 0.31, 0.31), clay.main)
    clay.cone((0, -0.28, -0.2), (0, -0.34, z_head), 0.24, 0.2, clay.main)
    clay.ball((0, -0.7, z_head - 0.08), (0.18, 0.22, 0.07), BEAK)
    clay.eyes((0.17, -0.58, z_head + 0.1), 0.09)
    for side in SIDES:
        clay.ball((side * width * 0.9, 0.15, -0.28), (0.1, 0.42, 0.24), darker(clay.main))
    clay.cone((0, 0.6, -0.25), (0, 0.95, 0.06), 0.22, 0.03, clay.main)


def cat(clay: Sculptor, vary: Vary) -> None:
    """Build a sitting cat with pointed ears, green eyes and a curled tail on one side."""
    head = vary(0.36)
    clay.ball((0, 0.05, -0.38), (vary(0.34), 0.4, 0.46), clay.main)
    clay.ball((0, -0.08, 0.32), (head * 1.05, head * 0.85, head * 0.9), clay.main)
    for side in SIDES:
        clay.cone((side * 0.23, -0.06, 0.52), (side * 0.29, -0.06, 0.84), 0.16, 0.01, clay.main)
        clay.cone((side * 0.23, -0.12, 0.54), (side * 0.28, -0.13, 0.76), 0.09, 0.01, ROSE)
        clay.cone((side * 0.14, -0.24, -0.3), (side * 0.14, -0.27, -0.84), 0.1, 0.09, clay.main)
        clay.ball((side * 0.14, -0.32, -0.84), (0.1, 0.14, 0.07), CHALK)
        clay.ball((side * 0.3, 0.15, -0.72), (0.15, 0.32, 0.18), clay.main)
    clay.eyes((0.16, -0.08 - head * 0.72, 0.4), 0.11, (0.7, 0.9, 0.35))
    clay.ball((0, -0.08 - head * 0.8, 0.22), (0.13, 0.08, 0.09), CHALK)
    clay.ball((0, -0.08 - head * 0.98, 0.26), (0.05, 0.04, 0.04), ROSE)
    clay.tube(arc((0.1, 0.42, -0.42), (0.5, 0.86, 0), (0, 0, 1), 0.32, (-1.6, 1.2), 6), 0.075, clay.main)


def owl(clay: Sculptor, vary: Vary) -> None:
    """Build an owl with great eyes, a cream belly and tufts."""
    belly = vary(0.46)
    clay.ball((0, 0, -0.1), (belly, belly * 0.88, 0.7), clay.main)
    clay.ball((0, -belly * 0.4, -0.28), (belly * 0.66, belly * 0.56, 0.46), CREAM)
    for side in SIDES:
        clay.ball((side * 0.19, -belly * 0.6, 0.26), (0.2, 0.14, 0.2), CHALK)
        clay.ball((side * 0.19, -belly * 0.6 - 0.1, 0.26), (0.12, 0.06, 0.12), INK)
        clay.cone((side * 0.24, -0.05, 0.42), (side * 0.36, -0.08, 0.8), 0.17, 0.01, darker(clay.main))
        clay.ball((side * belly * 0.95, 0.05, -0.15), (0.1, 0.25, 0.46), darker(clay.main))
        clay.ball((side * 0.17, -0.25, -0.78), (0.12, 0.17, 0.06), BEAK)
    clay.cone((0, -belly * 0.75, 0.18), (0, -belly * 0.75 - 0.17, 0.06), 0.1, 0.01, BEAK)


def frog(clay: Sculptor, vary: Vary) -> None:
    """Build a squatting frog: bulging eyes on top, a wide mouth, a pale belly."""
    width = vary(0.5)
    clay.ball((0, 0.1, -0.28), (width, 0.55, 0.42), clay.main)
    clay.ball((0, -0.22, 0.06), (width * 0.92, 0.4, 0.3), clay.main)
    clay.ball((0, -0.3, -0.3), (width * 0.62, 0.34, 0.34), CREAM)
    clay.ball((0, -0.54, 0.0), (width * 0.58, 0.1, 0.035), INK)
    for side in SIDES:
        clay.ball((side * width * 0.5, -0.3, 0.36), 0.17, clay.main)
        clay.ball((side * width * 0.5, -0.42, 0.38), (0.12, 0.08, 0.12), CHALK)
        clay.ball((side * width * 0.5, -0.48, 0.38), (0.07, 0.05, 0.08), INK)
        clay.ball((side * (width + 0.05), 0.2, -0.42), (0.2, 0.42, 0.24), clay.main, turn_y(side * math.radians(12)))
        clay.cone((side * width * 0.75, -0.3, -0.2), (side * width * 0.85, -0.52, -0.62), 0.11, 0.08, clay.main)
        clay.ball((side * width * 0.9, -0.62, -0.64), (0.16, 0.18, 0.05), darker(clay.main))
