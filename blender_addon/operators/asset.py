# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finished assets."""

# pyright: reportInvalidTypeForm=false
from pathlib import Path
from typing import Any

import bpy
from bpy.props import FloatVectorProperty, IntProperty, StringProperty
from mathutils import Matrix

from .. import asset_import, live_mesh, source_object, texture_back
from ..placement import fill
from ..refusal import DescriptionError


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
    matrix: FloatVectorProperty(size=16, options={"HIDDEN"})
    source: StringProperty(options={"HIDDEN"})
    use: StringProperty(default="beside", options={"HIDDEN"})
    box: FloatVectorProperty(size=3, options={"HIDDEN"})

    @classmethod
    def poll(cls, context: Any) -> bool:
        return context.mode == "OBJECT"

    def execute(self, context: Any) -> set[str]:
        try:
            asset = self._painted() or self._imported(context)
        except asset_import.AssetError as error:
            self.report({"ERROR"}, error.message)
            return {"CANCELLED"}
        asset["prompt"], asset["seed"], asset["recipe"] = self.prompt, self.seed, self.recipe
        asset["steps"], asset["faces"] = self.steps, self.faces
        asset_import.select_only(context, asset)
        return {"FINISHED"}

    def _painted(self) -> Any | None:
        """Give the texture to the object that it is for; None where there is none, or it has changed."""
        source = source_object.find(self.source) if self.use == "texture" else None
        if source is None:
            return None
        source_object.set_hidden(self.source, False)
        try:
            painted = texture_back.paint(source, Path(self.filepath), self.title)
        except DescriptionError as error:
            self.report({"WARNING"}, f"{error.message}; {error.remedy}. The asset is beside it")
            return None
        live_mesh.remove(self.job)
        if painted.note:
            self.report({"INFO"}, painted.note)
        return painted.thing

    def _imported(self, context: Any) -> Any:
        """Import the asset in the place of the live mesh, and into the box that it is to fill."""
        asset = asset_import.import_glb(Path(self.filepath))
        low, high = asset_import.bounds(asset)
        asset.matrix_world = Matrix(fill(tuple(self.box), low, high)) @ asset.matrix_world
        live = live_mesh.find(self.job)
        asset_import.replace_live(asset, live, otherwise_at=_matrix(self.matrix), otherwise_in=context.collection)
        live_mesh.remove(self.job)
        asset_import.rename(asset, self.title)
        source_object.set_hidden(self.source, self.use == "replace")
        return asset


def _matrix(values: Any) -> Matrix:
    """Return the [4,4] matrix of 16 values, row after row."""
    return Matrix([values[start : start + 4] for start in range(0, 16, 4)])


CLASSES = (LIMBECK_OT_import_asset,)
