# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Colours, sRGB in 0 to 1: those that a prompt can name, and the fixed ones of eyes, wheels and wood."""

from __future__ import annotations

from collections.abc import Mapping

Rgb = tuple[float, float, float]

COLORS: Mapping[str, Rgb] = {
    "red": (0.85, 0.10, 0.10),
    "orange": (0.95, 0.50, 0.08),
    "yellow": (0.95, 0.85, 0.12),
    "green": (0.12, 0.62, 0.20),
    "blue": (0.12, 0.28, 0.85),
    "purple": (0.52, 0.16, 0.70),
    "pink": (0.96, 0.50, 0.70),
    "white": (0.93, 0.93, 0.93),
    "black": (0.13, 0.13, 0.15),
    "turquoise": (0.15, 0.76, 0.74),
}
"""The colours of the main parts, by the word for them."""

INK: Rgb = (0.04, 0.04, 0.05)
CHARCOAL: Rgb = (0.20, 0.20, 0.22)
STEEL: Rgb = (0.56, 0.57, 0.59)
CHALK: Rgb = (0.95, 0.95, 0.95)
WOOD: Rgb = (0.50, 0.31, 0.16)
GLASS: Rgb = (0.55, 0.80, 0.95)
BEAK: Rgb = (0.96, 0.55, 0.10)
LEAF: Rgb = (0.16, 0.52, 0.20)
CREAM: Rgb = (0.93, 0.87, 0.74)
ROSE: Rgb = (0.95, 0.62, 0.68)
COFFEE: Rgb = (0.25, 0.13, 0.07)
LIGHT: Rgb = (1.00, 0.95, 0.65)
DOUGH: Rgb = (0.83, 0.62, 0.36)


def darker(color: Rgb, factor: float = 0.62) -> Rgb:
    """Return the colour scaled by a factor below 1."""
    return (color[0] * factor, color[1] * factor, color[2] * factor)
