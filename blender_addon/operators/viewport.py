# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the viewport shows what forms."""

from typing import Any

import bpy

from .. import live_mesh, timer


class LIMBECK_OT_show_colors(bpy.types.Operator):
    bl_idname = "limbeck.show_colors"
    bl_label = "Show Colours in Viewport"
    bl_description = "Let this viewport's Solid shading show the colours of meshes"
    bl_options = {"REGISTER"}  # noqa: RUF012

    @classmethod
    def poll(cls, context: Any) -> bool:
        return getattr(context.space_data, "type", "") == "VIEW_3D"

    def execute(self, context: Any) -> set[str]:
        context.space_data.shading.color_type = wanted_color_type(context) or "VERTEX"
        return {"FINISHED"}


def wanted_color_type(context: Any) -> str:
    """Return the kind of Solid shading that shows the colours of what is looked at, or "" where nothing is of ours.

    A mesh that forms has colours at its vertices, an asset often a texture; each is white in the other's shading.
    """
    job, thing = timer.session().job, context.object
    if job is not None and live_mesh.find(job.id, job.title) is not None:
        return "VERTEX"
    if thing is None or "prompt" not in thing:
        return ""
    return "TEXTURE" if _has_texture(thing) else "VERTEX"


def show_texture(context: Any, asset: Any) -> None:
    """Let viewports that show vertex colours in Solid shading show an asset's texture, unless another mesh forms."""
    if not _has_texture(asset) or any(live_mesh.all_live()):
        return
    screens = [window.screen for window in context.window_manager.windows]
    for area in [area for screen in screens for area in screen.areas if area.type == "VIEW_3D"]:
        shading = area.spaces.active.shading
        if shading.type == "SOLID" and shading.color_type == "VERTEX":
            shading.color_type = "TEXTURE"


def _has_texture(thing: Any) -> bool:
    trees = [slot.material.node_tree for slot in thing.material_slots if slot.material is not None]
    nodes = [node for tree in trees if tree is not None for node in tree.nodes]
    return any(node.type == "TEX_IMAGE" and node.image is not None for node in nodes)


CLASSES = (LIMBECK_OT_show_colors,)
