# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where new objects go, and what becomes of the object that an asset was made from."""

from typing import Any

import bpy
from mathutils import Matrix, Vector

from .provenance import ORIGIN

NAME = "Limbeck"


def target(context: Any, preference: str) -> Any:
    """Return the collection for new objects.

    Args:
        preference: ACTIVE, or LIMBECK for a collection of that name in the scene, which is made where it is missing.
    """
    active = context.collection
    if preference != "LIMBECK":
        is_usable = active is not None and active.library is None and active.override_library is None
        return active if is_usable else context.scene.collection
    found = next((child for child in context.scene.collection.children_recursive if _is_ours(child)), None)
    if found is None:
        found = bpy.data.collections.new(NAME)
        context.scene.collection.children.link(found)
    return found


def frame_of(asset: Any) -> Matrix:
    """Return the [4,4] from the core's frame to the world of an asset, whose origin was moved to the ground."""
    try:
        origin = Vector(asset.get(ORIGIN, (0.0, 0.0, 0.0))).to_3d()
    except (TypeError, ValueError):  # the artist has edited the property
        origin = Vector()
    return asset.matrix_world @ Matrix.Translation(-origin)


def take_place(asset: Any, source: Any) -> None:
    """Hide the source, and put the asset where it was: its parent and its collections. The asset does not move."""
    matrix = asset.matrix_world.copy()
    asset.parent, asset.parent_type, asset.parent_bone = source.parent, source.parent_type, source.parent_bone
    asset.matrix_world = matrix
    wanted = [collection for collection in source.users_collection if collection.library is None]
    if wanted:
        for collection in asset.users_collection:
            collection.objects.unlink(asset)
        for collection in wanted:
            collection.objects.link(asset)
    source.hide_render = True
    source.hide_viewport = True


def _is_ours(collection: Any) -> bool:
    is_local = collection.library is None and collection.override_library is None
    return is_local and (collection.name == NAME or collection.name.startswith(f"{NAME}."))
