# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The recipes by name. Importing this costs nothing: a recipe's module is imported when it is asked for."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from limbeck.errors import LimbeckError

if TYPE_CHECKING:
    from limbeck.config import Recipe

DEFAULT_RECIPE = "limbeck"


@dataclass(frozen=True)
class RecipeCard:
    """What a list of recipes says of one."""

    paper: str
    summary: str


CARDS: Mapping[str, RecipeCard] = {
    "limbeck": RecipeCard("this project", "a multi-view prior for one object, a text-to-image prior for its front"),
    "dreamfusion": RecipeCard("arXiv:2209.14988", "SDS on a text-to-image prior, with view-dependent prompts"),
    "sjc": RecipeCard("arXiv:2212.00774", "SDS with a weight of 1"),
    "csd": RecipeCard("arXiv:2310.19415", "the guidance direction alone, a rising share of the negative prompt"),
    "prolificdreamer": RecipeCard("arXiv:2305.16213", "VSD: against a copy of the prior that learns the renders"),
    "scaledreamer": RecipeCard("arXiv:2407.02040", "ASD: against the prior itself at a later timestep"),
    "luciddreamer": RecipeCard("arXiv:2311.11284", "ISM: along the prior's own path from render to noise"),
    "mvdream": RecipeCard("arXiv:2308.16512", "SDS on a multi-view prior: four views at once, one front"),
    "jointdreamer": RecipeCard("arXiv:2407.12291", "JSD: SDS whose views must agree, by a multi-view prior's energy"),
    "modedreamer": RecipeCard("arXiv:2411.18135", "ISD: guided by one picture, against the prior without it"),
    "gsd": RecipeCard("arXiv:2406.16695", "SDS with noise that sticks to surfaces, and consistent gradients"),
    "zero123": RecipeCard("arXiv:2303.11328", "one picture, a novel-view prior"),
    "magic123": RecipeCard("arXiv:2306.17843", "one picture, a novel-view and a text-to-image prior"),
}


def load_recipe(name: str) -> Recipe:
    """Return the recipe of that name.

    Raises:
        LimbeckError: E_RECIPE_UNKNOWN.
    """
    require_known(name)
    recipe: Callable[[], Recipe] = import_module(f"limbeck.recipes.{name}").recipe
    return recipe()


def require_known(name: str) -> None:
    """Refuse a name that is no recipe's, without importing any.

    Raises:
        LimbeckError: E_RECIPE_UNKNOWN, with the nearest name.
    """
    if name not in CARDS:
        near = difflib.get_close_matches(name, CARDS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise LimbeckError(
            "E_RECIPE_UNKNOWN",
            f"expected one of the recipes {', '.join(CARDS)}, got {name!r}",
            f"{hint}run 'limbeck recipes' for the list",
        )
