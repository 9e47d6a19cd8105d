# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Whether a recipe and the pictures that a user gives suit one another, before any work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from limbeck.config import Recipe
from limbeck.errors import LimbeckError
from limbeck.events import Warned
from limbeck.framing import Reference


def chosen_prompt(references: Sequence[Reference]) -> Reference | None:
    """Return the image prompt that counts where there can be but one: the heaviest, the first of equals."""
    return max((reference for reference in references if reference.is_prompt), key=lambda it: it.weight, default=None)


def require_image(recipe: Recipe, references: Sequence[Reference]) -> None:
    """Refuse a run that would look at a picture and has none, or has one and would not look at it.

    Raises:
        LimbeckError: E_RECIPE_INVALID.
    """
    prompt = chosen_prompt(references)
    if recipe.needs_image and recipe.drawn_image is None and prompt is None:
        got = "only photometric ones" if references else "none"
        raise LimbeckError(
            "E_RECIPE_INVALID",
            f"expected an image for {recipe.name}, which has an image prompt, got {got}",
            "give one with --image, or let the prior draw one with --set drawn_image=on",
        )
    if prompt is not None and not prompt.is_target and not _is_seen(prompt, recipe):
        message = f"expected no image prompt for {recipe.name}, {_why_unseen(prompt)}, got one"
        choice = "limbeck, modedreamer" if prompt.camera is None else "modedreamer"
        remedy = f"choose --recipe {choice}, zero123 or magic123, or make it a photometric target with a camera"
        raise LimbeckError("E_RECIPE_INVALID", message, remedy)


def image_warnings(recipe: Recipe, references: Sequence[Reference]) -> Iterator[Warned]:
    """Yield what is true of pictures that are used, but not in every way that they could be."""
    prompt, count = chosen_prompt(references), sum(reference.is_prompt for reference in references)
    if prompt is None:
        return
    if not _is_seen(prompt, recipe):
        message = f"images are photometric targets alone in {recipe.name}, {_why_unseen(prompt)}"
        yield Warned("W_IMAGE_PROMPT_UNUSED", message)
    elif count > 1 and any(term.prior != "image_prompt" for term in recipe.terms):
        message = f"of {count} image prompts only the heaviest is looked at by what takes one picture in {recipe.name}"
        yield Warned("W_IMAGE_PROMPT_UNUSED", message)


def _is_seen(prompt: Reference, recipe: Recipe) -> bool:
    return recipe.needs_image or (recipe.takes_image and prompt.camera is None)


def _why_unseen(prompt: Reference) -> str:
    if prompt.camera is None:
        return "none of whose terms looks at a picture"
    return "none of whose terms looks at a picture from elsewhere than the front"
