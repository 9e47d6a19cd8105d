# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reference pictures: what the asset should look like, and from where."""

from typing import Any

import bpy

from .layout import SidebarPanel, draw_wrapped

ADD = (
    ("limbeck.add_reference_viewport", "VIEW3D"),
    ("limbeck.add_reference_render", "CAMERA_DATA"),
    ("limbeck.add_reference_file", "FILE_FOLDER"),
    ("limbeck.add_reference_image", "IMAGE_DATA"),
)


class LIMBECK_UL_references(bpy.types.UIList):
    bl_idname = "LIMBECK_UL_references"

    def draw_item(  # Blender counts the arguments
        self, context: Any, layout: Any, data: Any, item: Any, icon: int, active: Any, active_name: str
    ) -> None:
        row = layout.row(align=True)
        thumbnail = row.icon(item.image) if item.image is not None else 0
        row.prop(item, "name", text="", emboss=False, icon_value=thumbnail)
        row.label(text="", icon="CAMERA_DATA" if item.is_posed else "BLANK1")
        weight = row.row()
        weight.ui_units_x = 3
        weight.prop(item, "weight", text="", emboss=False)


class LIMBECK_MT_add_reference(bpy.types.Menu):
    bl_idname = "LIMBECK_MT_add_reference"
    bl_label = "Add Reference"

    def draw(self, context: Any) -> None:
        for operator, icon in ADD:
            self.layout.operator(operator, icon=icon)


class LIMBECK_PT_references(SidebarPanel, bpy.types.Panel):
    bl_label = "References"
    bl_idname = "LIMBECK_PT_references"
    bl_parent_id = "LIMBECK_PT_main"
    bl_order = 1
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012

    def draw(self, context: Any) -> None:
        request, layout = context.scene.limbeck, self.layout
        row = layout.row()
        row.template_list(
            "LIMBECK_UL_references", "", request, "references", request, "active_reference", rows=3, maxrows=6
        )
        column = row.column(align=True)
        column.menu("LIMBECK_MT_add_reference", icon="ADD", text="")
        column.operator("limbeck.remove_reference", icon="REMOVE", text="")
        column.separator()
        column.operator("limbeck.move_reference", icon="TRIA_UP", text="").direction = "UP"
        column.operator("limbeck.move_reference", icon="TRIA_DOWN", text="").direction = "DOWN"
        if not request.references:
            draw_wrapped(layout, "Add pictures of what you want: a viewport or a render keeps its camera")
        elif 0 <= request.active_reference < len(request.references):
            draw_reference(layout, request.references[request.active_reference])


def draw_reference(layout: Any, item: Any) -> None:
    """Draw the settings of one reference."""
    layout.use_property_split = True
    layout.use_property_decorate = False
    if item.image is not None:
        layout.template_icon(icon_value=layout.icon(item.image), scale=5.0)
    layout.prop(item, "image")
    layout.prop(item, "weight")
    if item.is_posed:
        layout.prop(item, "use")
        layout.operator("limbeck.forget_reference_camera")
    else:
        draw_wrapped(layout, "An image prompt, seen straight from the front", icon="INFO")


CLASSES = (LIMBECK_UL_references, LIMBECK_MT_add_reference, LIMBECK_PT_references)
