# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What outlives a file: where the server is and how to start one, and what becomes of assets."""

# pyright: reportInvalidTypeForm=false
from typing import Any

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, StringProperty

from .asset_library import CATALOG

COLLECTION_ITEMS = (
    ("ACTIVE", "Active Collection", "New objects go where Blender puts them, into the active collection"),
    ("LIMBECK", "Limbeck Collection", "New objects go into a collection of their own, named Limbeck"),
)


class LIMBECK_AP_preferences(bpy.types.AddonPreferences):
    bl_idname = __package__

    connection_file: StringProperty(
        name="Connection File",
        description="Use the server that wrote this file. Leave empty to find the server of this computer",
        subtype="FILE_PATH",
    )
    server_command: StringProperty(
        name="Server Command",
        description="The limbeck program that starts a server. Leave empty to look for it on the search path",
        subtype="FILE_PATH",
    )
    start_server: BoolProperty(
        name="Start a Server When Needed",
        description="Start a server on this computer when you generate and none is running",
        default=True,
    )
    collection: EnumProperty(
        name="New Objects",
        description="The collection that live meshes and assets go into",
        items=COLLECTION_ITEMS,
    )
    mark_assets: BoolProperty(
        name="Mark as Asset",
        description="Mark every finished object as an asset, with preview and tags, so that the Asset Browser shows it",
    )
    save_to_library: BoolProperty(
        name="Save to Library",
        description="Also write every finished object into the asset library above, as a file of its own",
    )
    asset_library: StringProperty(
        name="Asset Library",
        description="A folder for assets that other files can use, best one of Preferences > File Paths",
        subtype="DIR_PATH",
    )
    asset_catalog: StringProperty(
        name="Catalog",
        description="The catalog of the library that assets go into; slashes make sub-catalogs",
        default=CATALOG,
    )
    asset_author: StringProperty(name="Author", description="The author that assets name")
    asset_license: StringProperty(
        name="License",
        description="The licence that assets name. Empty says how the prior that made them was trained",
    )
    live_rate_hz: FloatProperty(
        name="Live Updates per Second",
        description="How often a live mesh may change. Fewer leave more of Blender's time to you and less to transfer",
        default=5.0,
        min=0.1,
        max=30.0,
        soft_max=10.0,
    )
    live_triangles: IntProperty(
        name="Live Triangles",
        description="The most triangles that a live mesh may have; larger ones are not shown before the asset is done",
        default=200_000,
        min=1_000,
        max=4_000_000,
        soft_max=1_000_000,
    )

    def draw(self, context: Any) -> None:
        layout = self.layout
        layout.use_property_split = True
        _draw_server(layout, self)
        layout.separator()
        _draw_assets(layout, self)
        layout.separator()
        layout.prop(self, "live_rate_hz")
        layout.prop(self, "live_triangles")


def _draw_server(layout: Any, preferences: Any) -> None:
    layout.prop(preferences, "connection_file")
    layout.operator("limbeck.paste_connection", icon="PASTEDOWN")
    layout.prop(preferences, "server_command")
    layout.prop(preferences, "start_server")
    row = layout.row(align=True)
    row.operator("limbeck.start_server")
    row.operator("limbeck.stop_server")
    row = layout.row(align=True)
    row.operator("limbeck.open_log_folder", icon="FILE_FOLDER")
    row.operator("limbeck.copy_diagnostics", icon="COPYDOWN")
    if not bpy.app.online_access:
        layout.label(text="Online access is off: only a server on this computer can be used", icon="INTERNET_OFFLINE")


def _draw_assets(layout: Any, preferences: Any) -> None:
    layout.prop(preferences, "collection")
    layout.prop(preferences, "mark_assets")
    layout.prop(preferences, "asset_author")
    layout.prop(preferences, "asset_license")
    layout.prop(preferences, "asset_library")
    column = layout.column()
    column.enabled = bool(preferences.asset_library)
    column.prop(preferences, "asset_catalog")
    column.prop(preferences, "save_to_library")


def addon_preferences(context: Any) -> Any:
    """Return this extension's preferences."""
    return context.preferences.addons[__package__].preferences


def register() -> None:
    bpy.utils.register_class(LIMBECK_AP_preferences)


def unregister() -> None:
    bpy.utils.unregister_class(LIMBECK_AP_preferences)
