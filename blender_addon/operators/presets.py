# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Presets, and the history of prompts."""

# pyright: reportInvalidTypeForm=false
from typing import Any

import bpy
from bpy.props import IntProperty, StringProperty

from .. import asking, presets, remembered
from .refuse import refuse_text

CUT = 48
"""Characters of a prompt in the history's menu."""


class LIMBECK_OT_apply_preset(bpy.types.Operator):
    bl_idname = "limbeck.apply_preset"
    bl_label = "Apply Preset"
    bl_description = "Set recipe, quality and the fields of Advanced; prompt and seed stay"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012 (Blender wants a plain set)

    name: StringProperty(name="Preset", description="The preset's name")

    def execute(self, context: Any) -> set[str]:
        fields = remembered.open_presets().fields_of(self.name)
        if fields is None:
            return refuse_text(self, "There is no preset {name}", name=self.name)
        asking.fill_in(context.scene.limbeck, fields)
        return {"FINISHED"}


class LIMBECK_OT_save_preset(bpy.types.Operator):
    bl_idname = "limbeck.save_preset"
    bl_label = "Save Preset"
    bl_description = "Keep recipe, quality and the fields of Advanced under a name, for all files"
    bl_options = {"REGISTER"}  # noqa: RUF012

    name: StringProperty(name="Name", description="The preset's name; an own preset of that name is replaced")

    def invoke(self, context: Any, event: Any) -> set[str]:
        return context.window_manager.invoke_props_dialog(self)

    def execute(self, context: Any) -> set[str]:
        name = self.name.strip()
        if not name:
            return refuse_text(self, "Give the preset a name")
        if name in presets.BUILT_IN:
            return refuse_text(self, "{name} is a built-in preset: choose another name", name=name)
        try:
            remembered.open_presets().save(name, asking.fields_of(context.scene.limbeck, presets.PRESET_FIELDS))
        except OSError as error:
            return refuse_text(self, "The preset cannot be saved: {reason}", reason=error.strerror)
        return {"FINISHED"}


class LIMBECK_OT_delete_preset(bpy.types.Operator):
    bl_idname = "limbeck.delete_preset"
    bl_label = "Delete Preset"
    bl_description = "Forget one of your own presets"
    bl_options = {"REGISTER"}  # noqa: RUF012

    name: StringProperty(name="Preset", description="The preset's name")

    def execute(self, context: Any) -> set[str]:
        own = remembered.open_presets()
        if self.name not in own.own:
            return refuse_text(self, "There is no preset {name} of your own", name=self.name)
        try:
            own.delete(self.name)
        except OSError as error:
            return refuse_text(self, "The preset cannot be deleted: {reason}", reason=error.strerror)
        return {"FINISHED"}


class LIMBECK_OT_use_history(bpy.types.Operator):
    bl_idname = "limbeck.use_history"
    bl_label = "Use Again"
    bl_description = "Fill in a prompt of before, with its seed and settings"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    index: IntProperty(name="Entry", description="0 is the newest", min=0)

    def execute(self, context: Any) -> set[str]:
        entries = remembered.history_of(context.scene.limbeck)
        if self.index >= len(entries):
            return refuse_text(self, "The history has no such entry")
        asking.fill_in(context.scene.limbeck, entries[self.index])
        return {"FINISHED"}


class LIMBECK_MT_presets(bpy.types.Menu):
    bl_idname = "LIMBECK_MT_presets"
    bl_label = "Presets"
    bl_description = "Settings under a name"

    def draw(self, context: Any) -> None:
        layout, own = self.layout, remembered.open_presets().own
        for name in presets.BUILT_IN:
            layout.operator("limbeck.apply_preset", text=name).name = name
        if own:
            layout.separator()
        for name in own:
            layout.operator("limbeck.apply_preset", text=name, translate=False).name = name
        layout.separator()
        layout.operator("limbeck.save_preset", icon="ADD")
        if own:
            layout.menu("LIMBECK_MT_delete_preset", icon="REMOVE")


class LIMBECK_MT_delete_preset(bpy.types.Menu):
    bl_idname = "LIMBECK_MT_delete_preset"
    bl_label = "Delete Preset"
    bl_description = "Forget one of your own presets"

    def draw(self, context: Any) -> None:
        for name in remembered.open_presets().own:
            self.layout.operator("limbeck.delete_preset", text=name, translate=False).name = name


class LIMBECK_MT_history(bpy.types.Menu):
    bl_idname = "LIMBECK_MT_history"
    bl_label = "Prompt History"
    bl_description = "The last prompts of this file and this computer, with their seeds and settings"

    def draw(self, context: Any) -> None:
        entries = remembered.history_of(context.scene.limbeck)
        if not entries:
            self.layout.label(text="Nothing has been generated yet")
        for index, entry in enumerate(entries):
            self.layout.operator("limbeck.use_history", text=_line(entry), translate=False).index = index


def _line(entry: dict[str, Any]) -> str:
    prompt = str(entry.get("prompt", ""))
    shown = prompt if len(prompt) <= CUT else f"{prompt[: CUT - 1]}…"
    return f"{shown}  ({entry.get('recipe', '')}, {entry.get('seed', 0)})"


CLASSES = (
    LIMBECK_OT_apply_preset,
    LIMBECK_OT_save_preset,
    LIMBECK_OT_delete_preset,
    LIMBECK_OT_use_history,
    LIMBECK_MT_presets,
    LIMBECK_MT_delete_preset,
    LIMBECK_MT_history,
)
