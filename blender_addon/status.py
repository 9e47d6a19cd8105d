# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one line that says how things stand with the server."""

from dataclasses import dataclass
from typing import Literal

from .fixes import LINK_FIXES

LinkState = Literal[
    "broken",
    "absent",
    "blocked",
    "file",
    "starting",
    "connecting",
    "unreachable",
    "stranger",
    "ready",
    "reconnecting",
    "version",
    "key",
    "refused",
]


@dataclass(frozen=True)
class StatusLine:
    """A line of the panel: what is so, an icon of Blender's, what to do about it, and the operator that does it."""

    text: str
    icon: str
    remedy: str = ""
    fix: str = ""


def status_line(state: LinkState, remedy: str = "") -> StatusLine:
    """Return the line for a state; `remedy` is what the state's cause says, where it says something."""
    text, icon, usual_remedy = _LINES[state]
    return StatusLine(text, icon, remedy or usual_remedy, LINK_FIXES.get(state, ""))


_LINES: dict[LinkState, tuple[str, str, str]] = {
    "broken": ("The extension is not complete", "ERROR", ""),
    "absent": ("No server", "UNLINKED", ""),
    "blocked": (
        "Blender's online access is off",
        "INTERNET_OFFLINE",
        "The server is on another computer: allow online access in Preferences > System",
    ),
    "file": ("The connection file cannot be used", "ERROR", ""),
    "starting": ("Starting", "SORTTIME", ""),
    "connecting": ("Connecting", "SORTTIME", ""),
    "unreachable": (
        "Nobody answers at the server's address",
        "UNLINKED",
        "Check that the server runs, that its address and port are right, and that no firewall is between",
    ),
    "stranger": (
        "Another program answers at the server's address",
        "ERROR",
        "Check the port and the keys: choose the connection file that limbeck serve has written",
    ),
    "ready": ("Ready", "LINKED", ""),
    "reconnecting": ("Reconnecting", "SORTTIME", ""),
    "version": ("Server speaks another version", "ERROR", "Update the add-on and the server to the same release"),
    "key": (
        "The server does not accept this key",
        "ERROR",
        "Choose a connection file whose key the server accepts; its owner can make one",
    ),
    "refused": ("The server refused the connection", "ERROR", ""),
}
