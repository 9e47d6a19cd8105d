# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every panel, one file per topic, in the order in which the tab shows them."""

import bpy

from . import asset, generate, jobs, references, rig, server, source

_CLASSES = (
    *generate.CLASSES,
    *references.CLASSES,
    *rig.CLASSES,
    *source.CLASSES,
    *jobs.CLASSES,
    *asset.CLASSES,
    *server.CLASSES,
)


def register() -> None:
    for part in _CLASSES:
        bpy.utils.register_class(part)


def unregister() -> None:
    for part in reversed(_CLASSES):
        bpy.utils.unregister_class(part)
