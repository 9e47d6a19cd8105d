# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What a toy is: object, colour, pattern, proportions. And which object-colour pairs no training ever sees."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from limbeck.playset import animals, made
from limbeck.playset.animals import Vary
from limbeck.playset.palette import COLORS, Rgb
from limbeck.playset.solids import Sculptor, Solids

RADIUS = 0.98
"""Every toy is scaled and shifted so that the ball of this radius round the origin just holds it."""

BUILDERS: Mapping[str, Callable[[Sculptor, Vary], None]] = {
    "robot": animals.robot,
    "snowman": animals.snowman,
    "teddy bear": animals.teddy_bear,
    "penguin": animals.penguin,
    "duck": animals.duck,
    "cat": animals.cat,
    "owl": animals.owl,
    "frog": animals.frog,
    "car": made.car,
    "mug": made.mug,
    "chair": made.chair,
    "table": made.table,
    "cactus": made.cactus,
    "rocket": made.rocket,
    "mushroom": made.mushroom,
    "house": made.house,
    "tree": made.tree,
    "lamp": made.lamp,
    "boat": made.boat,
    "airplane": made.airplane,
    "teapot": made.teapot,
    "donut": made.donut,
    "camera": made.camera,
    "ladder": made.ladder,
}

NOUNS: tuple[str, ...] = tuple(BUILDERS)
COLOR_WORDS: tuple[str, ...] = tuple(COLORS)
PATTERNS: tuple[str, ...] = ("plain", "striped", "spotted", "shiny")

FRONTED: frozenset[str] = frozenset(
    {"robot", "snowman", "teddy bear", "penguin", "duck", "cat", "owl", "frog", "car", "chair", "house", "camera"}
)
"""Objects whose front cannot be taken for another side: faces, headlights, a door, a lens, a seat."""

PROPORTION_JITTER = 0.10
COLOR_JITTER = (0.92, 1.05)
HELD_OUT_FILE = Path(__file__).with_name("held_out.json")


@dataclass(frozen=True)
class Thing:
    """One concrete toy.

    Attributes:
        noun, color, pattern: words from ``NOUNS``, ``COLORS`` and ``PATTERNS``.
        stretch: factors along x, y, z by which its proportions differ from the usual.
        seed: chooses the small differences between toys of one kind.

    Raises:
        ValueError: for an unknown word.
    """

    noun: str
    color: str
    pattern: str = "plain"
    stretch: tuple[float, float, float] = (1.0, 1.0, 1.0)
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the words."""
        for word, known in ((self.noun, NOUNS), (self.color, COLOR_WORDS), (self.pattern, PATTERNS)):
            if word not in known:
                raise ValueError(f"expected one of {', '.join(known)}, got {word!r}")

    @property
    def has_front(self) -> bool:
        """Whether its front cannot be taken for another side."""
        return self.noun in FRONTED


def build(thing: Thing) -> Solids:
    """Return the solids of a toy, inside the ball of ``RADIUS`` round the origin."""
    rng = np.random.default_rng((thing.seed, NOUNS.index(thing.noun)))
    main = _shade_of(COLORS[thing.color], rng)
    sculptor = Sculptor(main)
    BUILDERS[thing.noun](sculptor, lambda length: length * (1 + rng.uniform(-PROPORTION_JITTER, PROPORTION_JITTER)))
    return _fit(sculptor.solids().transformed(np.diag(thing.stretch), np.zeros(3)))


def _shade_of(color: Rgb, rng: np.random.Generator) -> Rgb:
    """Return the colour a little darker or lighter."""
    red, green, blue = np.clip(np.array(color) * rng.uniform(*COLOR_JITTER), 0, 1)
    return (float(red), float(green), float(blue))


def _fit(solids: Solids) -> Solids:
    """Centre the bounding box and scale the union to the ball of ``RADIUS``."""
    extents = solids.half_extents()
    low, high = (solids.center - extents).min(0), (solids.center + extents).max(0)
    middle = (low + high) / 2
    reach = np.linalg.norm(np.abs(solids.center - middle) + extents, axis=1)
    loose = reach.max()  # of the boxes round the solids: an upper bound
    scale = RADIUS / min(loose, _tight_reach(solids, middle))
    return solids.transformed(np.eye(3) * scale, -middle * scale)


def _tight_reach(solids: Solids, middle: np.ndarray) -> float:
    """Return the largest distance from ``middle`` to points spread over the unit solids' hulls, a little enlarged."""
    hull = np.stack(np.meshgrid(*[np.linspace(-1, 1, 5)] * 3), -1).reshape(-1, 3)
    shell = hull[np.abs(hull).max(1) == 1]
    ball = shell / np.linalg.norm(shell, axis=1, keepdims=True)
    flat = np.maximum(np.linalg.norm(shell[:, :2], axis=1, keepdims=True), 1.0)
    tube = np.concatenate([shell[:, :2] / flat, shell[:, 2:]], 1)
    units = np.stack([ball, shell, tube])[solids.kinds]
    points = np.einsum("sij,spj->spi", solids.linear, units) + (solids.center - middle)[:, None]
    return float(np.linalg.norm(points, axis=2).max()) * 1.01


def held_out_pairs() -> frozenset[tuple[str, str]]:
    """Return the (noun, colour) pairs of ``held_out.json``: no training ever sees them."""
    pairs = json.loads(HELD_OUT_FILE.read_text(encoding="utf-8"))
    return frozenset((noun, color) for noun, colors in pairs.items() for color in colors)


def draw_thing(rng: np.random.Generator, pairs: tuple[tuple[str, str], ...]) -> Thing:
    """Draw a toy of one of the pairs: 70 % plain, the rest patterned; proportions vary, strongly in one of four.

    Stretch factors are log-normal with sigma 0.06, or 0.22 for one toy in four.
    """
    noun, color = pairs[rng.integers(len(pairs))]
    pattern = "plain" if rng.random() < 0.7 else PATTERNS[rng.integers(1, len(PATTERNS))]
    sigma = 0.22 if rng.random() < 0.25 else 0.06
    x, y, z = np.exp(np.clip(rng.normal(0, sigma, 3), -0.45, 0.45))
    return Thing(noun, color, pattern, (float(x), float(y), float(z)), int(rng.integers(2**31)))
