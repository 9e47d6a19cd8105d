# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be made of the active asset: its settings, a file, an entry of the Asset Browser."""

# pyright: reportInvalidTypeForm=false
from pathlib import Path
from typing import Any

import bpy
from bpy.props import StringProperty

from .. import asking, asset_marking, provenance, timer, wire
from ..operator_error import reason_of
from ..preferences import addon_preferences
from ..texts import translated
from .refuse import refuse_text


class LIMBECK_OT_fill_in(bpy.types.Operator):
    bl_idname = "limbeck.fill_in"
    bl_label = "Use Its Settings"
    bl_description = "Fill in this asset's prompt, seed and settings above, to change them before you generate"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    @classmethod
    def poll(cls, context: Any) -> bool:
        return is_asset(cls, context)

    def execute(self, context: Any) -> set[str]:
        made = provenance.from_properties(context.object)
        asking.fill_in(context.scene.limbeck, made.settings() if made is not None else {})
        return {"FINISHED"}


class LIMBECK_OT_copy_prompt(bpy.types.Operator):
    bl_idname = "limbeck.copy_prompt"
    bl_label = "Copy Prompt"
    bl_description = "Copy the prompt that this asset was made from"
    bl_options = {"INTERNAL"}  # noqa: RUF012

    @classmethod
    def poll(cls, context: Any) -> bool:
        return is_asset(cls, context)

    def execute(self, context: Any) -> set[str]:
        context.window_manager.clipboard = str(context.object[provenance.MARK])
        self.report({"INFO"}, translated("Copied"))
        return {"FINISHED"}


class LIMBECK_OT_export_glb(bpy.types.Operator):
    bl_idname = "limbeck.export_glb"
    bl_label = "Export GLB"
    bl_description = "Write this object alone as a GLB file, for other programs"
    bl_options = {"REGISTER"}  # noqa: RUF012

    filepath: StringProperty(name="File", description="The file to write", subtype="FILE_PATH")
    filter_glob: StringProperty(default="*.glb", options={"HIDDEN"})

    @classmethod
    def poll(cls, context: Any) -> bool:
        if not is_asset(cls, context):
            return False
        if not context.object.visible_get():  # the exporter would write an empty file
            cls.poll_message_set(translated("The object is hidden: show it first"))
            return False
        return True

    def invoke(self, context: Any, event: Any) -> set[str]:
        self.filepath = f"{bpy.path.clean_name(context.object.name)}.glb"
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: Any) -> set[str]:
        if not self.filepath:
            return refuse_text(self, "Choose a file to write")
        file = bpy.path.ensure_ext(bpy.path.abspath(self.filepath), ".glb")
        selected = list(context.selected_objects)
        try:
            for thing in selected:
                thing.select_set(False)
            context.object.select_set(True)
            bpy.ops.export_scene.gltf(filepath=file, use_selection=True, export_format="GLB", export_extras=True)
        except RuntimeError as error:
            return refuse_text(self, "{file} cannot be written: {reason}", file=file, reason=reason_of(error))
        finally:
            context.object.select_set(False)
            for thing in selected:
                thing.select_set(True)
        return {"FINISHED"}


class LIMBECK_OT_mark_asset(bpy.types.Operator):
    bl_idname = "limbeck.mark_asset"
    bl_label = "Mark as Asset"
    bl_description = "Show this object in the Asset Browser, with a preview, its prompt, tags, author and licence"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    @classmethod
    def poll(cls, context: Any) -> bool:
        return is_asset(cls, context)

    def execute(self, context: Any) -> set[str]:
        made = provenance.from_properties(context.object)
        try:
            asset_marking.mark(context.object, made or provenance.Provenance(""), addon_preferences(context))
        except OSError as error:
            text = translated("Marked, but the library's catalog cannot be written: {reason}")
            self.report({"WARNING"}, text.format(reason=error.strerror))
        return {"FINISHED"}


class LIMBECK_OT_save_to_library(bpy.types.Operator):
    bl_idname = "limbeck.save_to_library"
    bl_label = "Save to Library"
    bl_description = "Mark this object as an asset, and write it into the asset library of the preferences"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    @classmethod
    def poll(cls, context: Any) -> bool:
        if asset_marking.library_of(addon_preferences(context)) is None:
            cls.poll_message_set(translated("Choose an asset library in Limbeck's preferences first"))
            return False
        return is_asset(cls, context)

    def execute(self, context: Any) -> set[str]:
        preferences = addon_preferences(context)
        made = provenance.from_properties(context.object) or provenance.Provenance("")
        try:
            asset_marking.mark(context.object, made, preferences)
            file = asset_marking.save(context.object, preferences)
        except OSError as error:
            return refuse_text(self, "The library cannot be written: {reason}", reason=error.strerror)
        self.report({"INFO"}, file.name)
        return {"FINISHED"}


class LIMBECK_OT_reveal_file(bpy.types.Operator):
    bl_idname = "limbeck.reveal_file"
    bl_label = "Reveal File"
    bl_description = "Show the folder with the GLB file that this asset was imported from"
    bl_options = {"INTERNAL"}  # noqa: RUF012

    @classmethod
    def poll(cls, context: Any) -> bool:
        if not is_asset(cls, context):
            return False
        if not downloaded_file(context.object).is_file():
            cls.poll_message_set(translated("Its file is not on this computer any more; Export GLB makes another"))
            return False
        return True

    def execute(self, context: Any) -> set[str]:
        bpy.ops.wm.path_open(filepath=str(downloaded_file(context.object).parent))
        return {"FINISHED"}


def downloaded_file(thing: Any) -> Path:
    """Return where the asset's download lies, if it is there still; a .blend from elsewhere may name anything."""
    job = thing.get("job")
    is_job = not wire.PROBLEM and isinstance(job, str) and wire.ids.is_ulid(job)
    return timer.user_folder("assets") / (f"{job}.glb" if is_job else "none.glb")


def is_asset(operator: Any, context: Any) -> bool:
    """Return whether the active object is an asset; say in the operator's tooltip what to select where it is not."""
    if context.object is None or not provenance.is_made_here(context.object):
        operator.poll_message_set(translated("Select an object that Limbeck has made"))
        return False
    return True


CLASSES = (
    LIMBECK_OT_fill_in,
    LIMBECK_OT_copy_prompt,
    LIMBECK_OT_export_glb,
    LIMBECK_OT_mark_asset,
    LIMBECK_OT_save_to_library,
    LIMBECK_OT_reveal_file,
)
