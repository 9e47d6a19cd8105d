# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the server is and how to start one: the only settings that outlive a file."""

# pyright: reportInvalidTypeForm=false
from typing import Any

import bpy
from bpy.props import BoolProperty, StringProperty


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

    def draw(self, context: Any) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.prop(self, "connection_file")
        layout.prop(self, "server_command")
        layout.prop(self, "start_server")
        layout.operator("limbeck.stop_server")


def addon_preferences(context: Any) -> Any:
    """Return this extension's preferences."""
    return context.preferences.addons[__package__].preferences


def register() -> None:
    bpy.utils.register_class(LIMBECK_AP_preferences)


def unregister() -> None:
    bpy.utils.unregister_class(LIMBECK_AP_preferences)
