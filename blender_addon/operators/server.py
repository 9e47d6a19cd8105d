# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start, stop, find and inspect the server."""

from typing import Any

import bpy

from .. import connections, preferences, reporting, server_process, timer, wire
from ..texts import translated

UPDATE_COMMAND = "python -m pip install --upgrade ."
"""Run in a clone of Limbeck's repository, after git pull."""


class LIMBECK_OT_start_server(bpy.types.Operator):
    bl_idname = "limbeck.start_server"
    bl_label = "Start Server"
    bl_description = "Start a server on this computer. It goes on when Blender closes"
    bl_options = {"INTERNAL"}  # noqa: RUF012

    @classmethod
    def poll(cls, context: Any) -> bool:
        reason = timer.session().link.why_not_start
        if reason:
            cls.poll_message_set(translated(reason))
        return not reason

    def execute(self, context: Any) -> set[str]:
        link = timer.session().link
        link.process.forgive()
        link.start_server()
        timer.wake()
        return {"FINISHED"}


class LIMBECK_OT_stop_server(bpy.types.Operator):
    bl_idname = "limbeck.stop_server"
    bl_label = "Stop Server"
    bl_description = (
        "End the server that Limbeck has started on this computer. Its jobs go on from their last "
        "checkpoint when it is started again"
    )
    bl_options = {"INTERNAL"}  # noqa: RUF012

    @classmethod
    def poll(cls, context: Any) -> bool:
        return _has_own_server(cls)

    def execute(self, context: Any) -> set[str]:
        timer.session().link.process.stop()
        timer.wake()
        return {"FINISHED"}


class LIMBECK_OT_restart_server(bpy.types.Operator):
    bl_idname = "limbeck.restart_server"
    bl_label = "Restart Server"
    bl_description = (
        "Stop the server that Limbeck has started, and start it again. Its jobs go on from their last checkpoint"
    )
    bl_options = {"INTERNAL"}  # noqa: RUF012

    @classmethod
    def poll(cls, context: Any) -> bool:
        return _has_own_server(cls)

    def execute(self, context: Any) -> set[str]:
        timer.session().link.restart_server()
        timer.wake()
        return {"FINISHED"}


class LIMBECK_OT_reconnect(bpy.types.Operator):
    bl_idname = "limbeck.reconnect"
    bl_label = "Connect Again"
    bl_description = "Leave the server and look for it anew. Jobs go on"
    bl_options = {"INTERNAL"}  # noqa: RUF012

    def execute(self, context: Any) -> set[str]:
        timer.session().link.reconnect()
        timer.wake()
        return {"FINISHED"}


class LIMBECK_OT_paste_connection(bpy.types.Operator):
    bl_idname = "limbeck.paste_connection"
    bl_label = "Paste Connection"
    bl_description = (
        "Use the server whose connection file is in the clipboard. It is kept in a private file of this "
        "extension's, never in a .blend"
    )
    bl_options = {"INTERNAL"}  # noqa: RUF012

    def execute(self, context: Any) -> set[str]:
        if wire.PROBLEM:
            self.report({"ERROR"}, translated(wire.PROBLEM))
            return {"CANCELLED"}
        try:
            file = connections.keep(context.window_manager.clipboard, timer.user_folder("connections"))
        except connections.ConnectionTextError as error:
            self.report({"ERROR"}, translated(error.message))
            return {"CANCELLED"}
        context.window_manager.clipboard = ""  # it held a key
        preferences.addon_preferences(context).connection_file = str(file)
        context.preferences.is_dirty = True
        timer.session().link.reconnect()
        timer.wake()
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
        self.report({"INFO"}, translated("Copied"))
        return {"FINISHED"}


class LIMBECK_OT_copy_update_command(bpy.types.Operator):
    bl_idname = "limbeck.copy_update_command"
    bl_label = "Copy Update Command"
    bl_description = (
        "Copy the command that updates the server; run it in an updated clone of Limbeck's repository, "
        "then restart the server"
    )
    bl_options = {"INTERNAL"}  # noqa: RUF012

    def execute(self, context: Any) -> set[str]:
        context.window_manager.clipboard = UPDATE_COMMAND
        self.report({"INFO"}, translated("Copied"))
        return {"FINISHED"}


class LIMBECK_OT_open_log(bpy.types.Operator):
    bl_idname = "limbeck.open_log"
    bl_label = "Open Log"
    bl_description = "Open the log of the server that Limbeck has started"
    bl_options = {"INTERNAL"}  # noqa: RUF012

    @classmethod
    def poll(cls, context: Any) -> bool:
        if not timer.session().link.process.log_file.is_file():
            cls.poll_message_set(translated("Limbeck has not started a server yet, so that there is no log here"))
            return False
        return True

    def execute(self, context: Any) -> set[str]:
        bpy.ops.wm.path_open(filepath=str(timer.session().link.process.log_file))
        return {"FINISHED"}


class LIMBECK_OT_open_log_folder(bpy.types.Operator):
    bl_idname = "limbeck.open_log_folder"
    bl_label = "Open Log Folder"
    bl_description = "Show the folder of the server's log in the file manager"
    bl_options = {"INTERNAL"}  # noqa: RUF012

    def execute(self, context: Any) -> set[str]:
        bpy.ops.wm.path_open(filepath=str(timer.session().link.process.log_file.parent))
        return {"FINISHED"}


class LIMBECK_OT_copy_diagnostics(bpy.types.Operator):
    bl_idname = "limbeck.copy_diagnostics"
    bl_label = "Copy Diagnostics"
    bl_description = "Copy a report on versions, the server and the last problems, without keys, prompts and names"
    bl_options = {"INTERNAL"}  # noqa: RUF012

    def execute(self, context: Any) -> set[str]:
        context.window_manager.clipboard = reporting.diagnostics_text(timer.session())
        self.report({"INFO"}, translated("Copied"))
        return {"FINISHED"}


def _has_own_server(operator: Any) -> bool:
    if not timer.session().link.process.is_running:
        text = translated("Limbeck has not started a server that runs; it never stops those of others")
        operator.poll_message_set(text)
        return False
    return True


CLASSES = (
    LIMBECK_OT_start_server,
    LIMBECK_OT_stop_server,
    LIMBECK_OT_restart_server,
    LIMBECK_OT_reconnect,
    LIMBECK_OT_paste_connection,
    LIMBECK_OT_copy_install_command,
    LIMBECK_OT_copy_update_command,
    LIMBECK_OT_open_log,
    LIMBECK_OT_open_log_folder,
    LIMBECK_OT_copy_diagnostics,
)
