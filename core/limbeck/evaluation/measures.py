# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Measures of one asset by what a judge says of its views, and what many assets give together. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.special import stdtrit

FRONT_FROM = 0.5
"""Of the smoothed probability: a view with more looks like the front."""
MOST_FRONT_SHARE = 0.5
"""A toy's front fills a quarter of the circle, at most 0.29 of it as the detector sees true ones."""
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Fronts:
    """How often an object shows its front on the way round it.

    Attributes:
        share: of the views that look like the front.
        count: arcs of neighbouring views that do; one is right.
    """

    share: float
    count: int

    @property
    def is_janus(self) -> bool:
        """Whether there is more than one front, or one that goes round more than half of the object."""
        return self.count > 1 or self.share > MOST_FRONT_SHARE


def count_fronts(front_probability: Float[ndarray, " views"]) -> Fronts:
    """Count the fronts in views from evenly spread azimuths.

    A view counts by the mean of its own probability and its two neighbours', so that one misjudged view does not
    break a front in two.
    """
    around = (front_probability + np.roll(front_probability, 1) + np.roll(front_probability, -1)) / 3
    is_front = around > FRONT_FROM
    return Fronts(float(is_front.mean()), count_arcs(is_front))


def count_arcs(is_in: Bool[ndarray, " views"]) -> int:
    """Return how many runs of neighbours there are on a circle; the whole circle is one."""
    return 1 if is_in.all() else int((is_in & ~np.roll(is_in, 1)).sum())


def retrieved_share(similarities: Float[ndarray, "views texts"], own: int) -> float:
    """Return R-Precision of one asset: the share of its views whose most similar text is its own (top 1).

    Of equally similar texts the first counts, whichever it is: a judge that cannot tell texts apart wins nothing.
    """
    return float((similarities.argmax(1) == own).mean())


@dataclass(frozen=True)
class Mean:
    """The mean of a measure over assets.

    Attributes:
        mean: over those assets that have the measure.
        low, high: the 95 % interval of the mean by Student's t; None for a single asset.
        n: how many assets.
    """

    mean: float
    low: float | None
    high: float | None
    n: int


def mean_with_interval(values: Sequence[float]) -> Mean:
    """Return the mean of at least one value with its 95 % interval."""
    mean, n = float(np.mean(values)), len(values)
    if n == 1:
        return Mean(mean, None, None, 1)
    reach = float(stdtrit(n - 1, (1 + CONFIDENCE) / 2)) * float(np.std(values, ddof=1)) / math.sqrt(n)
    return Mean(mean, mean - reach, mean + reach, n)
