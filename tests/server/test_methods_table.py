# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Every command in the table of docs/methods.md is one that a user can type, and every recipe is in it."""

import json
import re
import shlex
from importlib import import_module
from pathlib import Path

import pytest
import trimesh
from click.testing import CliRunner

from limbeck.config import override, recipe_to_plain
from limbeck.equation import equation_of
from limbeck.errors import LimbeckError
from limbeck.recipes import CARDS, load_recipe
from limbeck.recipes.variants import VARIANTS
from limbeck_server.commands.generate import generate
from limbeck_server.commands.job_options import job_from_options
from limbeck_server.commands.recipes import recipes
from limbeck_server.plan import plan

TEXT = (Path(__file__).parents[2] / "docs" / "methods.md").read_text(encoding="utf-8")
LINES = re.findall(r"^\|[^|]*\|[^|]*\| `(--recipe [^`]+)` \|$", TEXT, re.MULTILINE)
SPHERE = trimesh.creation.icosphere(subdivisions=2, radius=0.6)


def _planned(line, folder):
    output = folder / "penguin.glb"
    context = generate.make_context("generate", ["a blue penguin", "-o", str(output), *shlex.split(line)])
    return plan(job_from_options(context.params, output))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with what the commands start from."""
    SPHERE.export(tmp_path / "body.glb")
    trimesh.PointCloud(SPHERE.vertices).export(tmp_path / "points.ply")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("line", LINES)
def test_a_command_of_the_table_is_a_valid_run(line, folder):
    settings = _planned(line, folder)
    name = shlex.split(line)[1]
    assert settings.recipe.name == name
    assert (settings.start is not None) == ("--init" in line)
    assert settings.recipe != load_recipe(name) or "--set" not in line


def test_every_recipe_is_in_the_table():
    assert {shlex.split(line)[1] for line in LINES} == set(CARDS)
    assert len(set(LINES)) == len(LINES) > len(CARDS)


@pytest.mark.parametrize("line", [line for line in LINES if "--init" in line])
def test_what_starts_from_a_shape_is_refused_without_one(line, folder):
    with pytest.raises(LimbeckError, match="expected a mesh or points to start from") as refused:
        _planned(re.sub(r" --init \S+", "", line), folder)
    assert refused.value.code == "E_RECIPE_INVALID"


@pytest.mark.parametrize(
    ("name", "base", "changes"),
    [
        ("jointdreamer", "jointdreamer", {"energies": "multiview:1.25"}),
        ("luciddreamer-avatar", "luciddreamer", {"prior": "structure", "control": "start"}),
        (
            "gsd-cloud",
            "gsd",
            {"noise.points": "start", "prior": "structure", "control": "start", "representation": "field"},
        ),
    ],
)
def test_a_variant_is_its_base_with_settings_changed(name, base, changes):
    assert _without_names(override(load_recipe(base), changes)) == _without_names(load_recipe(name))


NAMED = re.compile(r"^    (--set .+?) {2,}.*the recipe ([\w-]+)$", re.MULTILINE)
"""A command in a recipe's docstring that is said to be a recipe of another name."""
COMMANDS = [
    (base, *found)
    for base in ("gsd", "jointdreamer", "luciddreamer", "modedreamer")
    for found in NAMED.findall(import_module(f"limbeck.recipes.{base}").__doc__ or "")
]


def test_every_variant_is_written_as_a_command_in_its_bases_docstring():
    assert {name for _, _, name in COMMANDS} == set(VARIANTS)


@pytest.mark.parametrize(("base", "command", "name"), COMMANDS)
def test_a_command_in_a_docstring_is_the_recipe_that_it_says(base, command, name):
    changes = dict(part.split("=", 1) for part in shlex.split(command) if part != "--set")
    assert _without_names(override(load_recipe(base), changes)) == _without_names(load_recipe(name))


def test_energies_named_again_keep_the_critics_guidance():
    combined = load_recipe("jointdreamer-i-iii")
    assert "1.25 dC/dx_t of C(III) at guidance 10 (at most 1 |r|)" in equation_of(combined)[0]
    fresh = override(load_recipe("luciddreamer"), {"energies": "multiview"})
    assert "1.25 dC/dx_t of C(III) at guidance 50 (at most 1 |r|)" in equation_of(fresh)[0]


def _without_names(recipe):
    return {key: value for key, value in recipe_to_plain(recipe).items() if key not in ("name", "summary")}


def test_show_prints_the_equation_of_a_product():
    shown = CliRunner().invoke(recipes, ["show", "csd", "--set", "energies=classifier,multiview"])
    assert shown.exit_code == 0, shown.output
    assert "dC/dx_t of C(I) (at most 1 |r|) + 1.25 dC/dx_t of C(III)" in shown.output
    as_json = CliRunner().invoke(recipes, ["show", "csd", "--set", "steps=7", "--json"])
    assert json.loads(as_json.output)["steps"] == 7


def test_a_locked_mesh_is_not_refined(folder):
    settings = _planned("--recipe jointdreamer --init body.glb --lock-geometry", folder)
    assert (settings.recipe.representation, settings.recipe.refine) == ("mesh", 0)
    with pytest.raises(LimbeckError, match="expected refine=0 for representation=mesh"):
        _planned("--recipe jointdreamer --init body.glb --lock-geometry --set refine=5", folder)
