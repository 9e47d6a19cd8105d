# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The object that shows a job's newest mesh.

Undo may delete or revert it at any time, so nothing here keeps a reference: the object is found by its job's id
each time and made anew where it is missing.
"""

from typing import Any

import bpy
import numpy as np
import numpy.typing as npt
from mathutils import Matrix

from . import source_object
from .job import FollowedJob
from .material import new_color_material
from .placement import recall, remember

JOB_KEY = "limbeck_job"
PLACEMENT_KEY = "limbeck_placement"
COLORS = "Color"
MATERIAL = "Limbeck Live Mesh"


def find(job_id: str) -> Any | None:
    """Return the live object of a job, or None."""
    return next((thing for thing in bpy.data.objects if thing.get(JOB_KEY) == job_id), None)


def show(
    live: Any, vertices: npt.NDArray[np.float32], faces: npt.NDArray[np.uint32], colors: npt.NDArray[np.uint8]
) -> bool:
    """Put a mesh into the live object; return False where the artist has it in another mode than Object Mode.

    Args:
        live: a mesh object.
        vertices: [V,3] in Blender's world axes.
        faces: [F,3] in range: Blender does not check them here.
        colors: [V,4] sRGB.
    """
    if live.mode != "OBJECT":
        return False
    mesh = live.data
    corners = np.ascontiguousarray(faces, dtype=np.int32).ravel()
    if not _has_topology(mesh, len(vertices), corners):
        _set_topology(mesh, len(vertices), corners)
    mesh.attributes["position"].data.foreach_set("vector", np.ascontiguousarray(vertices, dtype=np.float32).ravel())
    _color_layer(mesh).data.foreach_set("color", srgb_to_linear(colors).ravel())
    mesh.update()
    return True


def create(job: FollowedJob, collection: Any) -> Any:
    """Add an empty live object for a job to a collection without touching the selection."""
    live = bpy.data.objects.new(job.title, bpy.data.meshes.new(job.title))
    live.data.materials.append(bpy.data.materials.get(MATERIAL) or new_color_material(MATERIAL, COLORS))
    live.matrix_world = Matrix(job.placement.matrix)
    live[JOB_KEY], live[PLACEMENT_KEY] = job.id, remember(job.placement)
    live["prompt"], live["seed"], live["recipe"] = job.prompt, job.seed, job.recipe
    live["steps"], live["faces"] = job.asked_steps, job.asked_faces
    collection.objects.link(live)
    if job.placement.use != "beside":  # or the live mesh would form inside of what it is made from
        source_object.set_hidden(job.placement.source, True)
    return live


def job_of(live: Any) -> FollowedJob:
    """Return the job that a live object was made for, as far as the object tells."""
    return FollowedJob(
        prompt=str(live.get("prompt", live.name)),
        seed=int(live.get("seed", 0)),
        recipe=str(live.get("recipe", "")),
        placement=recall(tuple(tuple(row) for row in live.matrix_world), str(live.get(PLACEMENT_KEY, ""))),
        id=str(live[JOB_KEY]),
        asked_steps=int(live.get("steps", 0)),
        asked_faces=int(live.get("faces", 0)),
    )


def remove(job_id: str) -> None:
    """Remove the live object of a job, and its mesh."""
    live = find(job_id)
    if live is None:
        return
    mesh = live.data
    bpy.data.objects.remove(live)
    if mesh.users == 0:
        bpy.data.meshes.remove(mesh)
    material = bpy.data.materials.get(MATERIAL)
    if material is not None and material.users == 0:
        bpy.data.materials.remove(material)


def release(job_id: str) -> None:
    """Turn the live object of a job that ended into an ordinary object."""
    live = find(job_id)
    if live is not None:
        del live[JOB_KEY]
        live.pop(PLACEMENT_KEY, None)


def srgb_to_linear(colors: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return float colours in the linear space that Blender keeps them in; alpha is linear already."""
    linear = _SRGB_TO_LINEAR[colors]
    linear[:, 3] = colors[:, 3] / np.float32(255)
    return linear


def _linear_table() -> npt.NDArray[np.float32]:
    srgb = np.arange(256, dtype=np.float64) / 255
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4).astype(np.float32)


_SRGB_TO_LINEAR = _linear_table()


def _has_topology(mesh: Any, vertex_count: int, corners: npt.NDArray[np.int32]) -> bool:
    """Return whether the mesh has these triangles now; the artist or undo may have changed it since the last one."""
    if len(mesh.vertices) != vertex_count or len(mesh.loops) != len(corners) or len(mesh.polygons) * 3 != len(corners):
        return False
    present = np.empty(len(corners), dtype=np.int32)
    mesh.attributes[".corner_vert"].data.foreach_get("value", present)
    return np.array_equal(present, corners)


def _set_topology(mesh: Any, vertex_count: int, corners: npt.NDArray[np.int32]) -> None:
    """Rebuild through the attributes: about ten times faster than loops.foreach_set."""
    mesh.clear_geometry()
    mesh.vertices.add(vertex_count)
    mesh.loops.add(len(corners))
    mesh.polygons.add(len(corners) // 3)
    mesh.attributes[".corner_vert"].data.foreach_set("value", corners)
    mesh.polygons.foreach_set("loop_start", np.arange(0, len(corners), 3, dtype=np.int32))
    mesh.update(calc_edges=True)


def _color_layer(mesh: Any) -> Any:
    """Return the colour attribute, made the active one so that the viewport shows it."""
    layer = mesh.color_attributes.get(COLORS)
    if layer is None:
        mesh.color_attributes.new(COLORS, "FLOAT_COLOR", "POINT")
        mesh.color_attributes.active_color_name = COLORS
        layer = mesh.color_attributes[COLORS]
    return layer
