# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one line that says how things stand with the server."""

from dataclasses import dataclass
from typing import Literal

LinkState = Literal[
    "broken", "absent", "blocked", "starting", "connecting", "ready", "reconnecting", "version", "refused"
]


@dataclass(frozen=True)
class StatusLine:
    """A line of the panel: what is so, an icon of Blender's, and what to do about it."""

    text: str
    icon: str
    remedy: str = ""


def status_line(state: LinkState, remedy: str = "") -> StatusLine:
    """Return the line for a state; `remedy` is what the state's cause says, where it says something."""
    text, icon = _LINES[state]
    return StatusLine(text, icon, remedy)


_LINES: dict[LinkState, tuple[str, str]] = {
    "broken": ("The extension is not complete", "ERROR"),
    "absent": ("No server", "UNLINKED"),
    "blocked": ("Blender's online access is off", "INTERNET_OFFLINE"),
    "starting": ("Starting", "SORTTIME"),
    "connecting": ("Connecting", "SORTTIME"),
    "ready": ("Ready", "LINKED"),
    "reconnecting": ("Reconnecting", "SORTTIME"),
    "version": ("Server speaks another version", "ERROR"),
    "refused": ("The server refused the connection", "ERROR"),
}
