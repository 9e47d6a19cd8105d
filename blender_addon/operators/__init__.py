# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every operator, one file per family."""

import bpy

from . import again, asset, fixes, generate, jobs, made, presets, references, rig, scrub, server, viewport

_CLASSES = (
    *again.CLASSES,
    *asset.CLASSES,
    *fixes.CLASSES,
    *generate.CLASSES,
    *jobs.CLASSES,
    *made.CLASSES,
    *presets.CLASSES,
    *references.CLASSES,
    *rig.CLASSES,
    *scrub.CLASSES,
    *server.CLASSES,
    *viewport.CLASSES,
)


def register() -> None:
    for part in _CLASSES:
        bpy.utils.register_class(part)


def unregister() -> None:
    for part in reversed(_CLASSES):
        bpy.utils.unregister_class(part)
