# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limbeck's Blender extension: a sidebar that turns a prompt into a mesh while you watch."""

from . import languages, operators, panels, preferences, properties, rig_overlay, timer

_PARTS = (languages, preferences, properties, operators, panels, rig_overlay, timer)


def register() -> None:
    for part in _PARTS:
        part.register()


def unregister() -> None:
    for part in reversed(_PARTS):
        part.unregister()
