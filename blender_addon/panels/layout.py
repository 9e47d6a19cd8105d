# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all panels share: where they are, and text over several lines."""

import textwrap
from typing import Any

from ..texts import translated

WRAP_CHARACTERS = 34


class SidebarPanel:
    """A panel of the one tab that Limbeck has in the sidebar of the 3D view."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Limbeck"


def draw_wrapped(layout: Any, text: str, icon: str = "BLANK1") -> None:
    """Draw text, in the artist's language where that has it, over as many lines as a sidebar of usual width needs."""
    if not text:
        return
    column = layout.column(align=True)
    column.scale_y = 0.8
    for line in textwrap.wrap(translated(text), WRAP_CHARACTERS):
        column.label(text=line, icon=icon, translate=False)
        icon = "BLANK1"
