# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The recipes by name. Importing this costs nothing: a recipe's module is imported when it is asked for."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING

from limbeck.errors import LimbeckError
from limbeck.recipes.variants import VARIANTS

if TYPE_CHECKING:
    from limbeck.config import Recipe

DEFAULT_RECIPE = "limbeck"
_T2I = "text_to_image"


@dataclass(frozen=True)
class RecipeCard:
    """What a list of recipes says of one.

    Attributes:
        paper: where it was published.
        summary: one line.
        roles: the models that it needs, as ``Recipe.roles`` has them; a test holds both together.
        compares: energies of its first term, which is on the text-to-image model, that compare latents: their number
            and their critic's role.
    """

    paper: str
    summary: str
    roles: tuple[str, ...] = ("text_to_image",)
    compares: tuple[tuple[int, str], ...] = ()


CARDS: Mapping[str, RecipeCard] = {
    "limbeck": RecipeCard(
        "this project", "a multi-view prior for one object, a text-to-image prior for its front", ("multi_view", _T2I)
    ),
    "dreamfusion": RecipeCard("arXiv:2209.14988", "SDS on a text-to-image prior, with view-dependent prompts"),
    "sjc": RecipeCard("arXiv:2212.00774", "SDS with a weight of 1"),
    "csd": RecipeCard("arXiv:2310.19415", "the guidance direction alone, a rising share of the negative prompt"),
    "prolificdreamer": RecipeCard("arXiv:2305.16213", "VSD: against a copy of the prior that learns the renders"),
    "scaledreamer": RecipeCard("arXiv:2407.02040", "ASD: against the prior itself at a later timestep"),
    "luciddreamer": RecipeCard("arXiv:2311.11284", "ISM: along the prior's own path from render to noise"),
    "luciddreamer-naive": RecipeCard("arXiv:2311.11284", "the naive multi-step objective that ISM simplifies"),
    "luciddreamer-avatar": RecipeCard(
        "arXiv:2311.11284", "ISM held to a posed body, given with --init MESH", ("structure",)
    ),
    "mvdream": RecipeCard(
        "arXiv:2308.16512", "SDS on a multi-view prior: four views at once, one front", ("multi_view",)
    ),
    "jointdreamer": RecipeCard(
        "arXiv:2407.12291",
        "JSD: SDS whose views must agree, by a multi-view prior's energy",
        (_T2I, "multi_view"),
        ((0, "multi_view"),),
    ),
    "jointdreamer-i": RecipeCard(
        "arXiv:2407.12291", "JSD by C(I), a classifier of pairs of views", (_T2I, "pair_classifier")
    ),
    "jointdreamer-ii": RecipeCard(
        "arXiv:2407.12291", "JSD by C(II), a novel-view prior", (_T2I, "novel_view"), ((0, "novel_view"),)
    ),
    "jointdreamer-i-iii": RecipeCard(
        "arXiv:2407.12291",
        "JSD by C(I) and C(III) together",
        (_T2I, "pair_classifier", "multi_view"),
        ((1, "multi_view"),),
    ),
    "modedreamer": RecipeCard(
        "arXiv:2411.18135",
        "ISD: guided by one picture, and SDS on a multi-view prior",
        ("image_prompt", "multi_view", _T2I),
    ),
    "isd": RecipeCard(
        "arXiv:2411.18135", "ISD alone: guided by one picture, against the prior without it", ("image_prompt", _T2I)
    ),
    "isd-shifted": RecipeCard(
        "arXiv:2411.18135", "ISD alone, against the prior without picture at a later timestep", ("image_prompt", _T2I)
    ),
    "ip-sds": RecipeCard("arXiv:2411.18135", "SDS guided by one picture", ("image_prompt", _T2I)),
    "ip-vsd": RecipeCard("arXiv:2411.18135", "VSD guided by one picture", ("image_prompt", _T2I)),
    "gsd": RecipeCard("arXiv:2406.16695", "SDS with noise that sticks to surfaces, and consistent gradients"),
    "gsd-vsd": RecipeCard("arXiv:2406.16695", "VSD with noise that sticks to surfaces, and consistent gradients"),
    "gsd-cloud": RecipeCard(
        "arXiv:2406.16695", "GSD on a point cloud, given with --init POINTS (on 3DFuse)", ("structure",)
    ),
    "zero123": RecipeCard("arXiv:2303.11328", "one picture, a novel-view prior", ("novel_view", _T2I)),
    "magic123": RecipeCard(
        "arXiv:2306.17843", "one picture, a novel-view and a text-to-image prior", ("novel_view", _T2I)
    ),
}


def load_recipe(name: str) -> Recipe:
    """Return the recipe of that name.

    Raises:
        LimbeckError: E_RECIPE_UNKNOWN.
    """
    require_known(name)
    if name not in VARIANTS:
        recipe: Callable[[], Recipe] = import_module(f"limbeck.recipes.{name.replace('-', '_')}").recipe
        return recipe()
    from limbeck.config import override  # noqa: PLC0415 - imports torch

    variant = VARIANTS[name]
    return replace(override(load_recipe(variant.base), variant.settings), name=name, summary=CARDS[name].summary)


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
