# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Noise that views share: how much of it, and a warning where there is next to none."""

import pytest
import torch

from limbeck.config import override
from limbeck.distillation.placing import Placed, shared_share
from limbeck.events import Warned
from limbeck.generate import GenerationSettings, generate
from limbeck.recipes import load_recipe
from tiny_priors import write_family

SMALL = {"steps": 3, "gaussians.count": 60, "render_size": 16}


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    return str(write_family(tmp_path_factory.mktemp("family")))


@pytest.mark.parametrize(
    ("children", "expected"),
    [([], 0.0), ([0, 1, 2], 0.0), ([0, 0, 1, 1], 1.0), ([0, 0, 1, 2], 0.5), ([3, 3, 3, 5], 0.75)],
)
def test_the_share_is_of_sightings_whose_child_another_view_sees(children, expected):
    placed = Placed(torch.arange(len(children)), torch.tensor(children, dtype=torch.long), 6)
    assert shared_share(placed) == expected


def _warnings(family, recipe, changes):
    settings = GenerationSettings(
        "a red mug", override(load_recipe(recipe), SMALL | changes), prior=family, previews=0, device="cpu"
    )
    found = [event for event in generate(settings) if isinstance(event, Warned)]
    return [event.message for event in found if event.code == "W_NOISE_NOT_SHARED"]


def test_a_run_whose_views_do_not_overlap_is_warned_once_with_what_to_do(family):
    (message,) = _warnings(family, "dreamfusion", {"noise": "consistent", "views": 2})
    assert "neighbours_deg=5" in message


def test_neighbours_and_ordinary_noise_are_not_warned_of(family):
    assert _warnings(family, "gsd", {}) == []
    assert _warnings(family, "dreamfusion", {"views": 2}) == []
