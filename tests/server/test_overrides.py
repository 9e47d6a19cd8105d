# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Settings as people type them reach every leaf that ``recipes show`` prints."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck.config import Recipe, override, recipe_to_plain
from limbeck.errors import LimbeckError
from limbeck.recipes import CARDS, load_recipe
from limbeck_protocol.errors import JobError
from limbeck_protocol.job import Init, JobSpec, blob_of
from limbeck_protocol.overrides import parse_override, parse_overrides
from limbeck_server.commands.recipes import flatten
from limbeck_server.plan import plan

CHANGED = 0.123
POINTS = Init("points", blob_of(b"0 0 0\n0 0 1\n0 1 0\n", ".xyz"))


@pytest.mark.parametrize("name", sorted(CARDS))
def test_every_printed_line_can_be_given_back(name: str) -> None:
    recipe = load_recipe(name)
    lines = [f"{key}={json.dumps(value)}" for key, value in flatten(recipe_to_plain(recipe))]
    overrides = dict(parse_override(line) for line in lines)
    assert len(overrides) == len(lines) > 50
    job = JobSpec("a cat", recipe=name, overrides=overrides, init=POINTS if recipe.start_setting else Init())
    assert plan(job).recipe == recipe


def _changed(recipe: Recipe, key: str, value: float) -> dict[str, Any] | None:
    """The recipe's leaves after the change, or None where a rule refuses it."""
    try:
        return dict(flatten(recipe_to_plain(override(recipe, {key: value}))))
    except LimbeckError as error:
        if error.code != "E_RECIPE_INVALID":
            raise
        return None


@pytest.mark.parametrize("name", sorted(CARDS))
def test_every_printed_number_can_be_changed(name: str) -> None:
    """Whole numbers grow by one, fractions and constant schedules become 0.123, unless a field's rule refuses it."""
    recipe = load_recipe(name)
    for key, value in flatten(recipe_to_plain(recipe)):
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        new = value + 1 if isinstance(value, int) else CHANGED
        changed = _changed(recipe, key, new)
        assert changed is None or changed[key] == new, key


@pytest.mark.parametrize("value", ["nan", "NaN", "-inf", "Infinity", "1e999", "[1, NaN]", "0:20,1:nan", '{"a": 1e999}'])
def test_a_number_that_is_not_finite_is_refused(value: str) -> None:
    with pytest.raises(JobError, match="expected a finite number for guidance_scale") as caught:
        parse_override(f"guidance_scale={value}")
    assert caught.value.code == "E_SCHEMA"


def test_a_line_of_the_panel_is_a_line_of_the_shell() -> None:
    line = 'noise=consistent --set energies=classifier:1,multiview:5 terms.1.weight=0:1,1:2 rig.azimuth_deg="[-10, 10]"'
    assert parse_overrides(line) == {
        "noise": "consistent",
        "energies": "classifier:1,multiview:5",
        "terms.1.weight": "0:1,1:2",
        "rig.azimuth_deg": [-10, 10],
    }
    assert parse_overrides("  ") == {}


@pytest.mark.parametrize("line", ["noise", "=3", "a=1 b", 'a="1'])
def test_a_line_that_is_none_is_refused(line: str) -> None:
    with pytest.raises(JobError, match="KEY=VALUE"):
        parse_overrides(line)


@given(st.text())
def test_arbitrary_lines_raise_only_job_errors(line: str) -> None:
    with suppress(JobError):
        parse_overrides(line)
