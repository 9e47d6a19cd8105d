# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""How often C(I) is right about pairs of true renders: held-out object-colour pairs, and objects left out altogether.

Of the held-out pairs only objects with a front count, since of the others no view tells how far apart two cameras are.
As many pairs are right as have a wrong camera (off by 30 degrees or more, in azimuth alone) and as show another object
or colour; the accuracy weighs them 1/2, 1/4 and 1/4, so that yes and no count alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from numpy import ndarray
from torch import Tensor

from limbeck.evaluation.toy_pairs import are_different, relative_orbit_cameras, wrong_azimuths
from limbeck.playset.pool import composite, draw_backgrounds
from limbeck.playset.things import COLOR_WORDS, FRONTED, NOUNS, held_out_pairs
from limbeck.playset.views import ViewPool, build_views
from limbeck.priors.pair_classifier import PairClassifier

SEED = 77_001
"""Of the toys to measure on; training seeds are small numbers."""
TOYS, VIEWS = 160, 6
PAIRS = 4000
BATCH = 64


@dataclass(frozen=True)
class Verdicts:
    """Whether the classifier was right, pair by pair, on as many pairs of each kind.

    Attributes:
        toy: index of each pair's first toy.
        right, wrong, other: verdicts on pairs with the right camera, a wrong one, and of different toys.
    """

    toy: Int64[ndarray, " pairs"]
    right: ndarray
    wrong: ndarray
    other: ndarray

    def figures(self, chosen: ndarray | slice = slice(None)) -> dict[str, float]:
        """Return the shares that were right, by kind and in all."""
        right, wrong, other = (float(kind[chosen].mean()) for kind in (self.right, self.wrong, self.other))
        shares = {
            "accuracy": 0.5 * right + 0.25 * (wrong + other),
            "same_object_right_camera": right,
            "same_object_wrong_camera": wrong,
            "other_object": other,
        }
        return {name: round(share, 4) for name, share in shares.items()}


def measure(
    classifier: PairClassifier, left_out: Sequence[str] = (), *, toys: int = TOYS, pairs: int = PAIRS, seed: int = SEED
) -> dict[str, Any]:
    """Return the pair accuracy on held-out object-colour pairs, by object too, and on the objects left out of training.

    Args:
        classifier: frozen, on any device.
        left_out: objects that its training never saw; they are measured apart, in every colour.
        toys: how many to render for each of the two sets.
        pairs: how many pairs of each of the three kinds to judge.
        seed: of the toys and pairs.
    """
    known = tuple(sorted((n, c) for n, c in held_out_pairs() if n in FRONTED and n not in left_out))
    result: dict[str, Any] = {"pairs": 3 * pairs, "held_out": _measure_set(classifier, known, toys, pairs, seed)}
    unseen = tuple((noun, color) for noun in left_out for color in COLOR_WORDS)
    if unseen:
        result["left_out"] = _measure_set(classifier, unseen, toys, pairs, seed + 1)
    return result


def _measure_set(
    classifier: PairClassifier, words: tuple[tuple[str, str], ...], toys: int, pairs: int, seed: int
) -> dict[str, Any]:
    pool = build_views(words, toys, VIEWS, seed)
    verdicts = judge(classifier, pool, pairs, np.random.default_rng(seed))
    by_noun = {
        NOUNS[noun]: verdicts.figures(pool.noun[verdicts.toy] == noun)["accuracy"]
        for noun in np.unique(pool.noun[verdicts.toy])
    }
    return {**verdicts.figures(), "by_object": by_noun}


@torch.no_grad()
def judge(classifier: PairClassifier, pool: ViewPool, pairs: int, generator: np.random.Generator) -> Verdicts:
    """Ask about ``pairs`` pairs of each kind, with backgrounds of their own."""
    features = _features(classifier, pool, generator)
    count, views = pool.azimuth_deg.shape
    toy = generator.integers(count, size=pairs)
    i, j = generator.permuted(np.tile(np.arange(views), (pairs, 1)), axis=1)[:, :2].T
    other = _other_toys(pool, toy, generator)
    azimuths, elevations = pool.azimuth_deg, pool.elevation_deg

    def is_yes(second_toy: ndarray, second_azimuth: ndarray) -> ndarray:
        cameras = relative_orbit_cameras(
            (azimuths[toy, i], second_azimuth), (elevations[toy, i], elevations[second_toy, j])
        )
        logits = classifier.head(features[toy, i], features[second_toy, j], cameras.to(features))
        return (logits > 0).cpu().numpy()

    return Verdicts(
        toy,
        is_yes(toy, azimuths[toy, j]),
        ~is_yes(toy, wrong_azimuths(azimuths[toy, j], generator)),
        ~is_yes(other, azimuths[other, j]),
    )


def _other_toys(pool: ViewPool, toy: ndarray, generator: np.random.Generator) -> Int64[ndarray, " pairs"]:
    """Draw for each toy another one that differs in object or colour."""
    other = generator.integers(len(pool), size=len(toy))
    while not (differs := are_different(pool, toy, other)).all():
        other = np.where(differs, other, generator.integers(len(pool), size=len(toy)))
    return other


def _features(
    classifier: PairClassifier, pool: ViewPool, generator: np.random.Generator
) -> Float[Tensor, "toys views width"]:
    device = next(classifier.parameters()).device
    flat = pool.rgba.reshape(-1, *pool.rgba.shape[2:])
    rgb = composite(flat, draw_backgrounds(len(flat), generator))
    batches = [
        classifier.features(torch.from_numpy(part).to(device)) for part in np.array_split(rgb, -(-len(rgb) // BATCH))
    ]
    return torch.cat(batches).unflatten(0, pool.azimuth_deg.shape)
