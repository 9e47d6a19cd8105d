# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the viewport shows what forms."""

from typing import Any

import bpy


class LIMBECK_OT_show_colors(bpy.types.Operator):
    bl_idname = "limbeck.show_colors"
    bl_label = "Show Colours in Viewport"
    bl_description = "Let this viewport's Solid shading show the colours of meshes"
    bl_options = {"REGISTER"}  # noqa: RUF012

    @classmethod
    def poll(cls, context: Any) -> bool:
        return getattr(context.space_data, "type", "") == "VIEW_3D"

    def execute(self, context: Any) -> set[str]:
        context.space_data.shading.color_type = "VERTEX"
        return {"FINISHED"}


CLASSES = (LIMBECK_OT_show_colors,)
