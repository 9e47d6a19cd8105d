# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
import json

import pytest

from limbeck.config import override, recipe_from_plain, recipe_to_plain
from limbeck.equation import equation_of
from limbeck.errors import LimbeckError
from limbeck.recipes import CARDS, load_recipe

NAMES = sorted(CARDS)


def _leaves(plain, path=()):
    if isinstance(plain, dict):
        for key, value in plain.items():
            yield from _leaves(value, (*path, key))
    elif isinstance(plain, list) and plain and isinstance(plain[0], dict):
        for index, value in enumerate(plain):
            yield from _leaves(value, (*path, str(index)))
    else:
        yield ".".join(path), plain


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_survives_json(name):
    recipe = load_recipe(name)
    assert recipe_from_plain(json.loads(json.dumps(recipe_to_plain(recipe)))) == recipe


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_carries_the_name_and_paper_of_its_card(name):
    recipe = load_recipe(name)
    assert (recipe.name, recipe.paper, recipe.summary) == (name, CARDS[name].paper, CARDS[name].summary)


@pytest.mark.parametrize("name", NAMES)
def test_every_printed_field_can_be_set(name):
    recipe = load_recipe(name)
    for key, value in _leaves(recipe_to_plain(recipe)):
        assert override(recipe, {key: value}) == recipe, key


@pytest.mark.parametrize("name", NAMES)
def test_the_equation_has_a_line_for_every_term(name):
    recipe = load_recipe(name)
    assert sum(line.startswith("term ") for line in equation_of(recipe)) == len(recipe.terms)


def test_the_equation_names_the_references_and_the_sector():
    written = "\n".join(equation_of(load_recipe("limbeck")))
    assert "four drawn reference views" in written
    assert "azimuths -45 to 45" in written


def test_a_name_alone_means_the_first_term():
    changed = override(load_recipe("limbeck"), {"variate": "uncond"})
    assert [term.variate.kind for term in changed.terms] == ["uncond", "noise"]


def test_a_number_chooses_another_term():
    changed = override(load_recipe("limbeck"), {"terms.1.guidance_scale": 3})
    assert changed.terms[1].guidance.scale(0.5) == 3
    assert changed.terms[0] == load_recipe("limbeck").terms[0]


def test_a_schedule_can_be_written_on_a_command_line():
    changed = override(load_recipe("mvdream"), {"guidance_scale": "0:5,1:25"})
    assert changed.terms[0].guidance.scale(0.5) == 15


@pytest.mark.parametrize(
    ("overrides", "code", "says"),
    [
        ({"gidance": 1}, "E_SETTING_UNKNOWN", "gidance"),
        ({"terms.7.variate": "noise"}, "E_SETTING_UNKNOWN", "terms has 0"),
        ({"variate": "magic"}, "E_RECIPE_INVALID", "'noise', 'uncond', 'base'"),
        ({"guidance_scale": "much"}, "E_RECIPE_INVALID", "terms.0.guidance.scale"),
        ({"steps": 0}, "E_RECIPE_INVALID", "steps"),
        ({"views": 3}, "E_RECIPE_INVALID", "multiple of 4"),
        ({"timesteps.is_shared": False}, "E_RECIPE_INVALID", "is_shared"),
        ({"sector_deg": [-45, 45]}, "E_RECIPE_INVALID", "sector_deg"),
        ({"guidance.rescale": 2}, "E_RECIPE_INVALID", "rescale"),
        ({"gaussians.opacity": 1}, "E_RECIPE_INVALID", "opacity"),
        ({"rig.elevation_deg": [30, 10]}, "E_RECIPE_INVALID", "elevation_deg"),
        ({"rig.fov_y_deg": [0, 0]}, "E_RECIPE_INVALID", "fov_y_deg"),
        ({"rig.distance": [-3, -2]}, "E_RECIPE_INVALID", "distance"),
        ({"render_size": -5}, "E_RECIPE_INVALID", "render_size"),
        ({"background": 7}, "E_RECIPE_INVALID", "background"),
        ({"background": float("nan")}, "E_RECIPE_INVALID", "background"),
        ({"adam_betas": [2, 3]}, "E_RECIPE_INVALID", "adam_betas"),
        ({"gaussians.radius": float("inf")}, "E_RECIPE_INVALID", "radius"),
        ({"gaussians.learning_rates.means": -1}, "E_RECIPE_INVALID", "means"),
        ({"densify.every": 0}, "E_RECIPE_INVALID", "every"),
    ],
)
def test_what_cannot_be_is_refused_by_name(overrides, code, says):
    with pytest.raises(LimbeckError) as refused:
        override(load_recipe("mvdream"), overrides)
    assert refused.value.code == code
    assert says in refused.value.message


@pytest.mark.parametrize("bad", [{}, {"name": "x"}, {"terms": 3}])
def test_an_incomplete_recipe_is_refused(bad):
    with pytest.raises(LimbeckError, match="E_RECIPE_INVALID"):
        recipe_from_plain(bad)


def test_an_unknown_field_is_refused():
    plain = recipe_to_plain(load_recipe("mvdream")) | {"stepz": 3}
    with pytest.raises(LimbeckError, match="stepz"):
        recipe_from_plain(plain)


def test_an_unknown_recipe_names_the_nearest():
    with pytest.raises(LimbeckError, match="did you mean 'mvdream'") as refused:
        load_recipe("mvdraem")
    assert refused.value.code == "E_RECIPE_UNKNOWN"
