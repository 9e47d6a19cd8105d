# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How things stand with the server."""

from typing import Any

from .. import server_process
from ..session import Session
from .layout import draw_wrapped


def draw_status(layout: Any, session: Session) -> None:
    """Draw how things stand with the server, and what to do where nothing stands."""
    status = session.link.status
    row = layout.row()
    row.label(text=status.text, icon=status.icon)
    if session.link.can_start_server:
        row.operator("limbeck.start_server")
    draw_wrapped(layout, status.remedy)
    if session.link.needs_install:
        draw_wrapped(layout, "Install the server once. In a clone of Limbeck's repository, run")
        row = layout.row(align=True)
        row.label(text=server_process.INSTALL_COMMAND)
        row.operator("limbeck.copy_install_command", text="", icon="COPYDOWN")
