# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Means, shares and paired differences with 95 % intervals.

Runs count as independent, which two seeds of one prompt are only in part: the intervals are a little too narrow for
claims about prompts that were not run.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri, stdtrit

LEVEL = 0.95


@dataclass(frozen=True)
class Figure:
    """A mean with its interval.

    Attributes:
        mean: of ``n`` values.
        low, high: ends of the 95 % interval; None where there is none: of a single value, or of values all alike.
        n: how many.
    """

    mean: float
    low: float | None
    high: float | None
    n: int


def mean_of(values: Sequence[float]) -> Figure | None:
    """Return the mean and Student's interval; None of nothing."""
    n = len(values)
    if n == 0:
        return None
    mean = float(np.mean(values))
    spread = float(np.std(values, ddof=1)) if n > 1 else 0.0
    if spread == 0.0:
        return Figure(mean, None, None, n)
    reach = float(stdtrit(n - 1, (1 + LEVEL) / 2)) * spread / math.sqrt(n)
    return Figure(mean, mean - reach, mean + reach, n)


def clipped(figure: Figure | None, least: float, most: float | None) -> Figure | None:
    """Return a figure whose interval ends at ``least`` and ``most``, for values that cannot be beyond."""
    if figure is None or figure.low is None or figure.high is None or most is None:
        return figure
    return replace(figure, low=max(figure.low, least), high=min(figure.high, most))


def share_of(claims: Sequence[bool]) -> Figure | None:
    """Return the share that is true and Wilson's interval, which has a width at 0 and 1, too."""
    n = len(claims)
    if n == 0:
        return None
    share, z = sum(claims) / n, float(ndtri((1 + LEVEL) / 2))
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return Figure(share, max(0.0, middle - reach), min(1.0, middle + reach), n)


def difference_of(values: Sequence[float], base: Sequence[float]) -> Figure | None:
    """Return the mean of paired differences, ``values`` less ``base``, and Student's interval."""
    return mean_of([value - other for value, other in zip(values, base, strict=True)])
