# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finished assets: import one, mark it, and make more of it."""

# pyright: reportInvalidTypeForm=false
from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy
from bpy.props import BoolProperty, FloatVectorProperty, StringProperty
from mathutils import Matrix

from .. import asset_import, asset_marking, live_mesh, provenance, source_object, texture_back, timer, whereabouts
from ..glb_check import AssetError, check_glb
from ..placement import fill
from ..preferences import addon_preferences
from ..refusal import DescriptionError
from ..texts import translated
from .refuse import refuse
from .viewport import show_texture


class LIMBECK_OT_import_asset(bpy.types.Operator):
    bl_idname = "limbeck.import_asset"
    bl_label = "Import Limbeck Asset"
    bl_description = "Put a finished asset where its live mesh stands"
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}  # noqa: RUF012

    filepath: StringProperty(subtype="FILE_PATH", options={"HIDDEN"})
    job: StringProperty(options={"HIDDEN"})
    title: StringProperty(options={"HIDDEN"})
    record: StringProperty(options={"HIDDEN"})
    matrix: FloatVectorProperty(size=16, options={"HIDDEN"})
    source: StringProperty(options={"HIDDEN"})
    use: StringProperty(options={"HIDDEN"}, default="beside")
    box: FloatVectorProperty(size=3, options={"HIDDEN"})
    stands: BoolProperty(options={"HIDDEN"})

    @classmethod
    def poll(cls, context: Any) -> bool:
        return context.mode == "OBJECT"

    def execute(self, context: Any) -> set[str]:
        try:
            asset, metadata = self._painted() or self._imported(context)
        except AssetError as error:
            return refuse(self, error)
        made = provenance.completed(provenance.from_json(self.record), metadata)
        made = replace(made, server_version=made.server_version or _server_version())
        for name, value in made.properties().items():
            asset[name] = value
        problem = _mark_if_wanted(context, asset, made)
        if problem:
            self.report({"WARNING"}, problem)
        asset_import.select_only(context, asset)
        show_texture(context, asset)
        return {"FINISHED"}

    def _painted(self) -> tuple[Any, dict[str, Any]] | None:
        """Give the texture to the object that it is for; None where there is none, or it has changed."""
        source = source_object.find(self.source, self.job)
        if self.use != "texture":
            return None
        if source is None:
            self.report({"WARNING"}, translated("What was to be textured is gone: the asset is an object of its own"))
            return None
        metadata = check_glb(Path(self.filepath))
        source_object.show_for(self.source, self.job)
        try:
            painted = texture_back.paint(source, Path(self.filepath), self.title)
        except DescriptionError as error:
            why = f"{translated(error.message)}; {translated(error.remedy)}"
            self.report({"WARNING"}, translated("{why}. The asset is beside it").format(why=why))
            return None
        live_mesh.remove(self.job)
        if painted.note:
            self.report({"INFO"}, painted.note)
        return painted.thing, metadata

    def _imported(self, context: Any) -> tuple[Any, dict[str, Any]]:
        """Import the asset in the place of the live mesh, and into the box that it is to fill."""
        asset, metadata = asset_import.import_glb(Path(self.filepath))
        fitted = Matrix(fill(tuple(self.box), *asset_import.bounds(asset), stands=self.stands))
        asset.matrix_world = fitted @ asset.matrix_world
        live = live_mesh.find(self.job)
        target = whereabouts.target(context, addon_preferences(context).collection)
        asset_import.replace_live(asset, live, otherwise_at=_matrix(self.matrix), otherwise_in=target)
        live_mesh.remove(self.job)
        asset_import.rename(asset, self.title)
        asset[provenance.ORIGIN] = tuple(asset_import.stand_on_ground(asset))
        self._settle_source(asset)
        return asset, metadata

    def _settle_source(self, asset: Any) -> None:
        """Show the object that the asset was made from again, or let the asset take its place."""
        source = source_object.find(self.source, self.job)
        source_object.show_for(self.source, self.job)
        if source is None or self.use != "replace":
            return
        if source_object.is_writable(source):
            whereabouts.take_place(asset, source)
        else:
            source_object.set_hidden(source, True)


def _mark_if_wanted(context: Any, asset: Any, made: provenance.Provenance) -> str:
    """Do what the preferences say of new assets; return what could not be done, or ""."""
    preferences = addon_preferences(context)
    try:
        if preferences.mark_assets or preferences.save_to_library:
            asset_marking.mark(asset, made, preferences)
        if preferences.save_to_library:
            asset_marking.save(asset, preferences)
    except OSError as error:
        return translated("The asset is here but not in the library: {reason}").format(reason=error.strerror)
    return ""


def _server_version() -> str:
    client = timer.session().link.client
    return client.server.version if client is not None and client.server is not None else ""


def _matrix(values: Any) -> Matrix:
    """Return the [4,4] matrix of 16 values, row after row."""
    return Matrix([values[start : start + 4] for start in range(0, 16, 4)])


CLASSES = (LIMBECK_OT_import_asset,)
