# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a session does to Blender's scene. Holds no reference to it, so undo and file loads cannot break it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy
import numpy as np

from . import live_mesh, mesh_write, provenance, source_object, whereabouts
from .job import FollowedJob
from .operator_error import reason_of
from .preferences import addon_preferences
from .surroundings import SceneError

if TYPE_CHECKING:
    from limbeck_protocol.mesh_codec import MeshData


class BlenderScene:
    """The scene of the window, or the file's first where a timer has no window."""

    def show_preview(self, job: FollowedJob, mesh: MeshData) -> bool:
        if is_rendering():
            return False
        with _in_window():
            live = live_mesh.find(job.id, job.title)
            if live is not None:
                return _can_change(live) and _show(live, job, mesh)
            return not _is_transforming() and _show(live_mesh.create(job, _collection()), job, mesh)

    def import_asset(self, job: FollowedJob, file: Path) -> bool:
        """Import as one undo step. Blender pushes it only for an operator called with its second argument true."""
        if is_rendering() or _is_transforming():
            return False
        with _in_window():
            return bpy.context.mode == "OBJECT" and _import_asset(job, file)

    def end_preview(self, job: FollowedJob, *, keep: bool) -> bool:
        source_object.show_for(job.placement.source, job.id)
        if keep:
            live_mesh.release(job.id)
            return True
        live = live_mesh.find(job.id, job.title)
        if is_rendering() or _is_transforming() or (live is not None and not _can_change(live)):
            return False
        live_mesh.remove(job.id)
        return True

    def known_jobs(self) -> list[FollowedJob]:
        """Return the jobs whose live meshes are in the open file, each once; show what is hidden for any other."""
        jobs = {str(live[live_mesh.JOB_KEY]): live_mesh.job_of(live) for live in live_mesh.all_live()}
        source_object.show_forgotten(jobs)
        return list(jobs.values())

    def redraw(self) -> None:
        """Redraw the sidebars; a changed mesh redraws the viewports by itself."""
        for window in bpy.context.window_manager.windows:
            for area in window.screen.areas:
                if area.type == "VIEW_3D":
                    _redraw_sidebar(area)


def _collection() -> Any:
    """Return where new objects go."""
    return whereabouts.target(bpy.context, addon_preferences(bpy.context).collection)


def _redraw_sidebar(area: Any) -> None:
    for region in area.regions:
        if region.type == "UI":
            region.tag_redraw()


def _import_asset(job: FollowedJob, file: Path) -> bool:
    arguments: dict[str, Any] = {"job": job.id, "title": job.title, "record": provenance.of_job(job).to_json()}
    arguments |= {"source": job.placement.source, "use": job.placement.use, "box": job.placement.box}
    arguments["stands"] = job.placement.stands
    arguments["matrix"] = [value for row in job.placement.matrix for value in row]
    try:
        bpy.ops.limbeck.import_asset("EXEC_DEFAULT", True, filepath=str(file), **arguments)
    except RuntimeError as error:
        raise SceneError(reason_of(error)) from error
    return True


def _in_window() -> AbstractContextManager[None]:
    """Give a timer, which has no window of its own, the context of the first one."""
    windows = bpy.context.window_manager.windows
    return nullcontext() if bpy.context.window or not windows else bpy.context.temp_override(window=windows[0])


def is_rendering() -> bool:
    """Return whether a render or a bake reads the scene just now, so that it must not change."""
    return any(bpy.app.is_job_running(name) for name in ("RENDER", "OBJECT_BAKE"))


def _is_transforming() -> bool:
    """Return whether the artist drags objects just now: Blender holds pointers to them meanwhile."""
    windows = bpy.context.window_manager.windows
    return any(modal.bl_idname.startswith("TRANSFORM_OT_") for window in windows for modal in window.modal_operators)


def _can_change(live: Any) -> bool:
    """Return whether neither the object nor another one with its mesh is in a mode that works on the mesh."""
    return live.mode == "OBJECT" and not live.data.is_editmode


def _show(live: Any, job: FollowedJob, mesh: MeshData) -> bool:
    if not live.users_scene:  # its collection or its scene has been deleted
        _collection().objects.link(live)
    try:
        mesh_write.write(live_mesh.mesh_of(live, job), _raised(mesh) if job.placement.stands else mesh)
    except RuntimeError as error:
        raise SceneError(reason_of(error)) from error
    return True


def _raised(mesh: MeshData) -> MeshData:
    """Return a mesh whose lowest point has the height 0."""
    if not len(mesh.vertices):
        return mesh
    return replace(mesh, vertices=mesh.vertices - np.array((0.0, 0.0, mesh.vertices[:, 2].min()), np.float32))
