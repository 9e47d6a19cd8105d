# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an error's button does: change the request, free memory, or lead to the right place of the preferences."""

from typing import Any

import bpy

from .. import asking, preferences, presets, quality, timer
from ..texts import translated

LEAST_FACES, MOST_FACES = 100, 2_000_000
TEXTURES = ("0", "512", "1024", "2048", "4096")


class LIMBECK_OT_open_preferences(bpy.types.Operator):
    bl_idname = "limbeck.open_preferences"
    bl_label = "Open Limbeck's Preferences"
    bl_description = "Choose the server's connection file, its command and more"
    bl_options = {"INTERNAL"}  # noqa: RUF012 (Blender wants a plain set)

    def execute(self, context: Any) -> set[str]:
        bpy.ops.preferences.addon_show(module=preferences.__package__)
        return {"FINISHED"}


class LIMBECK_OT_open_online_access(bpy.types.Operator):
    bl_idname = "limbeck.open_online_access"
    bl_label = "Open Network Preferences"
    bl_description = "Show where Blender allows online access, which a server on another computer needs"
    bl_options = {"INTERNAL"}  # noqa: RUF012

    @classmethod
    def poll(cls, context: Any) -> bool:
        if bpy.app.online_access_override:
            cls.poll_message_set(translated("Blender's command line decides on online access"))
            return False
        return True

    def execute(self, context: Any) -> set[str]:
        context.preferences.active_section = "SYSTEM"
        if not bpy.app.background:
            bpy.ops.screen.userpref_show()
        return {"FINISHED"}


class LIMBECK_OT_lower_quality(bpy.types.Operator):
    bl_idname = "limbeck.lower_quality"
    bl_label = "Lower Quality"
    bl_description = "Take the next lower quality, and let it decide on steps, faces and texture; then generate again"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    def execute(self, context: Any) -> set[str]:
        request = context.scene.limbeck
        request.quality = quality.lower(request.quality)
        request.steps = request.faces = 0
        request.texture_size = quality.BY_QUALITY
        return {"FINISHED"}


class LIMBECK_OT_smaller_asset(bpy.types.Operator):
    bl_idname = "limbeck.smaller_asset"
    bl_label = "Make It Smaller"
    bl_description = "Halve the faces and the texture of what you generate next"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    def execute(self, context: Any) -> set[str]:
        request = context.scene.limbeck
        chosen = asking.settings(request)
        request.faces = max(chosen.faces // 2, LEAST_FACES)
        request.texture_size = _half(chosen.texture_size)
        return {"FINISHED"}


class LIMBECK_OT_more_faces(bpy.types.Operator):
    bl_idname = "limbeck.more_faces"
    bl_label = "Allow More Faces"
    bl_description = "Double the most faces of what you generate next"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    def execute(self, context: Any) -> set[str]:
        request = context.scene.limbeck
        request.faces = min(asking.settings(request).faces * 2, MOST_FACES)
        return {"FINISHED"}


class LIMBECK_OT_use_default_recipe(bpy.types.Operator):
    bl_idname = "limbeck.use_default_recipe"
    bl_label = "Use Default Recipe"
    bl_description = "Go back to Limbeck's own recipe, which every server has"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    def execute(self, context: Any) -> set[str]:
        context.scene.limbeck.recipe = presets.DEFAULTS["recipe"]
        return {"FINISHED"}


class LIMBECK_OT_clear_overrides(bpy.types.Operator):
    bl_idname = "limbeck.clear_overrides"
    bl_label = "Clear Overrides"
    bl_description = "Leave all settings of the recipe as they are"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    def execute(self, context: Any) -> set[str]:
        context.scene.limbeck.overrides = ""
        return {"FINISHED"}


class LIMBECK_OT_use_embedded_prior(bpy.types.Operator):
    bl_idname = "limbeck.use_embedded_prior"
    bl_label = "Use Embedded Prior"
    bl_description = "Go back to the small diffusion models that come with the server"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    def execute(self, context: Any) -> set[str]:
        context.scene.limbeck.prior = presets.DEFAULTS["prior"]
        return {"FINISHED"}


class LIMBECK_OT_pause_others(bpy.types.Operator):
    bl_idname = "limbeck.pause_others"
    bl_label = "Pause Other Jobs"
    bl_description = "Let the other jobs of this Blender write a checkpoint and free their memory; resume them later"
    bl_options = {"INTERNAL"}  # noqa: RUF012

    @classmethod
    def poll(cls, context: Any) -> bool:
        if not _others():
            cls.poll_message_set(translated("No other job of this Blender is running"))
            return False
        return True

    def execute(self, context: Any) -> set[str]:
        client, others = timer.session().link.client, _others()
        if client is None:
            return {"CANCELLED"}
        for job_id in others:
            client.pause(job_id)
        timer.wake()
        self.report({"INFO"}, translated("Pausing {count}").format(count=len(others)))
        return {"FINISHED"}


def _others() -> list[str]:
    """Return the running jobs of this Blender but the one that is shown."""
    session = timer.session()
    if not session.link.is_ready:
        return []
    selected = session.selected.id if session.selected is not None else ""
    return [job.id for job in session.jobs if job.phase in ("starting", "running") and job.id != selected]


def _half(texture_size: int) -> str:
    """Return the texture size that the panel offers below one."""
    smaller = [size for size in TEXTURES if int(size) < texture_size]
    return smaller[-1] if smaller else TEXTURES[0]


CLASSES = (
    LIMBECK_OT_open_preferences,
    LIMBECK_OT_open_online_access,
    LIMBECK_OT_lower_quality,
    LIMBECK_OT_smaller_asset,
    LIMBECK_OT_more_faces,
    LIMBECK_OT_use_default_recipe,
    LIMBECK_OT_clear_overrides,
    LIMBECK_OT_use_embedded_prior,
    LIMBECK_OT_pause_others,
)
