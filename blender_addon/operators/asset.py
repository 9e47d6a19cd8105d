# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finished assets."""

# pyright: reportInvalidTypeForm=false
from pathlib import Path
from typing import Any

import bpy
from bpy.props import FloatVectorProperty, IntProperty, StringProperty
from mathutils import Matrix

from .. import asset_import, live_mesh


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

    @classmethod
    def poll(cls, context: Any) -> bool:
        return context.mode == "OBJECT"

    def execute(self, context: Any) -> set[str]:
        try:
            asset = asset_import.import_glb(Path(self.filepath))
        except asset_import.AssetError as error:
            self.report({"ERROR"}, error.message)
            return {"CANCELLED"}
        live = live_mesh.find(self.job)
        asset_import.replace_live(asset, live, otherwise_at=_matrix(self.matrix), otherwise_in=context.collection)
        live_mesh.remove(self.job)
        asset_import.rename(asset, self.title)
        asset["prompt"], asset["seed"], asset["recipe"] = self.prompt, self.seed, self.recipe
        asset["steps"], asset["faces"] = self.steps, self.faces
        asset_import.select_only(context, asset)
        return {"FINISHED"}


def _matrix(values: Any) -> Matrix:
    """Return the [4,4] matrix of 16 values, row after row."""
    return Matrix([values[start : start + 4] for start in range(0, 16, 4)])


CLASSES = (LIMBECK_OT_import_asset,)
