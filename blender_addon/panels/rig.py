# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From where the asset is looked at while it forms."""

from typing import Any

import bpy

from .. import scene_rig
from ..refusal import DescriptionError
from .layout import SidebarPanel, draw_wrapped


class LIMBECK_PT_rig(SidebarPanel, bpy.types.Panel):
    bl_label = "Camera Rig"
    bl_idname = "LIMBECK_PT_rig"
    bl_parent_id = "LIMBECK_PT_main"
    bl_order = 2
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012

    def draw(self, context: Any) -> None:
        rig, layout = context.scene.limbeck.rig, self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(rig, "source")
        if rig.source == "PRESET":
            draw_preset(layout, rig)
        elif rig.source != "RECIPE":
            layout.prop(rig, "which" if rig.source == "SCENE" else "collection")
            draw_cameras(layout, context.scene)
        if rig.source != "RECIPE":
            layout.prop(rig, "is_shown")
            layout.operator("limbeck.export_cameras", icon="EXPORT")
        layout.operator("limbeck.import_cameras", icon="IMPORT")


def draw_preset(layout: Any, rig: Any) -> None:
    """Draw the numbers of the rings."""
    layout.prop(rig, "preset")
    column = layout.column(align=True)
    column.prop(rig, "count")
    column.prop(rig, "rings")
    column = layout.column(align=True)
    column.prop(rig, "elevation_min")
    column.prop(rig, "elevation_max")
    column = layout.column(align=True)
    column.prop(rig, "azimuth_min")
    column.prop(rig, "azimuth_max")
    layout.prop(rig, "distance")
    layout.prop(rig, "lens_unit")
    layout.prop(rig, "fov" if rig.lens_unit == "FOV" else "focal_length")
    if rig.preset == "TURNTABLE":
        layout.prop(rig, "jitter")
    layout.operator("limbeck.create_cameras", icon="OUTLINER_OB_CAMERA")


def draw_cameras(layout: Any, scene: Any) -> None:
    """Draw how much each of the rig's cameras counts, or why there are none."""
    try:
        found = scene_rig.camera_objects(scene)
    except DescriptionError as error:
        draw_wrapped(layout, error.message, icon="INFO")
        draw_wrapped(layout, error.remedy)
        return
    for thing in found:
        column = layout.column(align=True)
        column.use_property_split = False
        column.label(text=thing.name, icon="OUTLINER_OB_CAMERA", translate=False)
        row = column.row(align=True)  # beside the name a number field has no room for its own
        row.prop(thing.data.limbeck, "weight")
        row.prop(thing.data.limbeck, "jitter")


CLASSES = (LIMBECK_PT_rig,)
