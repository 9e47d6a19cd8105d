# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""C(I) as it ships, asked about groups of true views."""

import numpy as np
import pytest
import torch

from limbeck.evaluation.toys import over
from limbeck.evaluation.view_pairs import pair_figures
from limbeck.playset.render import render_many
from limbeck.playset.things import draw_thing
from limbeck.priors.locating import role_folder
from limbeck.priors.pair_classifier import load_pair_classifier

GROUPS, VIEWS = 12, 4


@pytest.fixture(scope="module")
def classifier():
    return load_pair_classifier(role_folder("embedded", "pair_classifier"), torch.device("cpu"))


@pytest.fixture(scope="module")
def azimuth_deg():
    turn = np.random.default_rng(0).uniform(-30, 30, GROUPS)
    return turn[:, None] + np.arange(VIEWS) * 90.0


@pytest.fixture(scope="module")
def views(azimuth_deg):
    rng = np.random.default_rng(1)
    toys = [draw_thing(rng, (("owl", "blue"), ("penguin", "red"))) for _ in range(GROUPS)]
    four_times = [toy for toy in toys for _ in range(VIEWS)]
    pictures = render_many(four_times, azimuth_deg.reshape(-1).tolist(), [15.0] * len(four_times))
    return over(pictures, torch.full((GROUPS * VIEWS, 3), 0.8)).unflatten(0, (GROUPS, VIEWS))


def test_true_views_of_one_toy_are_accepted_and_wrong_cameras_refused(classifier, views, azimuth_deg):
    figures = pair_figures(classifier, views, azimuth_deg, np.full(GROUPS, 15.0))
    assert figures["pair_accuracy"] > 0.8  # its card has 0.9 and more for these toys; guessing gives 0.5
    assert figures["pair_accuracy"] == pytest.approx(
        (figures["pair_right_camera"] + figures["pair_wrong_camera"]) / 2, abs=1e-4
    )


def test_views_from_other_cameras_than_those_asked_are_found_out(classifier, views, azimuth_deg):
    elevation = np.full(GROUPS, 15.0)
    right = pair_figures(classifier, views, azimuth_deg, elevation)["pair_right_camera"]
    # Doubled, each of a quarter, half and three quarters of a turn is another: a no is right for every pair.
    twice_as_far = azimuth_deg + np.arange(VIEWS) * 90.0
    assert pair_figures(classifier, views, twice_as_far, elevation)["pair_right_camera"] < right - 0.3
