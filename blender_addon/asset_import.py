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
from .operator_error import reason_of

_KINDS = (
    "objects",
    "meshes",
    "materials",
    "images",
    "node_groups",
    "cameras",
    "lights",
    "armatures",
    "actions",
    "collections",
)
MOST_REACH = 1e6
"""How far an asset's points may be from the middle of its frame, in which it is about as large as the unit ball."""

# Blender 4.2 has none of these three: it neither makes a collection nor writes to the scene.
_QUIET_OPTIONS = {
    "import_scene_as_collection": False,
    "import_scene_extras": False,
    "import_select_created_objects": False,
}


def import_glb(file: Path) -> tuple[Any, dict[str, Any]]:
    """Import a GLB that holds one mesh; return its object, with a material that shows its colours, and its metadata.

    Raises:
        AssetError: if the file is missing, damaged or holds another number of meshes than one, or one without faces
            or with coordinates that are no numbers, or the importer is off or fails. Nothing is in the file then that
            was not there before.
    """
    if "gltf" not in dir(bpy.ops.import_scene):
        raise AssetError("Blender's glTF importer is off", 'enable "glTF 2.0 format" in Preferences > Add-ons')
    metadata = check_glb(file)
    before = _datablocks()
    try:
        bpy.ops.import_scene.gltf(filepath=str(file), **_quiet_options())
        asset = _only_mesh(file, [thing for thing in bpy.data.objects if thing not in before])
    except (RuntimeError, AssetError) as error:
        bpy.data.batch_remove(_datablocks() - before)
        if isinstance(error, AssetError):
            raise
        raise AssetError(f"{file} cannot be imported: {reason_of(error)}", AGAIN) from error
    _detach(asset)
    _remove_others(asset, before)
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
    wanted = live.users_collection if live is not None else ()
    for collection in wanted or (otherwise_in,):  # the live object's own collection may have been deleted
        collection.objects.link(asset)


def bounds(asset: Any) -> tuple[Any, Any]:
    """Return the lowest and the highest corner of an object's mesh, which has vertices, in the world."""
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


def _datablocks() -> set[Any]:
    """Return all that an importer may add to."""
    return {block for kind in _KINDS for block in getattr(bpy.data, kind)}


def _only_mesh(file: Path, imported: list[Any]) -> Any:
    """Return the one mesh object among those that were imported.

    Raises:
        AssetError: if there is another number of them, or it shows nothing.
    """
    meshes = [thing for thing in imported if thing.type == "MESH"]
    if len(meshes) != 1:
        raise AssetError(f"{file} holds {len(meshes)} meshes, expected one", "choose an asset that Limbeck has made")
    asset = meshes[0]
    if not asset.data.polygons:
        raise AssetError(f"{file} holds a mesh without faces", AGAIN)
    if not np.abs(bounds(asset)).max() < MOST_REACH:
        raise AssetError(f"{file} holds a mesh whose coordinates are not numbers, or far off", AGAIN)
    return asset


def _remove_others(asset: Any, before: set[Any]) -> None:
    """Remove what came beside the asset: other objects, then what nothing uses any more."""
    others = [thing for thing in bpy.data.objects if thing not in before and thing != asset]
    bpy.data.batch_remove(others)
    while unused := [block for block in _datablocks() - before if block.users == 0]:
        bpy.data.batch_remove(unused)


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
