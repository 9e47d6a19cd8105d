# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texture a mesh: what a job painted comes back onto the object that it was made from, which keeps every vertex.

Triangles go to the server and come back in one order, so what is on their corners goes to the corners of the polygons
that they were cut from. An object that may not be written, or whose modifiers make other polygons than its mesh has,
stays as it is: a copy of what it shows gets the texture.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import numpy.typing as npt

from . import glb, reference_images, scene_mesh, source_object, uv_transfer
from .material import new_color_material
from .mesh_file import StartMesh
from .refusal import DescriptionError
from .scene_mesh import LAYER
from .uv_transfer import Cut

FITS = 1e-3
"""How far corners may be from where the object has them, in radii of the object, after any one stretching."""


@dataclass(frozen=True)
class Painted:
    """The object that got the texture, and what is worth knowing about it, or nothing."""

    thing: Any
    note: str = ""


def paint(source: Any, file: Path, name: str) -> Painted:
    """Give an object the texture of a GLB that was painted on it; return it, or the copy that got it.

    Raises:
        DescriptionError: if the file cannot be read, or was painted on another shape.
    """
    corners = _read(file)
    mesh, surface = scene_mesh.paintable_of(source)
    loops = surface.loops[:, ::-1] if mesh.is_mirrored else surface.loops
    _require_same_shape(corners, mesh, source.name)
    cut = Cut(loops, surface.polygons, corners.positions)
    picture = _picture_of(corners, name)
    target, note = _target(source, surface, name)  # from here on the scene changes, and nothing is refused
    if picture is not None and corners.uvs is not None:
        material = _textured(target.data, cut, corners.uvs, picture, name)
    else:
        material = _colored(target.data, cut, corners.colors, name)
    _wear(target.data, material)
    return Painted(target, note)


def _read(file: Path) -> glb.Corners:
    try:
        return glb.read_corners(file)
    except (glb.GlbError, OSError) as error:
        raise DescriptionError(f"The texture cannot be read: {error}", "generate it again") from error


def _require_same_shape(corners: glb.Corners, mesh: StartMesh, name: str) -> None:
    """Refuse a texture of another shape; one that was since moved, turned or stretched as a whole is the same."""
    if len(corners.positions) == len(mesh.faces):
        came = corners.positions.reshape(-1, 3).astype(np.float64)
        own = mesh.vertices[mesh.faces].reshape(-1, 3).astype(np.float64)
        known = np.concatenate([own, np.ones((len(own), 1))], axis=1)
        fitted = known @ np.linalg.lstsq(known, came, rcond=None)[0]
        if np.abs(fitted - came).max() < FITS:
            return
    raise DescriptionError(
        f'"{name}" has changed since the job began', "undo the changes to its mesh and modifiers, or generate again"
    )


def _target(source: Any, surface: scene_mesh.Surface, name: str) -> tuple[Any, str]:
    """Return the object to paint: the source itself where its own mesh has the polygons, and may be written."""
    if source_object.is_writable(source) and _has_polygons(source.data, surface):
        if source.data.users > 1:
            source.data = source.data.copy()
            return source, f'"{source.name}" has its own copy of its mesh now, because other objects use it too'
        return source, ""
    why = "has modifiers that make its faces" if source_object.is_writable(source) else "is linked"
    return _copy(source, name), f'"{source.name}" {why}: a copy of it has the texture, and it is hidden'


def _has_polygons(mesh: Any, surface: scene_mesh.Surface) -> bool:
    """Return whether a mesh has the very polygons that were cut into the surface's triangles."""
    if len(mesh.vertices) != len(surface.vertices) or len(mesh.loops) != surface.loops.max() + 1:
        return False
    present = np.empty(len(mesh.loops), np.int32)
    mesh.loops.foreach_get("vertex_index", present)
    owners = np.repeat(np.arange(len(mesh.polygons)), _loop_totals(mesh))
    is_same = np.array_equal(present[surface.loops], surface.faces)
    return is_same and np.array_equal(owners[surface.loops[:, 0]], surface.polygons)


def _loop_totals(mesh: Any) -> npt.NDArray[np.int32]:
    totals = np.empty(len(mesh.polygons), np.int32)
    mesh.polygons.foreach_get("loop_total", totals)
    return totals


