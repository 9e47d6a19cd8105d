# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an artist asks for, kept in the scene and saved with the file."""

# pyright: reportInvalidTypeForm=false
from typing import Any

import bpy
from bpy.props import BoolProperty, CollectionProperty, EnumProperty, IntProperty, PointerProperty, StringProperty

from .. import presets, recipes, timer
from ..provenance import MAX_SEED
from ..texts import CONTEXT
from .references import LIMBECK_PG_reference
from .rig import LIMBECK_PG_rig
from .source import LIMBECK_PG_source

BLEND_RELATIVE = {"PATH_SUPPORTS_BLEND_RELATIVE"} if bpy.app.version >= (4, 5, 0) else set()
"""Lets a path begin with //; older versions allow it everywhere, and do not know the option."""
QUALITY_ITEMS = (
    ("DRAFT", "Draft", "A tenth of the steps, few faces, a small texture: to see whether the idea works"),
    ("NORMAL", "Normal", "The recipe's own steps"),
    ("HIGH", "High", "Twice the steps, more faces, a larger texture"),
)
TEXTURE_ITEMS = (
    ("AUTO", "By Quality", "The quality says how large the texture is"),
    ("0", "Vertex Colours", "No texture: colours are kept at the vertices"),
    ("512", "512 px", "A texture of 512 by 512 pixels"),
    ("1024", "1024 px", "A texture of 1024 by 1024 pixels"),
    ("2048", "2048 px", "A texture of 2048 by 2048 pixels"),
    ("4096", "4096 px", "A texture of 4096 by 4096 pixels"),
)


def _offered_recipes(self: Any, context: Any, edit_text: str) -> list[tuple[str, str]]:
    return recipes.offered(timer.session().link.recipes, edit_text)


class LIMBECK_PG_request(bpy.types.PropertyGroup):
    prompt: StringProperty(name="Prompt", description="What to make, for example: a blue penguin")
    negative_prompt: StringProperty(
        name="Negative Prompt", description="What the object should not be or have, for example: blurry, two heads"
    )
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
    quality: EnumProperty(
        name="Quality",
        description="How much work goes into it; the fields of Advanced go before it where they are filled in",
        items=QUALITY_ITEMS,
        translation_context=CONTEXT,
        default="NORMAL",
    )
    overrides: StringProperty(
        name="Overrides",
        description="Settings of the recipe to change, as KEY=VALUE with spaces between, for example: "
        "guidance_scale=15 noise=consistent",
    )
    prior: StringProperty(
        name="Prior",
        description="The diffusion model: embedded, or the folder of one on the server's computer",
        default=presets.DEFAULTS["prior"],
    )
    seed: IntProperty(
        name="Seed",
        description="Another seed gives another variation of the same prompt",
        min=0,
        max=MAX_SEED,
    )
    random_seed: BoolProperty(name="Random Each Time", description="Take a new seed whenever you generate")
    steps: IntProperty(
        name="Steps", description="Optimisation steps. 0 lets the quality decide", min=0, max=100_000, soft_max=5000
    )
    faces: IntProperty(
        name="Faces",
        description="The most triangles that the asset may have, at least 100. 0 lets the quality decide",
        min=0,
        max=2_000_000,
        soft_max=200_000,
    )
    texture_size: EnumProperty(
        name="Texture", description="How large the asset's texture is", items=TEXTURE_ITEMS, default="AUTO"
    )
    history: StringProperty(name="History", description="The last prompts of this file", options={"HIDDEN"})
    references: CollectionProperty(type=LIMBECK_PG_reference)
    active_reference: IntProperty(name="Reference", description="The reference whose settings are shown below")
    rig: PointerProperty(type=LIMBECK_PG_rig)
    source: PointerProperty(type=LIMBECK_PG_source)


CLASSES = (LIMBECK_PG_request,)
