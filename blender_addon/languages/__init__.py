# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The interface in other languages than English: one JSON file each, from the English text to its translation."""

import json
from pathlib import Path

import bpy

from ..texts import CONTEXT

LOCALES = {"de": ("de", "de_DE"), "fr": ("fr", "fr_FR")}
"""A language's file, and what Blender's versions call the language."""
CONTEXTS = ("*", "Operator", CONTEXT)
"""Labels of operators have a context of their own, and so have words that Blender translates otherwise; a text means
the same here wherever it stands."""


def texts_of(language: str) -> dict[str, str]:
    """Return a language's translations of English texts."""
    return json.loads(Path(__file__).with_name(f"{language}.json").read_text("utf-8"))


def dictionary() -> dict[str, dict[tuple[str, str], str]]:
    """Return all translations as Blender wants them."""
    languages = {name: texts_of(name) for name in LOCALES}
    return {
        locale: {(context, text): said for text, said in languages[name].items() for context in CONTEXTS}
        for name, locales in LOCALES.items()
        for locale in locales
    }


def register() -> None:
    bpy.app.translations.register(__package__, dictionary())


def unregister() -> None:
    bpy.app.translations.unregister(__package__)
