# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring a finished asset into the scene with Blender's own glTF importer."""

from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix, Vector

from .glb_check import AGAIN, AssetError, check_glb
from .material import new_color_material, show_colors

# Blender 4.2 has none of these three: it neither makes a collection nor writes to the scene.
_QUIET_OPTIONS = {
    "import_scene_as_collection": False,
    "import_scene_extras": False,
    "import_select_created_objects": False,
}


def import_glb(file: Path) -> tuple[Any, dict[str, Any]]:
    """Import a GLB that holds one mesh; return its object, with a material that shows its colours, and its metadata.

    Raises:
        AssetError: if the file is missing, damaged or holds another number of meshes than one, or the importer is
            off or fails. Nothing is in the scene then that was not there before.
    """
    if "gltf" not in dir(bpy.ops.import_scene):
        raise AssetError("Blender's glTF importer is off", 'enable "glTF 2.0 format" in Preferences > Add-ons')
    metadata = check_glb(file)
    before = set(bpy.data.objects)
    try:
        bpy.ops.import_scene.gltf(filepath=str(file), **_quiet_options())
    except RuntimeError as error:
        _remove([thing for thing in bpy.data.objects if thing not in before])
        raise AssetError(f"{file} cannot be imported: {str(error).strip()}", AGAIN) from error
    imported = [thing for thing in bpy.data.objects if thing not in before]
    meshes = [thing for thing in imported if thing.type == "MESH"]
    if len(meshes) != 1:
        _remove(imported)
        raise AssetError(f"{file} holds {len(meshes)} meshes, expected one")
    asset = meshes[0]
    _detach(asset)
    _remove([thing for thing in imported if thing is not asset])
    _show_vertex_colors(asset)
    _pack_pictures(asset)
    asset.data.polygons.foreach_set("use_smooth", [True] * len(asset.data.polygons))
    return asset, metadata


def stand_on_ground(asset: Any) -> Vector:
    """Move the object's origin to the middle of its lowest side without moving a point; return where that was.

    Returns:
        [3] the new origin in the old frame of the object, whose z is up.
    """
    corners = [Vector(corner) for corner in asset.bound_box]
    low = Vector(map(min, zip(*corners, strict=True)))
    high = Vector(map(max, zip(*corners, strict=True)))
    ground = Vector(((low.x + high.x) / 2, (low.y + high.y) / 2, low.z))
    asset.data.transform(Matrix.Translation(-ground))
    asset.matrix_world = asset.matrix_world @ Matrix.Translation(ground)
    return ground


def replace_live(asset: Any, live: Any, *, otherwise_at: Any, otherwise_in: Any) -> None:
    """Put the asset where the live object stands and in its collections, or where it would have been made."""
    matrix = live.matrix_world if live is not None else otherwise_at
    asset.matrix_world = matrix @ asset.matrix_world
    for collection in asset.users_collection:
        collection.objects.unlink(asset)
    for collection in live.users_collection if live is not None else [otherwise_in]:
        collection.objects.link(asset)


def bounds(asset: Any) -> tuple[Any, Any]:
    """Return the lowest and the highest corner of an object's mesh in the world."""
    corners = np.empty(len(asset.data.vertices) * 3, np.float32)
    asset.data.vertices.foreach_get("co", corners)
    matrix = np.array(asset.matrix_world)
    points = corners.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3]
    return tuple(points.min(0).tolist()), tuple(points.max(0).tolist())


def rename(asset: Any, name: str) -> None:
    """Name the object, its mesh and its materials alike."""
    asset.name = asset.data.name = name
    for material in asset.data.materials:
        material.name = name


def select_only(context: Any, asset: Any) -> None:
    """Make the asset the one selected and active object, as Blender does with a new object, if it can be seen here."""
    context.view_layer.update()  # what it lists lags behind what has been unlinked
    if context.view_layer.objects.get(asset.name) != asset:  # its live mesh is in another scene or a hidden collection
        return
    for thing in context.view_layer.objects.selected:
        thing.select_set(False)
    asset.select_set(True)
    context.view_layer.objects.active = asset


def _quiet_options() -> dict[str, bool]:
    known = bpy.ops.import_scene.gltf.get_rna_type().properties.keys()
    return {name: value for name, value in _QUIET_OPTIONS.items() if name in known}


def _detach(asset: Any) -> None:
    """Free the object from the importer's parents and from its quaternions, which artists seldom want."""
    matrix = asset.matrix_world.copy()
    asset.parent = None
    asset.rotation_mode = "XYZ"
    asset.matrix_world = matrix


def _remove(things: list[Any]) -> None:
    for thing in things:
        bpy.data.objects.remove(thing)


def _pack_pictures(asset: Any) -> None:
    """Keep textures in the .blend, also where the importer has been told to leave them outside."""
    for material in asset.data.materials:
        for node in material.node_tree.nodes if material.node_tree is not None else ():
            image = getattr(node, "image", None)
            if image is not None and image.packed_file is None and image.has_data:
                image.pack()


def _show_vertex_colors(asset: Any) -> None:
    mesh = asset.data
    if not mesh.color_attributes:
        return
    attribute = mesh.color_attributes[0].name
    mesh.color_attributes.active_color_name = attribute
    mesh.color_attributes.render_color_index = 0
    if not mesh.materials:
        mesh.materials.append(new_color_material(asset.name, attribute))
    for material in mesh.materials:
        show_colors(material, attribute)
