# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from limbeck.prompts import VIEW_SUFFIXES, ViewThresholds, unknown_words, view_indices, view_prompts


@pytest.mark.parametrize(
    ("elevation", "azimuth", "suffix"),
    [
        (10, 0, ", front view"),
        (10, 44, ", front view"),
        (10, -100, ", side view"),
        (10, 180, ", back view"),
        (10, -180, ", back view"),
        (75, 0, ", overhead view"),
    ],
)
def test_each_view_is_named(elevation, azimuth, suffix):
    index = view_indices(torch.tensor([float(elevation)]), torch.tensor([float(azimuth)]), ViewThresholds())
    assert VIEW_SUFFIXES[int(index)] == suffix


@given(st.floats(-180, 180), st.integers(-3, 3))
def test_whole_turns_change_nothing(azimuth, turns):
    both = torch.tensor([azimuth, azimuth], dtype=torch.float64) + torch.tensor([0.0, 360.0 * turns])
    near_threshold = min(abs(abs(azimuth) - 45), abs(abs(azimuth) - 135)) < 1e-3
    index = view_indices(torch.zeros(2), both.float(), ViewThresholds())
    assert near_threshold or index[0] == index[1]


def test_every_suffix_follows_the_prompt():
    assert view_prompts("a cat")[1] == "a cat, front view"
    assert len(view_prompts("a cat")) == len(VIEW_SUFFIXES)


def test_unknown_words_are_listed_once_in_order():
    assert unknown_words("A zebra, a blue Gnu and a zebra", ("a", "blue", "and")) == ["zebra", "gnu"]


def test_a_known_phrase_makes_its_words_known():
    assert unknown_words("a teddy bear", ("a", "teddy bear")) == []
