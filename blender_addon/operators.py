# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the buttons do."""

# pyright: reportInvalidTypeForm=false
from pathlib import Path
from typing import Any

import bpy
from bpy.props import FloatVectorProperty, IntProperty, StringProperty

from . import asset_import, live_mesh, server_process, timer, wire

Outcome = set[str]


class LIMBECK_OT_generate(bpy.types.Operator):
    bl_idname = "limbeck.generate"
    bl_label = "Generate"
    bl_description = "Turn the prompt into a mesh at the 3D cursor"
    bl_options = {"REGISTER"}  # noqa: RUF012 (Blender wants a plain set)

    @classmethod
    def poll(cls, context: Any) -> bool:
        reason = _why_not_generate(context)
        if reason:
            cls.poll_message_set(reason)
        return not reason

    def execute(self, context: Any) -> Outcome:
        request = context.scene.limbeck
        try:
            spec = wire.job.JobSpec(
                prompt=request.prompt.strip(),
                recipe=request.recipe.strip() or wire.job.JobSpec.recipe,
                overrides=wire.overrides.parse_overrides(request.overrides),
                references=_references(request.image),
                seed=request.seed,
                steps=request.steps or None,
                faces=request.faces,
            )
        except wire.errors.JobError as error:
            self.report({"ERROR"}, f"{error.message}; {error.remedy}")
            return {"CANCELLED"}
        except OSError as error:
            self.report({"ERROR"}, f"The image cannot be read: {error.strerror}; choose another file")
            return {"CANCELLED"}
        timer.session().submit(spec, tuple(context.scene.cursor.location))
        timer.wake()
        return {"FINISHED"}


def _references(image: str) -> tuple[Any, ...]:
    """Return the picture that the panel names, if it names one."""
    if not image.strip():
        return ()
    path = Path(bpy.path.abspath(image.strip()))
    return (wire.job.Reference(wire.job.blob_of(path.read_bytes(), path.suffix)),)


class LIMBECK_OT_cancel(bpy.types.Operator):
    bl_idname = "limbeck.cancel"
    bl_label = "Cancel"
    bl_description = (
        "Stop this job and remove its mesh; without an answer from the server the mesh stays. Other jobs go on"
    )
    bl_options = {"REGISTER"}  # noqa: RUF012

    @classmethod
    def poll(cls, context: Any) -> bool:
        if timer.session().job is None:
            cls.poll_message_set("Nothing is being generated")
            return False
        return True

    def execute(self, context: Any) -> Outcome:
        timer.session().cancel()
        timer.wake()
        return {"FINISHED"}


class LIMBECK_OT_start_server(bpy.types.Operator):
    bl_idname = "limbeck.start_server"
    bl_label = "Start Server"
    bl_description = "Start a server on this computer. It goes on when Blender closes"
    bl_options = {"INTERNAL"}  # noqa: RUF012

    def execute(self, context: Any) -> Outcome:
        link = timer.session().link
        link.process.forgive()
        link.start_server()
        timer.wake()
        return {"FINISHED"}


class LIMBECK_OT_stop_server(bpy.types.Operator):
    bl_idname = "limbeck.stop_server"
    bl_label = "Stop Server"
    bl_description = "End the server that this Blender started, and its jobs"
    bl_options = {"INTERNAL"}  # noqa: RUF012

    @classmethod
    def poll(cls, context: Any) -> bool:
        if not timer.session().link.process.is_running:
            cls.poll_message_set("This Blender has not started a server")
            return False
        return True

    def execute(self, context: Any) -> Outcome:
        timer.session().link.process.stop()
        return {"FINISHED"}


class LIMBECK_OT_copy_install_command(bpy.types.Operator):
    bl_idname = "limbeck.copy_install_command"
    bl_label = "Copy"
    bl_description = (
        "Copy the command that installs the server; paste it into a terminal, in a clone of Limbeck's repository"
    )
    bl_options = {"INTERNAL"}  # noqa: RUF012

    def execute(self, context: Any) -> Outcome:
        context.window_manager.clipboard = server_process.INSTALL_COMMAND
        self.report({"INFO"}, "Copied")
        return {"FINISHED"}


class LIMBECK_OT_show_colors(bpy.types.Operator):
    bl_idname = "limbeck.show_colors"
    bl_label = "Show Colours in Viewport"
    bl_description = "Let this viewport's Solid shading show the colours of meshes"
    bl_options = {"REGISTER"}  # noqa: RUF012

    @classmethod
    def poll(cls, context: Any) -> bool:
        return getattr(context.space_data, "type", "") == "VIEW_3D"

    def execute(self, context: Any) -> Outcome:
        context.space_data.shading.color_type = "VERTEX"
        return {"FINISHED"}


class LIMBECK_OT_import_asset(bpy.types.Operator):
    bl_idname = "limbeck.import_asset"
    bl_label = "Import Limbeck Asset"
    bl_description = "Put a finished asset where its live mesh stands"
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}  # noqa: RUF012

    filepath: StringProperty(subtype="FILE_PATH", options={"HIDDEN"})
    job: StringProperty(options={"HIDDEN"})
    title: StringProperty(options={"HIDDEN"})
    prompt: StringProperty(options={"HIDDEN"})
    recipe: StringProperty(options={"HIDDEN"})
    seed: IntProperty(options={"HIDDEN"})
    steps: IntProperty(options={"HIDDEN"})
    faces: IntProperty(options={"HIDDEN"})
    location: FloatVectorProperty(options={"HIDDEN"})

    @classmethod
    def poll(cls, context: Any) -> bool:
        return context.mode == "OBJECT"

    def execute(self, context: Any) -> Outcome:
        try:
            asset = asset_import.import_glb(Path(self.filepath))
        except asset_import.AssetError as error:
            self.report({"ERROR"}, error.message)
            return {"CANCELLED"}
        live = live_mesh.find(self.job)
        asset_import.replace_live(asset, live, otherwise_at=self.location, otherwise_in=context.collection)
        live_mesh.remove(self.job)
        asset_import.rename(asset, self.title)
        asset["prompt"], asset["seed"], asset["recipe"] = self.prompt, self.seed, self.recipe
        asset["steps"], asset["faces"] = self.steps, self.faces
        asset_import.select_only(context, asset)
        return {"FINISHED"}


def _why_not_generate(context: Any) -> str:
    session = timer.session()
    if wire.PROBLEM:
        return wire.PROBLEM
    if session.job is not None:
        return "A job is running already; cancel it or wait for it"
    if not context.scene.limbeck.prompt.strip():
        return "Write a prompt first"
    return session.link.why_no_server


_CLASSES = (
    LIMBECK_OT_generate,
    LIMBECK_OT_cancel,
    LIMBECK_OT_start_server,
    LIMBECK_OT_stop_server,
    LIMBECK_OT_copy_install_command,
    LIMBECK_OT_show_colors,
    LIMBECK_OT_import_asset,
)


def register() -> None:
    for part in _CLASSES:
        bpy.utils.register_class(part)


def unregister() -> None:
    for part in reversed(_CLASSES):
        bpy.utils.unregister_class(part)
