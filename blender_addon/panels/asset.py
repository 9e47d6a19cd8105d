# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The active object, if Limbeck has made it: what it was made from, and what can be made of it."""

from typing import Any

import bpy

from .. import provenance
from ..texts import translated
from .layout import SidebarPanel, draw_wrapped


class LIMBECK_PT_asset(SidebarPanel, bpy.types.Panel):
    bl_label = "Asset"
    bl_idname = "LIMBECK_PT_asset"
    bl_parent_id = "LIMBECK_PT_main"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012 (Blender wants a plain set)
    bl_order = 5

    def draw(self, context: Any) -> None:
        thing = context.object
        made = provenance.from_properties(thing) if thing is not None and provenance.is_made_here(thing) else None
        if made is None:
            draw_wrapped(self.layout, "Select an object that Limbeck has made", icon="INFO")
            return
        draw_provenance(self.layout, made)
        draw_actions(self.layout)


def draw_provenance(layout: Any, made: provenance.Provenance) -> None:
    """Draw what an asset was made from."""
    draw_wrapped(layout, made.prompt, icon="TEXT")
    if made.negative_prompt:
        draw_wrapped(layout, translated("Without: {prompt}").format(prompt=made.negative_prompt))
    lines = (
        translated("Recipe {recipe}, seed {seed}").format(recipe=made.recipe, seed=made.seed),
        translated("Made {date}, server {version}").format(
            date=made.made_at[:10] or translated("not known"), version=made.server_version or translated("not known")
        ),
    )
    column = layout.column(align=True)
    for line in lines:
        column.label(text=line, translate=False)
    draw_wrapped(layout, made.licence)


def draw_actions(layout: Any) -> None:
    row = layout.row(align=True)
    row.operator("limbeck.regenerate", icon="FILE_REFRESH")
    row.operator("limbeck.vary", icon="DUPLICATE")
    column = layout.column(align=True)  # two in a row would be cut off in languages with longer words
    column.operator("limbeck.fill_in", icon="LOOP_BACK")
    column.operator("limbeck.copy_prompt", icon="COPYDOWN")
    column.operator("limbeck.mark_asset", icon="ASSET_MANAGER")
    column.operator("limbeck.save_to_library")
    column.operator("limbeck.export_glb", icon="EXPORT")
    column.operator("limbeck.reveal_file", icon="FILE_FOLDER")


CLASSES = (LIMBECK_PT_asset,)
