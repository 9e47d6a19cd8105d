# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The object that shows a job's newest mesh.

Undo may delete or revert it at any time, so nothing here keeps a reference: the object is found by its job's id
each time and made anew where it is missing. Objects and meshes of linked libraries and overrides are never ours.
"""

from collections.abc import Iterator
from typing import Any

import bpy
from mathutils import Matrix

from . import source_object
from .job import FollowedJob
from .material import new_color_material
from .mesh_write import COLORS
from .placement import NO_BOX, Placement

JOB_KEY = "limbeck_job"
MATERIAL = "Limbeck Live Mesh"
MAX_INT = 2**31 - 1
"""Blender keeps whole numbers of custom properties in 32 bits."""


def all_live() -> Iterator[Any]:
    """Iterate over the live objects of all jobs, copies included."""
    return (thing for thing in bpy.data.objects if JOB_KEY in thing and _is_ours(thing))


def find(job_id: str, likely_name: str = "") -> Any | None:
    """Return the live object of a job, or None; at once where it has the likely name, such as its job's title."""
    likely = bpy.data.objects.get(likely_name) if likely_name else None
    if likely is not None and likely.get(JOB_KEY) == job_id and _is_ours(likely):
        return likely
    return next((live for live in all_live() if live[JOB_KEY] == job_id), None)


def create(job: FollowedJob, collection: Any) -> Any:
    """Add an empty live object for a job to a collection without touching the selection."""
    live = bpy.data.objects.new(job.title, _new_mesh(job))
    live.matrix_world = Matrix(job.placement.matrix)
    live[JOB_KEY] = job.id
    live["prompt"], live["recipe"] = job.prompt, job.recipe
    live["seed"] = job.seed if job.seed <= MAX_INT else str(job.seed)
    live["steps"], live["faces"] = job.asked_steps, job.asked_faces
    live["limbeck_source"], live["limbeck_use"] = job.placement.source, job.placement.use
    live["limbeck_box"], live["limbeck_stands"] = job.placement.box, job.placement.stands
    collection.objects.link(live)
    if job.placement.use != "beside":  # or the live mesh would form inside of what it is made from
        source_object.hide_for(job.placement.source, job.id)
    return live


def mesh_of(live: Any, job: FollowedJob) -> Any:
    """Return the live object's mesh, a new one where it has come to show what is not ours to write.

    The artist may have given it another mesh, one of a library, or shape keys.
    """
    mesh = live.data
    if mesh.get(JOB_KEY) != job.id or mesh.library is not None or mesh.override_library is not None or mesh.shape_keys:
        live.data = mesh = _new_mesh(job)
    return mesh


def job_of(live: Any) -> FollowedJob:
    """Return the job that a live object was made for, as far as the object tells."""
    use = live.get("limbeck_use", "beside")
    return FollowedJob(
        prompt=str(live.get("prompt", live.name)),
        seed=_number(live, "seed"),
        recipe=str(live.get("recipe", "")),
        placement=Placement(
            tuple(tuple(row) for row in live.matrix_world),
            str(live.get("limbeck_source", "")),
            use if use in ("replace", "texture") else "beside",
            _box_of(live),
            bool(live.get("limbeck_stands", False)),
        ),
        id=str(live[JOB_KEY]),
        asked_steps=_number(live, "steps"),
        asked_faces=_number(live, "faces"),
    )


def remove(job_id: str) -> None:
    """Remove the live object of a job, and its mesh. Copies that the artist made of it become ordinary objects."""
    live = find(job_id)
    if live is None:
        return
    mesh = live.data
    bpy.data.objects.remove(live)
    if mesh.users == 0 and mesh.library is None:
        bpy.data.meshes.remove(mesh)
    release(job_id)
    material = bpy.data.materials.get(MATERIAL)
    if material is not None and material.users == 0:
        bpy.data.materials.remove(material)


def release(job_id: str) -> None:
    """Turn the live object of a job that ended, and its copies, into ordinary objects."""
    for live in [live for live in all_live() if live[JOB_KEY] == job_id]:
        for name in (JOB_KEY, "limbeck_source", "limbeck_use", "limbeck_box", "limbeck_stands"):
            if name in live:
                del live[name]
        if JOB_KEY in live.data and live.data.library is None:
            del live.data[JOB_KEY]


def _number(live: Any, name: str) -> int:
    """Return a custom property that is a number, or a text of one; 0 where the artist has edited it."""
    try:
        return int(live.get(name, 0))
    except (TypeError, ValueError):
        return 0


def _box_of(live: Any) -> tuple[float, float, float]:
    """Return the box that a job's asset is to fill; none where the artist has edited the property."""
    try:
        x, y, z = (float(value) for value in live["limbeck_box"])
    except (KeyError, TypeError, ValueError):
        return NO_BOX
    return x, y, z


def _is_ours(thing: Any) -> bool:
    return thing.type == "MESH" and thing.library is None and thing.override_library is None


def _new_mesh(job: FollowedJob) -> Any:
    mesh = bpy.data.meshes.new(job.title)
    mesh.materials.append(bpy.data.materials.get(MATERIAL) or new_color_material(MATERIAL, COLORS))
    mesh[JOB_KEY] = job.id
    return mesh
