# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an artist asks for, kept in the scene and saved with the file."""

import bpy
from bpy.props import PointerProperty

from . import live, references, request, rig, source

_CLASSES = (*references.CLASSES, *rig.CLASSES, *source.CLASSES, *request.CLASSES)


def register() -> None:
    for part in _CLASSES:
        bpy.utils.register_class(part)
    bpy.types.Scene.limbeck = PointerProperty(type=request.LIMBECK_PG_request)
    bpy.types.Camera.limbeck = PointerProperty(type=rig.LIMBECK_PG_camera)
    live.register()


def unregister() -> None:
    live.unregister()
    del bpy.types.Camera.limbeck
    del bpy.types.Scene.limbeck
    for part in reversed(_CLASSES):
        bpy.utils.unregister_class(part)
