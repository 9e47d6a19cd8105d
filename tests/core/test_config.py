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


@pytest.mark.parametrize(
    ("recipe", "overrides", "says"),
    [
        ("dreamfusion", {"variate": "path"}, "noise=inversion"),
        ("zero123", {"variate": "lora"}, "lora variate"),
        ("dreamfusion", {"energies": "multiview:5", "views": 6}, "multiple of 4"),
        ("dreamfusion", {"energies": "multiview:5", "timesteps.is_shared": False}, "is_shared"),
        ("dreamfusion", {"energies": "classifier:1", "views": 1}, "at least 2 views"),
        ("dreamfusion", {"energies": "magic:1"}, "classifier:WEIGHT, novel_view:WEIGHT, multiview:WEIGHT"),
        ("dreamfusion", {"energies": "multiview:much"}, "much"),
        ("dreamfusion", {"energies": "multiview:1,multiview:2"}, "each energy once"),
        ("dreamfusion", {"energies": "classifier:1", "sector_deg": [-45, 45]}, "sector_deg"),
        ("dreamfusion", {"consistency": 0.1}, "neighbours_deg"),
        ("gsd", {"views": 3}, "even number"),
        ("gsd", {"sector_deg": [-45, 45]}, "sector_deg"),
        ("zero123", {"perp_neg": "on"}, "reads words"),
        ("dreamfusion", {"perp_neg": "on", "view_prompts": False}, "view_prompts"),
        ("dreamfusion", {"perp_neg": "maybe"}, "perp_neg"),
        ("luciddreamer", {"noise.stride": 0}, "stride"),
        ("scaledreamer", {"variate.eta": -1}, "eta"),
        ("prolificdreamer", {"variate.rank": 0}, "rank"),
        ("modedreamer", {"image_scale": 3}, "image_scale"),
    ],
)
def test_products_that_make_no_sense_are_refused_by_the_rule(recipe, overrides, says):
    with pytest.raises(LimbeckError) as refused:
        override(load_recipe(recipe), overrides)
    assert refused.value.code == "E_RECIPE_INVALID"
    assert says in refused.value.message


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "line",
    [
        {"noise": "consistent", "variate": "base", "energies": "multiview:5"},
        {"noise": "inversion", "variate": "path", "energies": "multiview:5"},
        {"variate": "base_shifted", "energies": "classifier:1,novel_view:2"},
    ],
)
def test_any_product_can_be_written_on_one_line(name, line):
    changes = {"sector_deg": None, "views": 8} | line
    term = override(load_recipe(name), changes).terms[0]
    assert (term.variate.kind, len(term.energies)) == (line["variate"], line["energies"].count(":"))


def test_a_term_goes_with_none():
    two = load_recipe("modedreamer")
    assert override(two, {"terms.1": "none"}).terms == two.terms[:1]
    assert override(two, {"terms.0": None}).terms == two.terms[1:]
    with pytest.raises(LimbeckError, match="at least one term"):
        override(two, {"terms.1": "none", "terms.0": "none"})


def test_only_the_steps_that_refine_see_a_jump_at_the_end():
    scale = load_recipe("jointdreamer").terms[0].guidance.scale
    assert (scale(0.9999), scale(1.0)) == (16.0, 23.0)
    (line,) = [line for line in equation_of(load_recipe("jointdreamer")) if line.startswith("then ")]
    assert "150 steps on the extracted mesh" in line


def test_a_rule_of_a_term_is_named_once_and_without_the_whole_recipe():
    with pytest.raises(LimbeckError) as refused:
        override(load_recipe("mvdream"), {"sector_deg": [-45, 45]})
    expected = "terms.0: expected no sector_deg for a term on the multi-view prior, which needs all four views, got one"
    assert refused.value.message == expected


def test_later_keys_reach_into_a_part_that_a_word_has_set():
    changes = {"energies": "classifier:1,multiview:5", "energies.1.mask": "none", "perp_neg": "on"}
    term = override(load_recipe("dreamfusion"), changes | {"perp_neg.family": "luciddreamer"}).terms[0]
    assert term.energies[1].mask == "none"
    assert term.guidance.perp_neg.family == "luciddreamer"


def test_what_a_word_switched_on_another_switches_off():
    on = override(load_recipe("dreamfusion"), {"perp_neg": "on", "energies": "multiview", "drawn_image": True})
    assert override(on, {"perp_neg": "off", "energies": "none", "drawn_image": "off"}) == load_recipe("dreamfusion")


def test_a_recipe_names_every_model_that_it_needs():
    assert load_recipe("magic123").roles == ("novel_view", "text_to_image")
    assert override(load_recipe("jointdreamer"), {"energies": "classifier:1,multiview:1"}).roles == (
        "text_to_image",
        "pair_classifier",
        "multi_view",
    )


def test_the_equation_writes_out_every_part():
    changes = {"perp_neg": "on", "guidance.multi_step": "on", "energies": "classifier:2", "consistency": 0.1}
    line = equation_of(override(load_recipe("gsd"), changes | {"noise": "inversion", "variate": "path"}))[0]
    for part in (
        "walk down",
        "orthogonal",
        "eps(x_s, s, empty)",
        "2 dC/dx_t of C(I)",
        "noise inversion",
        "consistency",
    ):
        assert part in line


@pytest.mark.parametrize("name", NAMES)
def test_nothing_pulls_on_the_outline_of_a_mesh_that_is_refined(name):
    used = load_recipe(name).regularisers
    assert (used.sparsity(1.0), used.opaqueness(1.0)) == (0.0, 0.0)
    assert used.sparsity(0.999) == pytest.approx(100, abs=0.1)


def test_geometry_fades_in_a_field_as_in_gaussians():
    recipe = load_recipe("jointdreamer")
    rates, usual = recipe.field.learning_rates, load_recipe("mvdream").field.learning_rates
    assert rates.densities(0.7) == pytest.approx(usual.densities(0.7), rel=1e-12)
    assert rates.densities(0.72) == recipe.gaussians.learning_rates.means(0.72) == 1e-6
    assert rates.color_logits == usual.color_logits


@pytest.mark.parametrize("changed", [{"noise.stride": 0.1}, {"guidance.multi_step.interval": 0.05}])
def test_a_walk_down_on_another_grid_than_the_path_up_is_refused(changed):
    with pytest.raises(LimbeckError, match=r"expected guidance\.multi_step with the stride and interval of noise="):
        override(load_recipe("luciddreamer-naive"), changed)
    both = {"noise.stride": 0.1, "guidance.multi_step.stride": 0.1}
    assert override(load_recipe("luciddreamer-naive"), both).terms[0].noise.stride == 0.1


def test_a_share_of_the_negative_prompt_above_one_is_refused():
    with pytest.raises(LimbeckError, match="expected negative from 0 to 1, got"):
        override(load_recipe("dreamfusion"), {"negative": 1.5})
