# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Add, order and remove reference pictures."""

# pyright: reportInvalidTypeForm=false
from pathlib import Path
from typing import Any

import bpy
from bpy.props import EnumProperty, StringProperty

from .. import capture, reference_images
from ..blender_scene import is_rendering
from ..refusal import DescriptionError
from ..texts import translated
from .refuse import refuse

_shown_images: list[tuple[str, str, str]] = []  # Blender crashes where nobody keeps a dynamic enum's strings


class LIMBECK_OT_add_reference_file(bpy.types.Operator):
    bl_idname = "limbeck.add_reference_file"
    bl_label = "Picture File"
    bl_description = "Add a PNG, JPEG or WEBP file as a reference"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    filepath: StringProperty(subtype="FILE_PATH", options={"HIDDEN", "SKIP_SAVE"})
    filter_glob: StringProperty(default="*.png;*.jpg;*.jpeg;*.webp", options={"HIDDEN"})

    def invoke(self, context: Any, event: Any) -> set[str]:
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: Any) -> set[str]:
        try:
            image = reference_images.load(Path(bpy.path.abspath(self.filepath)))
        except DescriptionError as error:
            return refuse(self, error)
        reference_images.add(context.scene, image)
        return {"FINISHED"}


def _images(self: Any, context: Any) -> list[tuple[str, str, str]]:
    still = [image for image in bpy.data.images if image.source in ("FILE", "GENERATED")]
    _shown_images[:] = [(image.name, image.name, "") for image in still]
    return _shown_images


class LIMBECK_OT_add_reference_image(bpy.types.Operator):
    bl_idname = "limbeck.add_reference_image"
    bl_label = "Image of This File"
    bl_description = "Add an image that this Blender file has already as a reference"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012
    bl_property = "image"

    image: EnumProperty(name="Image", description="The image to add", items=_images, options={"SKIP_SAVE"})

    @classmethod
    def poll(cls, context: Any) -> bool:
        if not any(image.source in ("FILE", "GENERATED") for image in bpy.data.images):
            cls.poll_message_set(translated("This file has no image yet"))
            return False
        return True

    def invoke(self, context: Any, event: Any) -> set[str]:
        context.window_manager.invoke_search_popup(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: Any) -> set[str]:
        image = bpy.data.images[self.image]
        try:
            reference_images.require_readable(image)
        except DescriptionError as error:
            return refuse(self, error)
        reference_images.add(context.scene, image)
        return {"FINISHED"}


class LIMBECK_OT_add_reference_render(bpy.types.Operator):
    bl_idname = "limbeck.add_reference_render"
    bl_label = "Render of the Scene's Camera"
    bl_description = (
        "Render what the scene's camera sees, over transparency, and add it with its camera. "
        "Hide what is not the object before"
    )
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    @classmethod
    def poll(cls, context: Any) -> bool:
        if is_rendering():
            cls.poll_message_set(translated("A render goes on"))
            return False
        if context.scene.camera is None:
            cls.poll_message_set(translated("The scene has no camera; add one with Shift+A > Camera"))
            return False
        return True

    def execute(self, context: Any) -> set[str]:
        try:
            image, camera = capture.render_scene_camera(context.scene)
        except DescriptionError as error:
            return refuse(self, error)
        reference_images.add(context.scene, image, camera)
        return {"FINISHED"}


class LIMBECK_OT_add_reference_viewport(bpy.types.Operator):
    bl_idname = "limbeck.add_reference_viewport"
    bl_label = "This Viewport"
    bl_description = (
        "Add what this viewport shows, without overlays, with the viewport's camera. Hide what is not the object before"
    )
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    @classmethod
    def poll(cls, context: Any) -> bool:
        if bpy.app.background:
            cls.poll_message_set(
                translated("A viewport is drawn only in Blender's window; render the scene's camera instead")
            )
            return False
        if getattr(context.space_data, "type", "") != "VIEW_3D":
            cls.poll_message_set(translated("Only a 3D viewport can be captured"))
            return False
        return True

    def execute(self, context: Any) -> set[str]:
        try:
            image, camera = capture.capture_viewport(context)
        except DescriptionError as error:
            return refuse(self, error)
        reference_images.add(context.scene, image, camera)
        return {"FINISHED"}


class _OfActive:
    """An operator on the active reference."""

    @classmethod
    def poll(cls, context: Any) -> bool:
        request = context.scene.limbeck
        if not 0 <= request.active_reference < len(request.references):
            text = "Select a reference first" if request.references else "There is no reference yet"
            cls.poll_message_set(translated(text))  # pyright: ignore[reportAttributeAccessIssue]
            return False
        return True


class LIMBECK_OT_remove_reference(_OfActive, bpy.types.Operator):
    bl_idname = "limbeck.remove_reference"
    bl_label = "Remove Reference"
    bl_description = "Take this picture out of the list. The image stays in the file"
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}  # noqa: RUF012

    def execute(self, context: Any) -> set[str]:
        request = context.scene.limbeck
        request.references.remove(request.active_reference)
        request.active_reference = max(0, min(request.active_reference, len(request.references) - 1))
        return {"FINISHED"}


class LIMBECK_OT_move_reference(_OfActive, bpy.types.Operator):
    bl_idname = "limbeck.move_reference"
    bl_label = "Move Reference"
    bl_description = "Move this picture in the list"
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}  # noqa: RUF012

    direction: EnumProperty(
        name="Direction",
        description="Where to",
        items=(("UP", "Up", "Towards the top"), ("DOWN", "Down", "Towards the bottom")),
    )

    def execute(self, context: Any) -> set[str]:
        request = context.scene.limbeck
        target = request.active_reference + (-1 if self.direction == "UP" else 1)
        if 0 <= target < len(request.references):
            request.references.move(request.active_reference, target)
            request.active_reference = target
        return {"FINISHED"}


class LIMBECK_OT_forget_reference_camera(_OfActive, bpy.types.Operator):
    bl_idname = "limbeck.forget_reference_camera"
    bl_label = "Forget Camera"
    bl_description = "Make this picture an image prompt that is seen straight from the front"
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}  # noqa: RUF012

    def execute(self, context: Any) -> set[str]:
        request = context.scene.limbeck
        item = request.references[request.active_reference]
        item.is_posed, item.use = False, "PROMPT"
        return {"FINISHED"}


CLASSES = (
    LIMBECK_OT_add_reference_file,
    LIMBECK_OT_add_reference_image,
    LIMBECK_OT_add_reference_render,
    LIMBECK_OT_add_reference_viewport,
    LIMBECK_OT_remove_reference,
    LIMBECK_OT_move_reference,
    LIMBECK_OT_forget_reference_camera,
)
