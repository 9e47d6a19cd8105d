# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What Blender shows of the extension's classes has a translation, and Blender knows of it."""

from collections.abc import Iterator
from typing import Any

import bpy
import pytest

FAMILIES = ("Operator", "Panel", "Menu", "PropertyGroup", "AddonPreferences", "UIList")


def classes() -> list[Any]:
    kinds = [getattr(bpy.types, family) for family in FAMILIES]
    found = [part for kind in kinds for part in kind.__subclasses__()]
    return [part for part in found if part.__module__.startswith("bl_ext.user_default.limbeck")]


def texts_of(part: Any) -> Iterator[str]:
    """Iterate over what Blender itself shows of a class: labels, names, descriptions, items."""
    yield from (getattr(part, "bl_label", ""), getattr(part, "bl_description", ""))
    rna = part.bl_rna if hasattr(part, "bl_rna") else None
    own = set(getattr(part, "__annotations__", {}))
    for item in rna.properties if rna is not None else ():
        if item.identifier in own and not item.is_hidden and item.name != item.identifier:  # groups have no name
            yield from (item.name, item.description)
            for choice in item.enum_items if item.type == "ENUM" else ():
                yield from (choice.name, choice.description)


@pytest.mark.parametrize("language", ["de", "fr"])
def test_every_class_speaks_the_language(addon: Any, language: str) -> None:
    said = addon.module("languages").texts_of(language)
    assert len(classes()) > 30
    missing = {text: part.__name__ for part in classes() for text in texts_of(part) if text and text not in said}
    missing.pop("Limbeck", None)
    assert not missing


def test_blender_takes_the_dictionaries_whenever_the_extension_is_enabled(addon: Any) -> None:
    """The bpy module has no look-up of its own, so that this holds what is handed over."""
    import addon_utils

    dictionary = addon.module("languages").dictionary()
    assert dictionary["de_DE"][("Operator", "Generate")] == "Erzeugen"
    assert dictionary["fr"][("*", "Ready")] == "Prêt"
    for _ in range(2):
        addon_utils.disable("bl_ext.user_default.limbeck")
        addon_utils.enable("bl_ext.user_default.limbeck")


@pytest.mark.parametrize(
    ("group", "name", "label"),
    [
        ("LIMBECK_PG_request", "quality", "Normal"),
        ("LIMBECK_PG_rig", "lens_unit", "Field of View"),
        ("LIMBECK_PG_rig", "fov", "Field of View"),
        ("LIMBECK_PG_rig", "jitter", "Jitter"),
        ("LIMBECK_PG_camera", "jitter", "Jitter"),
    ],
)
def test_words_that_blender_translates_otherwise_have_a_context_of_their_own(
    addon: Any, group: str, name: str, label: str
) -> None:
    properties = next(part for part in classes() if part.__name__ == group).bl_rna.properties
    assert properties[name].translation_context != "*"
    assert (properties[name].translation_context, label) in addon.module("languages").dictionary()["fr_FR"]


def test_panel_says_it_in_the_artists_language(addon: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bpy module has no languages, so that Blender's own look-up is stood in for by the same dictionary."""
    german = addon.module("languages").texts_of("de")
    for name in ("job", "panels.layout", "fixes", "quality"):
        monkeypatch.setattr(addon.module(name), "translated", lambda text: german.get(text, text))
    origin = addon.module("placement").at((0.0, 0.0, 0.0))
    job = addon.module("job").FollowedJob("a bird", 0, "limbeck", origin, phase="running", stage="optimising")
    assert job.__class__(**{**vars(job), "step": 3, "steps": 8}).progress_text == "Formt sich, Schritt 3 von 8"
    problem = addon.module("job").Problem("no space left", "free 3 GB", "E_DISK_FULL")
    assert addon.module("fixes").remedy_for(problem).startswith("Schaffe Platz")
    unknown = addon.module("job").Problem("the engine was asked to fail", "use another prompt", "E_PROMPT_UNKNOWN")
    assert addon.module("fixes").remedy_for(unknown) == "use another prompt"
