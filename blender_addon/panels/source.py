# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a job starts from, and where its asset goes."""

from typing import Any

import bpy

from .layout import SidebarPanel, draw_wrapped


class LIMBECK_PT_source(SidebarPanel, bpy.types.Panel):
    bl_label = "Start From"
    bl_idname = "LIMBECK_PT_source"
    bl_parent_id = "LIMBECK_PT_main"
    bl_order = 3
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012

    def draw(self, context: Any) -> None:
        source, layout = context.scene.limbeck.source, self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(source, "start")
        if source.start == "NOTHING":
            layout.prop(source, "fit")
            layout.prop(source, "box" if source.fit == "BOX" else "radius")
            draw_chosen(layout, context, source.box if source.fit == "BOX" else True)
            return
        layout.prop(source, "thing")
        draw_chosen(layout, context, source.thing)
        if source.start == "BLOCKOUT":
            layout.prop(source, "hides_source")
        elif source.start == "TEXTURE":
            draw_wrapped(layout, "Every vertex stays where it is; the object gets a UV map and a material", icon="INFO")


def draw_chosen(layout: Any, context: Any, picked: Any) -> None:
    """Draw which object is meant where none is picked."""
    if picked:
        return
    thing = context.view_layer.objects.active
    if thing is not None and thing.select_get():
        layout.label(text=thing.name, icon="OBJECT_DATA")
    else:
        draw_wrapped(layout, "Select an object, or pick one", icon="INFO")


CLASSES = (LIMBECK_PT_source,)
