# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Which toy a prompt of the lab means, and the pictures of one that a run may be given."""

from __future__ import annotations

from limbeck.errors import LimbeckError
from limbeck.framing import Reference
from limbeck.playset.captions import caption
from limbeck.playset.render import render
from limbeck.playset.things import COLOR_WORDS, FRONTED, Thing

PICTURE_PIXELS, PICTURE_ELEVATION_DEG = 256, 15.0
ODD = (
    ("striped", (1.15, 0.85, 1.0)),
    ("spotted", (0.85, 1.15, 1.0)),
    ("shiny", (1.0, 1.0, 0.8)),
    ("striped", (0.8, 1.0, 1.1)),
)
"""Pattern and stretch of the toys in pictures; a prompt names neither."""


def toy_of(prompt: str) -> Thing:
    """Return the plain toy that a prompt such as "a blue penguin" means.

    Raises:
        LimbeckError: E_USAGE.
    """
    for noun in sorted(FRONTED):
        for color in COLOR_WORDS:
            if prompt == caption(noun, color):
                return Thing(noun, color)
    message = f"expected prompts such as 'a blue penguin', a colour and a toy with a front, got {prompt!r}"
    raise LimbeckError("E_USAGE", message, f"toys with a front: {', '.join(sorted(FRONTED))}")


def pictured_toy(thing: Thing, picture: str) -> Thing:
    """Return the toy that an arm's picture shows; without picture the plain one.

    Raises:
        ValueError: for a picture that there is none of.
    """
    if picture in ("", "true"):
        return thing
    kind, _, number = picture.partition(":")
    if kind != "odd" or not number.isdecimal() or int(number) >= len(ODD):
        raise ValueError(f"expected a picture 'true' or 'odd:K', K from 0 to {len(ODD) - 1}, got {picture!r}")
    pattern, stretch = ODD[int(number)]
    return Thing(thing.noun, thing.color, pattern, stretch, int(number) + 1)


def references_of(thing: Thing, picture: str) -> tuple[Reference, ...]:
    """Return the front of an arm's toy as what ``--image`` would be, if the arm is given a picture."""
    if not picture:
        return ()
    view = render(pictured_toy(thing, picture), 0.0, PICTURE_ELEVATION_DEG, size=PICTURE_PIXELS)
    return (Reference(view.rgba),)
