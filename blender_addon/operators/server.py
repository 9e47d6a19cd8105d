# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start, stop and install the server."""

from typing import Any

import bpy

from .. import server_process, timer


class LIMBECK_OT_start_server(bpy.types.Operator):
    bl_idname = "limbeck.start_server"
    bl_label = "Start Server"
    bl_description = "Start a server on this computer. It goes on when Blender closes"
    bl_options = {"INTERNAL"}  # noqa: RUF012

    def execute(self, context: Any) -> set[str]:
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

    def execute(self, context: Any) -> set[str]:
        timer.session().link.process.stop()
        return {"FINISHED"}


class LIMBECK_OT_copy_install_command(bpy.types.Operator):
    bl_idname = "limbeck.copy_install_command"
    bl_label = "Copy"
    bl_description = (
        "Copy the command that installs the server; paste it into a terminal, in a clone of Limbeck's repository"
    )
    bl_options = {"INTERNAL"}  # noqa: RUF012

    def execute(self, context: Any) -> set[str]:
        context.window_manager.clipboard = server_process.INSTALL_COMMAND
        self.report({"INFO"}, "Copied")
        return {"FINISHED"}


CLASSES = (LIMBECK_OT_start_server, LIMBECK_OT_stop_server, LIMBECK_OT_copy_install_command)
