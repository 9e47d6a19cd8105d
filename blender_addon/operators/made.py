# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be made of the active asset: the same again, a variation, a file, an entry of the Asset Browser."""

# pyright: reportInvalidTypeForm=false
from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy
from bpy.props import StringProperty

from .. import asking, asset_marking, description, placement, provenance, remembered, timer, whereabouts, wire
from ..preferences import addon_preferences
from ..texts import translated
from .generate import new_seed

GAP = 1.25
"""Variations stand this many widths of the asset apart."""


class LIMBECK_OT_regenerate(bpy.types.Operator):
    bl_idname = "limbeck.regenerate"
    bl_label = "Regenerate"
    bl_description = "Make this asset again from its own prompt, seed and settings, beside it"
    bl_options = {"REGISTER"}  # noqa: RUF012 (Blender wants a plain set)

    @classmethod
    def poll(cls, context: Any) -> bool:
        return _can_generate(cls, context)

    def execute(self, context: Any) -> set[str]:
        return _generate_like(self, context, {})


class LIMBECK_OT_vary(bpy.types.Operator):
    bl_idname = "limbeck.vary"
    bl_label = "Vary"
    bl_description = "Make another one from this asset's prompt and settings with a new seed, beside it"
    bl_options = {"REGISTER"}  # noqa: RUF012

    @classmethod
    def poll(cls, context: Any) -> bool:
        return _can_generate(cls, context)

    def execute(self, context: Any) -> set[str]:
        return _generate_like(self, context, {"seed": new_seed()})


class LIMBECK_OT_fill_in(bpy.types.Operator):
    bl_idname = "limbeck.fill_in"
    bl_label = "Use Its Settings"
    bl_description = "Fill in this asset's prompt, seed and settings above, to change them before you generate"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    @classmethod
    def poll(cls, context: Any) -> bool:
        return _is_asset(cls, context)

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
        return _is_asset(cls, context)

    def execute(self, context: Any) -> set[str]:
        context.window_manager.clipboard = str(context.object[provenance.MARK])
        self.report({"INFO"}, "Copied")
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
        return _is_asset(cls, context)

    def invoke(self, context: Any, event: Any) -> set[str]:
        self.filepath = f"{bpy.path.clean_name(context.object.name)}.glb"
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: Any) -> set[str]:
        file = bpy.path.ensure_ext(bpy.path.abspath(self.filepath), ".glb")
        selected = list(context.selected_objects)
        try:
            for thing in selected:
                thing.select_set(False)
            context.object.select_set(True)
            bpy.ops.export_scene.gltf(filepath=file, use_selection=True, export_format="GLB", export_extras=True)
        except RuntimeError as error:
            self.report({"ERROR"}, f"{file} cannot be written: {str(error).strip()}")
            return {"CANCELLED"}
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
        return _is_asset(cls, context)

    def execute(self, context: Any) -> set[str]:
        made = provenance.from_properties(context.object)
        try:
            asset_marking.mark(context.object, made or provenance.Provenance(""), addon_preferences(context))
        except OSError as error:
            self.report({"WARNING"}, f"Marked, but the library's catalog cannot be written: {error.strerror}")
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
        return _is_asset(cls, context)

    def execute(self, context: Any) -> set[str]:
        preferences = addon_preferences(context)
        made = provenance.from_properties(context.object) or provenance.Provenance("")
        try:
            asset_marking.mark(context.object, made, preferences)
            file = asset_marking.save(context.object, preferences)
        except OSError as error:
            self.report({"ERROR"}, f"The library cannot be written: {error.strerror}")
            return {"CANCELLED"}
        self.report({"INFO"}, file.name)
        return {"FINISHED"}


class LIMBECK_OT_reveal_file(bpy.types.Operator):
    bl_idname = "limbeck.reveal_file"
    bl_label = "Reveal File"
    bl_description = "Show the folder with the GLB file that this asset was imported from"
    bl_options = {"INTERNAL"}  # noqa: RUF012

    @classmethod
    def poll(cls, context: Any) -> bool:
        if not _is_asset(cls, context):
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


def _generate_like(operator: Any, context: Any, changes: dict[str, Any]) -> set[str]:
    """Generate from the asset's own settings, in which some are changed; those of the panel stay as they are."""
    asset = context.object
    made = provenance.from_properties(asset) or provenance.Provenance("")
    try:
        pictures = description.spec_of(context.scene).references if made.references else ()
        spec = provenance.spec_of(replace(made, **changes), pictures)
    except (description.DescriptionError, wire.errors.JobError) as error:
        operator.report({"ERROR"}, f"{error.message}; {error.remedy}")
        return {"CANCELLED"}
    if made.references > len(pictures):
        operator.report({"WARNING"}, "It was made with pictures, which are not kept: choose them again")
    remembered.note(context.scene.limbeck, {**made.settings(), **changes})
    timer.session().submit(spec, beside(asset))
    timer.wake()
    return {"FINISHED"}


def beside(asset: Any) -> placement.Placement:
    """Return a placement to the right of an asset, turned and scaled as it is."""
    matrix = whereabouts.frame_of(asset)
    matrix.translation.x += GAP * max(asset.dimensions.x, asset.dimensions.y, 1e-3)
    return placement.Placement(tuple(tuple(row) for row in matrix))


def _is_asset(operator: Any, context: Any) -> bool:
    if context.object is None or not provenance.is_made_here(context.object):
        operator.poll_message_set(translated("Select an object that Limbeck has made"))
        return False
    return True


def _can_generate(operator: Any, context: Any) -> bool:
    if not _is_asset(operator, context):
        return False
    reason = wire.PROBLEM or timer.session().link.why_no_server
    if reason:
        operator.poll_message_set(translated(reason))
    return not reason


CLASSES = (
    LIMBECK_OT_regenerate,
    LIMBECK_OT_vary,
    LIMBECK_OT_fill_in,
    LIMBECK_OT_copy_prompt,
    LIMBECK_OT_export_glb,
    LIMBECK_OT_mark_asset,
    LIMBECK_OT_save_to_library,
    LIMBECK_OT_reveal_file,
)
