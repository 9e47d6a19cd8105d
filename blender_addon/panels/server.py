# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How things stand with the server: the line above everything, and the panel that says more."""

from typing import TYPE_CHECKING, Any

import bpy

from .. import server_process, timer
from ..session import Session
from ..texts import translated
from .layout import SidebarPanel, draw_wrapped
from .problem import draw_fix

if TYPE_CHECKING:
    from limbeck_protocol.events import Busyness


class LIMBECK_PT_server(SidebarPanel, bpy.types.Panel):
    bl_label = "Server"
    bl_idname = "LIMBECK_PT_server"
    bl_parent_id = "LIMBECK_PT_main"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012 (Blender wants a plain set)
    bl_order = 6

    def draw(self, context: Any) -> None:
        session, layout = timer.session(), self.layout
        session.link.questions.panel_is_drawn()
        draw_server(layout, session)
        if session.link.questions.busyness is not None and session.link.is_ready:
            draw_busyness(layout, session.link.questions.busyness)
        draw_buttons(layout)


def draw_status(layout: Any, session: Session) -> None:
    """Draw how things stand with the server, and what to do where nothing stands."""
    status = session.link.status
    row = layout.row()
    row.label(text=status.text, icon=status.icon)
    if session.link.can_start_server:
        row.operator("limbeck.start_server")
    draw_wrapped(layout, status.remedy)
    draw_fix(layout, status.fix)
    if session.link.needs_install:
        draw_wrapped(layout, "Install the server once. In a clone of Limbeck's repository, run")
        row = layout.row(align=True)
        row.label(text=server_process.INSTALL_COMMAND, translate=False)
        row.operator("limbeck.copy_install_command", text="", icon="COPYDOWN")


def draw_server(layout: Any, session: Session) -> None:
    """Draw what is known of the server."""
    link = session.link
    server = link.client.server if link.client is not None else None
    column = layout.column(align=True)
    column.label(text=link.status.text, icon=link.status.icon)
    if link.address:
        column.label(text=translated("Address: {address}").format(address=link.address), translate=False)
    if server is None:
        return
    version = translated("Version {version}, as {role}").format(version=server.version, role=server.role)
    column.label(text=version, translate=False)
    names = (translated("chosen by the server") if device == "auto" else device for device in server.devices)
    devices = ", ".join(names) or translated("not known")
    column.label(text=translated("Devices: {devices}").format(devices=devices), translate=False)


def draw_busyness(layout: Any, busyness: "Busyness") -> None:
    """Draw the queue's length, and what each worker does."""
    column = layout.column(align=True)
    text = translated("Jobs waiting: {waiting}, clients: {clients}").format(
        waiting=busyness.waiting, clients=busyness.clients
    )
    column.label(text=text, translate=False)
    for worker in busyness.workers:
        doing = translated(_DOING.get(worker.state, worker.state))
        steps = f" {worker.step}/{worker.steps}" if worker.steps and worker.job else ""
        text = f"{worker.device}: {doing}{steps}, {worker.memory_mb / 1000:.1f} GB"
        column.label(text=text, icon="CONSOLE", translate=False)


def draw_buttons(layout: Any) -> None:
    row = layout.row(align=True)
    row.operator("limbeck.start_server", text="Start")
    row.operator("limbeck.stop_server", text="Stop")
    row.operator("limbeck.restart_server", text="Restart")
    row = layout.row(align=True)
    row.operator("limbeck.reconnect")
    row.operator("limbeck.open_log")
    layout.operator("limbeck.copy_diagnostics", icon="COPYDOWN")


_DOING = {"starting": "Starting", "idle": "Idle", "busy": "Busy", "resting": "Resting after failures"}

CLASSES = (LIMBECK_PT_server,)
