# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Which pairs of views the novel-view prior learns from."""

import numpy as np
import pytest

from limbeck.playset.views import ViewPool
from limbeck.training.novel_view import FRONT_DEG, draw_pairs

AZIMUTHS = np.array([[150.0, -10.0, 60.0], [90.0, 200.0, 120.0], [345.0, 170.0, 40.0]], np.float32)
"""The second toy is never seen from the front."""
COUNT = 3000


def pool(azimuths=AZIMUTHS):
    things, views = azimuths.shape
    rgba, kinds = np.zeros((things, views, 1, 1, 4), np.uint8), np.zeros(things, np.int64)
    return ViewPool(rgba, kinds, kinds, azimuths, np.zeros_like(azimuths))


def off_front(azimuths):
    return np.abs((azimuths + 180) % 360 - 180)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_so_many_references_are_from_the_front_and_no_view_is_paired_with_itself(share):
    things, first, second = draw_pairs(pool(), COUNT, share, np.random.default_rng(0))
    is_frontal = off_front(AZIMUTHS[things, first]) <= FRONT_DEG
    by_chance = 2 / 9  # two of nine views are frontal
    expected = share + (1 - share) * by_chance
    assert abs(is_frontal.mean() - expected) <= 4 * np.sqrt(max(expected * (1 - expected), 1e-12) / COUNT)
    assert (first != second).all()
    assert set(np.unique(second)) == {0, 1, 2}


def test_without_views_from_the_front_the_most_frontal_one_stands_for_it():
    sideways = np.array([[120.0, 90.0], [-100.0, 180.0]], np.float32)
    things, first, _ = draw_pairs(pool(sideways), 50, 1.0, np.random.default_rng(0))
    assert set(zip(things.tolist(), first.tolist(), strict=True)) == {(0, 1)}
