# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a job starts from, and where its asset goes, as the panel Start From says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import bpy
import numpy as np

from . import placement, scene_mesh, source_object
from .mesh_file import StartMesh, decompose
from .placement import Placement
from .refusal import DescriptionError

LEAST_BOX = 1e-3
"""Of a box's longest edge: a flat box is given this much thickness."""


@dataclass(frozen=True)
class Start:
    """Where a job's asset goes, and the mesh that it starts from or paints, if any."""

    placement: Placement
    mesh: StartMesh | None = None
    is_painted: bool = False


def start_of(scene: Any) -> Start:
    """Return what a scene's panel says.

    Raises:
        DescriptionError: if it names an object that cannot be used.
    """
    source = scene.limbeck.source
    if source.start == "NOTHING":
        return Start(_free_placement(scene))
    thing = _chosen(source.thing, "to start from")
    if source.start == "BLOCKOUT":
        mesh = scene_mesh.blockout_of(thing)
        use = "replace" if source.hides_source else "beside"
        return Start(Placement(placement.rows(mesh.matrix), thing.name_full, use), mesh)
    return painting_of(thing)


def why_not_start(context: Any) -> str:
    """Return why the panel names no object where it needs one, or "". Looks at no mesh: panels ask it as they draw."""
    source = context.scene.limbeck.source
    needs_box = source.start == "NOTHING" and source.fit == "BOX"
    if source.start == "NOTHING" and not needs_box:
        return ""
    picked = source.box if needs_box else source.thing
    if picked is not None:
        is_here = context.scene.objects.get(picked.name) is not None
        return "" if is_here else "The object picked in Start From is not in this scene: pick another one"
    active = context.view_layer.objects.active
    if active is None or not active.select_get():
        return "Start From needs an object: pick one there, or select it"
    return ""


def painting_of(thing: Any) -> Start:
    """Return the start of a job that textures an object.

    Raises:
        DescriptionError: if it cannot be textured.
    """
    mesh, _ = scene_mesh.paintable_of(thing)
    return Start(Placement(placement.rows(mesh.matrix), thing.name_full, "texture"), mesh, is_painted=True)


def hidden_blockout_of(full_name: str) -> StartMesh | None:
    """Return an object, hidden or not, as what a job starts from; None if it is gone.

    Raises:
        DescriptionError: if the server could not use it.
    """
    thing = source_object.find(full_name)
    if thing is None:
        return None
    with source_object.revealed(thing):
        return scene_mesh.blockout_of(thing)


def is_held_by_cameras(scene: Any) -> bool:
    """Return whether cameras of the scene say where the asset is, so that it must not be moved afterwards."""
    request = scene.limbeck
    is_posed = any(reference.is_posed and reference.weight > 0 for reference in request.references)
    return is_posed or request.rig.source in ("SCENE", "COLLECTION")


def _free_placement(scene: Any) -> Placement:
    source = scene.limbeck.source
    if source.fit == "ORIGIN":
        return _standing(scene, (0.0, 0.0, 0.0))
    if source.fit == "CURSOR":
        return _standing(scene, tuple(scene.cursor.location))
    fitted = box_placement(_chosen(source.box, "whose box the asset fills"))
    return replace(fitted, box=placement.NO_BOX) if is_held_by_cameras(scene) else fitted


def _standing(scene: Any, location: placement.Vector) -> Placement:
    """Return a placement at a point on which the asset stands, or about which it is where cameras look at it."""
    return replace(placement.at(location, scene.limbeck.source.radius), stands=not is_held_by_cameras(scene))


def box_placement(thing: Any) -> Placement:
    """Return the placement in an object's bounding box, turned as the object is.

    Raises:
        DescriptionError: if it has none.
    """
    matrix = scene_mesh.world_matrix(thing)
    points = scene_mesh.box_of(thing)
    rotation, stretch = decompose(matrix, thing.name)
    points = points @ stretch.T
    if not np.isfinite(points).all():
        raise DescriptionError(f'"{thing.name}" has coordinates that are not numbers', "delete them in Edit Mode")
    half = (points.max(0) - points.min(0)) / 2
    if not half.max() > 1e-9:
        raise DescriptionError(f'"{thing.name}" has a bounding box without size', "choose an object with a size")
    half = np.maximum(half, LEAST_BOX * half.max())
    radius = float(half.min()) if half.min() > 0.1 * half.max() else float(0.1 * half.max())
    to_world = np.eye(4)
    to_world[:3, :3] = rotation * radius
    to_world[:3, 3] = rotation @ ((points.max(0) + points.min(0)) / 2) + matrix[:3, 3]
    x, y, z = (half / radius).tolist()
    return Placement(placement.rows(to_world), box=(x, y, z))


def _chosen(picked: Any, what_for: str) -> Any:
    """Return the object that the panel names, else the selected active one."""
    thing = picked or bpy.context.view_layer.objects.active
    if thing is None or (picked is None and not thing.select_get()):
        raise DescriptionError(f"No object {what_for} is chosen", "pick one in Start From, or select it")
    if picked is not None and bpy.context.scene.objects.get(thing.name) is None:
        raise DescriptionError(f'"{thing.name}" is not in this scene', "pick another object in Start From")
    return thing
