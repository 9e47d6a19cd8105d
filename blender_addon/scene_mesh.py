# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects of the scene as triangles: modifiers evaluated, instances gathered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np
import numpy.typing as npt

from .mesh_file import StartMesh, require_few, start_mesh
from .refusal import DescriptionError

LAYER = "Limbeck"
"""The UV map, or colour attribute, that texturing gives a mesh."""
MOST_UV_MAPS = 8
SURFACES = ("MESH", "CURVE", "SURFACE", "FONT", "META")


@dataclass(frozen=True)
class Surface:
    """Triangles in an object's own frame.

    Attributes:
        vertices: [V,3].
        faces: [F,3].
        loops: [F,3] the corners of polygons that the corners of triangles are; of instances they mean nothing.
        polygons: [F] that the triangles are of.
    """

    vertices: npt.NDArray[np.float64]
    faces: npt.NDArray[np.int32]
    loops: npt.NDArray[np.int32]
    polygons: npt.NDArray[np.int32]


def blockout_of(thing: Any) -> StartMesh:
    """Return all that an object shows, its instances too, as what a job starts from.

    Raises:
        DescriptionError: if it shows no faces, or what the server could not use.
    """
    _require_object_mode(thing)
    surfaces = list(_shown(thing, bpy.context.evaluated_depsgraph_get()))
    require_few(sum(len(surface.faces) for surface in surfaces), thing.name)
    if not surfaces:
        raise DescriptionError(
            f'"{thing.name}" shows no surface', "choose a mesh, curve, text or an instance of one that is not hidden"
        )
    starts = np.cumsum([0, *(len(surface.vertices) for surface in surfaces[:-1])])
    faces = np.concatenate([surface.faces + start for surface, start in zip(surfaces, starts, strict=True)])
    vertices = np.concatenate([surface.vertices for surface in surfaces])
    return start_mesh(vertices, faces.astype(np.int32), world_matrix(thing), thing.name)


def paintable_of(thing: Any) -> tuple[StartMesh, Surface]:
    """Return a mesh object as what a job paints, and how its polygons were cut.

    Raises:
        DescriptionError: if it is no mesh, or shows other objects' instances, or what the server could not use.
    """
    if thing.type != "MESH":
        raise DescriptionError(f'"{thing.name}" is no mesh', "convert it: Object > Convert > Mesh")
    _require_object_mode(thing)
    depsgraph = bpy.context.evaluated_depsgraph_get()
    _require_room(thing.data, thing.name)
    _require_room(thing.evaluated_get(depsgraph).data, thing.name)
    if any(
        it.is_instance and it.parent is not None and it.parent.original == thing for it in depsgraph.object_instances
    ):
        raise DescriptionError(
            f'"{thing.name}" is made of instances', "make them real: Object > Apply, or a Realize Instances node"
        )
    surface = _triangles(thing.evaluated_get(depsgraph), thing.name)
    return start_mesh(surface.vertices, surface.faces, world_matrix(thing), thing.name), surface


def world_matrix(thing: Any) -> npt.NDArray[np.float64]:
    """Return an object's [4,4], parents and constraints included."""
    depsgraph = bpy.context.evaluated_depsgraph_get()
    return np.array(thing.evaluated_get(depsgraph).matrix_world, np.float64)


def box_of(thing: Any) -> npt.NDArray[np.float64]:
    """Return points [N,3] in an object's own frame whose box is its bounding box; of an empty that of its display.

    Raises:
        DescriptionError: if it has no size.
    """
    depsgraph = bpy.context.evaluated_depsgraph_get()
    if thing.type == "EMPTY":
        shown = list(_shown(thing, depsgraph)) if thing.instance_type == "COLLECTION" else []
        if shown:
            return np.concatenate([surface.vertices for surface in shown])
        reach = thing.empty_display_size
        return np.array([(-reach, -reach, -reach), (reach, reach, reach)])
    if thing.type not in SURFACES:
        raise DescriptionError(f'"{thing.name}" has no bounding box', "choose a mesh, a curve, a text or an empty")
    return np.array(thing.evaluated_get(depsgraph).bound_box, np.float64)


def _shown(thing: Any, depsgraph: Any) -> Iterator[Surface]:
    back = np.linalg.inv(_invertible(world_matrix(thing), thing.name))
    for instance in depsgraph.object_instances:
        owner = instance.parent if instance.is_instance else instance.object
        if owner is None or owner.original != thing or instance.object.type not in SURFACES:
            continue
        if not instance.is_instance:
            surface, to_own = _triangles(instance.object, thing.name), np.eye(4)
        else:
            surface = _triangles(instance.object, thing.name)
            to_own = back @ np.array(instance.matrix_world, np.float64)
        if len(surface.faces):
            vertices = surface.vertices @ to_own[:3, :3].T + to_own[:3, 3]
            yield Surface(vertices, surface.faces, surface.loops, surface.polygons)


def _triangles(evaluated: Any, name: str) -> Surface:
    """Return an evaluated object's triangles, refused before they are made where there are too many."""
    mesh = evaluated.to_mesh()
    if mesh is None:
        raise DescriptionError(f'"{name}" shows no surface', "choose a mesh, a curve or a text")
    try:
        require_few(len(mesh.loops) - 2 * len(mesh.polygons), name)
        mesh.calc_loop_triangles()
        triangles = mesh.loop_triangles
        return Surface(
            _read(mesh.vertices, "co", np.float32, 3).astype(np.float64),
            _read(triangles, "vertices", np.int32, 3),
            _read(triangles, "loops", np.int32, 3),
            _read(triangles, "polygon_index", np.int32, 1)[:, 0],
        )
    finally:
        evaluated.to_mesh_clear()


def _read(collection: Any, name: str, kind: Any, width: int) -> npt.NDArray[Any]:
    values = np.empty(len(collection) * width, kind)
    collection.foreach_get(name, values)
    return values.reshape(-1, width)


def _require_object_mode(thing: Any) -> None:
    """Refuse an object in Edit Mode, whose mesh is that of before."""
    if thing.mode == "EDIT":
        raise DescriptionError(f'"{thing.name}" is in Edit Mode', "leave Edit Mode (Tab)")


def _require_room(mesh: Any, name: str) -> None:
    """Refuse a mesh that can have no further UV map, before a job is made for it."""
    if len(mesh.uv_layers) >= MOST_UV_MAPS and LAYER not in mesh.uv_layers:
        raise DescriptionError(f'"{name}" has no room for another UV map', "remove one of its UV maps")


def _invertible(matrix: npt.NDArray[np.float64], name: str) -> npt.NDArray[np.float64]:
    if not np.isfinite(matrix).all() or abs(np.linalg.det(matrix)) < 1e-18:
        raise DescriptionError(f'"{name}" has a scale of zero', "give it a scale along every axis (N panel > Item)")
    return matrix
