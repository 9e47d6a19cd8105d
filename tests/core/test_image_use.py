# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Which recipes can use which pictures."""

import numpy as np
import pytest

from limbeck.cameras import ring_cameras
from limbeck.config import override
from limbeck.errors import LimbeckError
from limbeck.framing import Reference
from limbeck.image_use import chosen_prompt, image_warnings, require_image
from limbeck.recipes import CARDS, load_recipe
from oracles.drawings import disc

SQUARE = np.asarray(disc(64, 64, centre=(32, 32)))
CAMERA = ring_cameras(1, elevation_deg=10, fov_y_deg=45, distance=3, size=64)
PROMPT, POSED = Reference(SQUARE), Reference(SQUARE, CAMERA, use="both")
TARGET, ASIDE = Reference(SQUARE, CAMERA, use="photometric"), Reference(SQUARE, CAMERA)
LOOKING = ("modedreamer", "isd", "isd-shifted", "ip-sds", "ip-vsd", "zero123", "magic123")


def _says(recipe, *references):
    with pytest.raises(LimbeckError) as refused:
        require_image(recipe, references)
    assert refused.value.code == "E_RECIPE_INVALID"
    return f"{refused.value.message}; {refused.value.remedy}"


@pytest.mark.parametrize("name", LOOKING)
def test_recipes_that_look_at_a_picture_draw_one_unless_told_not_to(name):
    require_image(load_recipe(name), ())
    without = override(load_recipe(name), {"drawn_image": "off"})
    assert "got none; give one with --image" in _says(without)
    assert "got only photometric ones" in _says(without, TARGET)
    for reference in (PROMPT, POSED, ASIDE):
        require_image(without, (reference,))
        assert list(image_warnings(without, (reference,))) == []


@pytest.mark.parametrize("name", sorted(set(CARDS) - {*LOOKING, "limbeck"}))
def test_a_picture_that_no_term_looks_at_is_refused_rather_than_ignored(name):
    assert "none of whose terms looks at a picture" in _says(load_recipe(name), PROMPT)
    _says(load_recipe(name), ASIDE)


@pytest.mark.parametrize("name", sorted(CARDS))
def test_every_recipe_can_be_held_to_posed_pictures(name):
    for reference in (TARGET, POSED):
        require_image(load_recipe(name), (reference,))
    assert list(image_warnings(load_recipe(name), (TARGET,))) == []


def test_a_posed_picture_that_is_not_looked_at_from_elsewhere_is_warned_of():
    (warned,) = image_warnings(load_recipe("mvdream"), (POSED,))
    assert warned.code == "W_IMAGE_PROMPT_UNUSED"


def test_the_default_recipe_takes_a_picture_from_the_front_alone():
    require_image(load_recipe("limbeck"), (PROMPT,))
    assert list(image_warnings(load_recipe("limbeck"), (PROMPT,))) == []
    assert "from elsewhere than the front" in _says(load_recipe("limbeck"), ASIDE)


def test_where_one_picture_counts_it_is_the_heaviest_prompt():
    heavy = Reference(SQUARE, weight=3.0)
    assert chosen_prompt([PROMPT, heavy, Reference(SQUARE, CAMERA, 9.0, "photometric")]) is heavy
    assert chosen_prompt([TARGET]) is None
    (warned,) = image_warnings(load_recipe("zero123"), (PROMPT, heavy))
    assert "of 2 image prompts only the heaviest" in warned.message