def _copy(source: Any, name: str) -> Any:
    """Return a new object with the mesh that the source shows, where the source stands; hide the source."""
    depsgraph = bpy.context.evaluated_depsgraph_get()
    evaluated = source.evaluated_get(depsgraph)
    mesh = bpy.data.meshes.new_from_object(evaluated, preserve_all_data_layers=True, depsgraph=depsgraph)
    mesh.name = name
    copy = bpy.data.objects.new(name, mesh)
    copy.matrix_world = evaluated.matrix_world.copy()
    bpy.context.collection.objects.link(copy)
    source_object.set_hidden(source, True)
    return copy


def _picture_of(corners: glb.Corners, name: str) -> Any | None:
    """Return the texture's image; None where there are colours instead."""
    if corners.uvs is not None and corners.picture is not None:
        return _packed(name, corners.picture)
    if corners.colors is None:
        raise DescriptionError("The asset has neither a texture nor colours", "generate it again")
    return None


def _textured(mesh: Any, cut: Cut, uvs: npt.NDArray[np.float32], picture: Any, name: str) -> Any:
    found, pixels = uvs, None
    if len(uv_transfer.torn_polygons(cut, uvs, len(mesh.loops))):
        given = reference_images.pixels_of(picture)[::-1]
        found, pixels = uv_transfer.transfer(cut, uvs, len(mesh.loops), given)
    else:
        found = uv_transfer.loop_values(cut, uvs, len(mesh.loops))
    layer = mesh.uv_layers.get(LAYER) or mesh.uv_layers.new(name=LAYER, do_init=False)
    layer.data.foreach_set("uv", found.ravel())
    layer.active = layer.active_render = True
    if pixels is not None:
        bpy.data.images.remove(picture)
        picture = reference_images.new_image(name, (pixels[::-1].clip(0, 1) * 255 + 0.5).astype(np.uint8))
    return _picture_material(name, picture, layer.name)


def _packed(name: str, content: bytes) -> Any:
    image = bpy.data.images.new(name, 1, 1)
    image.pack(data=content, data_len=len(content))
    image.source = "FILE"
    if not min(image.size):
        bpy.data.images.remove(image)
        raise DescriptionError("The texture's picture cannot be read", "generate it again")
    return image


def _picture_material(name: str, picture: Any, layer: str) -> Any:
    material = bpy.data.materials.new(name)
    if material.node_tree is None:  # Blender 4: from 5.0 every material has nodes, and setting this warns
        material.use_nodes = True
    tree: Any = material.node_tree
    nodes, links = tree.nodes, tree.links
    shader = next(node for node in nodes if node.type == "BSDF_PRINCIPLED")
    shader.inputs["Roughness"].default_value = 0.8
    texture, places = nodes.new("ShaderNodeTexImage"), nodes.new("ShaderNodeUVMap")
    texture.image, places.uv_map = picture, layer
    texture.location, places.location = (-320.0, 300.0), (-560.0, 200.0)
    links.new(places.outputs["UV"], texture.inputs["Vector"])
    links.new(texture.outputs["Color"], shader.inputs["Base Color"])
    return material


def _colored(mesh: Any, cut: Cut, colors: Any, name: str) -> Any:
    """Paint corners where the surface could not be laid flat, so that there is no texture."""
    layer = mesh.color_attributes.get(LAYER)
    if layer is None or (layer.data_type, layer.domain) != ("FLOAT_COLOR", "CORNER"):  # the artist's own
        layer = mesh.color_attributes.new(LAYER, "FLOAT_COLOR", "CORNER")
    layer.data.foreach_set("color", uv_transfer.loop_values(cut, colors, len(mesh.loops)).ravel())
    mesh.color_attributes.active_color_name = layer.name
    return new_color_material(name, layer.name)


def _wear(mesh: Any, material: Any) -> None:
    """Give every face the material; the others keep their slots."""
    mesh.materials.append(material)
    mesh.polygons.foreach_set("material_index", np.full(len(mesh.polygons), len(mesh.materials) - 1, np.int32))
    mesh.update()
