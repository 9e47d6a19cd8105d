# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cameras out of a preset or a file, and a rig into a file."""

# pyright: reportInvalidTypeForm=false
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from bpy.props import StringProperty

from .. import blender_camera, camera_math, description, scene_rig, wire
from ..refusal import DescriptionError
from ..texts import translated
from .refuse import refuse

COLLECTION = "Limbeck Cameras"
MAX_FILE_BYTES = 64 << 20


class LIMBECK_OT_create_cameras(bpy.types.Operator):
    bl_idname = "limbeck.create_cameras"
    bl_label = "Create Cameras"
    bl_description = "Add the preset's cameras to the scene, in a collection of their own, and use them"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    @classmethod
    def poll(cls, context: Any) -> bool:
        if context.scene.limbeck.rig.source != "PRESET":
            cls.poll_message_set(translated("Choose Preset as the views first"))
            return False
        return True

    def execute(self, context: Any) -> set[str]:
        try:
            cameras = scene_rig.cameras_of(context.scene, description.placement_of(context.scene))
            _add_cameras(context.scene, cameras, "Rig")
        except DescriptionError as error:
            return refuse(self, error)
        self.report({"INFO"}, translated("{count} cameras created").format(count=len(cameras)))
        return {"FINISHED"}


class LIMBECK_OT_import_cameras(bpy.types.Operator):
    bl_idname = "limbeck.import_cameras"
    bl_label = "Import transforms.json"
    bl_description = (
        "Add the cameras of a transforms.json (instant-ngp, nerfstudio, BlenderNeRF) round the place of the asset, "
        "and use them"
    )
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    filepath: StringProperty(subtype="FILE_PATH", options={"HIDDEN", "SKIP_SAVE"})
    filter_glob: StringProperty(default="*.json", options={"HIDDEN"})

    def invoke(self, context: Any, event: Any) -> set[str]:
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: Any) -> set[str]:
        try:
            cameras = _read(Path(bpy.path.abspath(self.filepath)))
            _add_cameras(context.scene, cameras, "Imported")
        except DescriptionError as error:
            return refuse(self, error)
        self.report({"INFO"}, translated("{count} cameras imported").format(count=len(cameras)))
        return {"FINISHED"}


class LIMBECK_OT_export_cameras(bpy.types.Operator):
    bl_idname = "limbeck.export_cameras"
    bl_label = "Export transforms.json"
    bl_description = (
        "Write the rig's cameras, seen from the place of the asset; limbeck generate --cameras reads the file"
    )
    bl_options = {"REGISTER"}  # noqa: RUF012

    filepath: StringProperty(subtype="FILE_PATH", default="transforms.json", options={"HIDDEN", "SKIP_SAVE"})
    filter_glob: StringProperty(default="*.json", options={"HIDDEN"})

    @classmethod
    def poll(cls, context: Any) -> bool:
        if context.scene.limbeck.rig.source == "RECIPE":
            text = translated("The recipe's own views are drawn anew in each step; choose other views first")
            cls.poll_message_set(text)
            return False
        return True

    def invoke(self, context: Any, event: Any) -> set[str]:
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: Any) -> set[str]:
        path = Path(bpy.path.abspath(self.filepath))
        try:
            cameras = scene_rig.cameras_of(context.scene, description.placement_of(context.scene))
            path.write_bytes(wire.transforms.transforms_of(cameras))
        except DescriptionError as error:
            return refuse(self, error)
        except OSError as error:
            return refuse(
                self, DescriptionError(f"{path} cannot be written: {error.strerror}", "choose another folder")
            )
        text = translated("{count} cameras written to {file}").format(count=len(cameras), file=path.name)
        self.report({"INFO"}, text)
        return {"FINISHED"}


def _read(path: Path) -> Any:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise DescriptionError(f"{path.name} is larger than {MAX_FILE_BYTES >> 20} MB", "keep the cameras only")
        return wire.transforms.cameras_from_transforms(path.read_bytes(), path.name)
    except OSError as error:
        raise DescriptionError(f"{path.name} cannot be read: {error.strerror}", "choose another file") from error
    except wire.errors.JobError as error:
        raise DescriptionError(error.message, error.remedy) from error


def _add_cameras(scene: Any, cameras: Any, name: str) -> None:
    """Add cameras given in the core's frame to the scene, and make them the rig."""
    matrix = description.placement_of(scene).matrix
    collection = bpy.data.collections.new(COLLECTION)
    scene.collection.children.link(collection)
    for number, camera in enumerate(cameras, 1):
        c2w = camera_math.out_of_frame(np.array(camera.c2w), matrix)
        lens = camera_math.lens_of(np.array(camera.K), camera.width, camera.height)
        thing = blender_camera.new_camera(f"{name} {number:02d}", c2w, lens, collection)
        thing.data.limbeck.weight = camera.weight
        thing.data.limbeck.jitter = np.radians(camera.jitter_deg)
    rig = scene.limbeck.rig
    rig.source, rig.collection = "COLLECTION", collection


CLASSES = (LIMBECK_OT_create_cameras, LIMBECK_OT_import_cameras, LIMBECK_OT_export_cameras)
