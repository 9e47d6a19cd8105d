# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The object that a job was made from. Found by its name each time: undo and file loads break references."""

from __future__ import annotations

from typing import Any

import bpy


def find(full_name: str) -> Any | None:
    """Return the object of that full name, which tells a linked one from a local one, or None."""
    if not full_name:
        return None
    return next((thing for thing in bpy.data.objects if thing.name_full == full_name), None)


def set_hidden(full_name: str, is_hidden: bool) -> None:
    """Hide an object from the viewports or show it again, where it is there and may be; renders are not touched."""
    thing = find(full_name)
    if thing is not None and thing.name in bpy.context.view_layer.objects:
        thing.hide_set(is_hidden)


def is_writable(thing: Any) -> bool:
    """Return whether an object and its data belong to this file, so that they may be changed for good."""
    return not any(it.library or it.override_library for it in (thing, thing.data) if it is not None)
