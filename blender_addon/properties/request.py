# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an artist asks for, kept in the scene and saved with the file."""

# pyright: reportInvalidTypeForm=false
from typing import Any

import bpy
from bpy.props import CollectionProperty, IntProperty, PointerProperty, StringProperty

from .. import timer
from .references import LIMBECK_PG_reference
from .rig import LIMBECK_PG_rig
from .source import LIMBECK_PG_source

BLEND_RELATIVE = {"PATH_SUPPORTS_BLEND_RELATIVE"} if bpy.app.version >= (4, 5, 0) else set()
"""Lets a path begin with //; older versions allow it everywhere, and do not know the option."""


def _offered_recipes(self: Any, context: Any, edit_text: str) -> list[str]:
    return [name for name in timer.session().link.recipes if edit_text.lower() in name.lower()]


class LIMBECK_PG_request(bpy.types.PropertyGroup):
    prompt: StringProperty(name="Prompt", description="What to make, for example: a blue penguin")
    recipe: StringProperty(
        name="Recipe",
        description="The method that forms the mesh",
        default="limbeck",
        search=_offered_recipes,
        search_options={"SUGGESTION"},
    )
    image: StringProperty(
        name="Image",
        description="A picture of the object from the front, on a plain or transparent background. May be empty",
        subtype="FILE_PATH",
        options=BLEND_RELATIVE,
    )
    overrides: StringProperty(
        name="Overrides",
        description="Settings of the recipe to change, as KEY=VALUE with spaces between, for example: "
        "guidance_scale=15 noise=consistent",
    )
    seed: IntProperty(name="Seed", description="Another seed gives another variation of the same prompt", min=0)
    steps: IntProperty(name="Steps", description="Optimisation steps. 0 lets the recipe decide", min=0, soft_max=5000)
    faces: IntProperty(
        name="Faces", description="The most triangles that the asset may have", default=20000, min=100, soft_max=200000
    )
    references: CollectionProperty(type=LIMBECK_PG_reference)
    active_reference: IntProperty(name="Reference", description="The reference whose settings are shown below")
    rig: PointerProperty(type=LIMBECK_PG_rig)
    source: PointerProperty(type=LIMBECK_PG_source)


CLASSES = (LIMBECK_PG_request,)
