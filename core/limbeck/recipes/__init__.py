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
    "mvdream": RecipeCard("arXiv:2308.16512", "SDS on a multi-view prior: four views at once, one front"),
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
