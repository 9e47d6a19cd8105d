# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The camera rig drawn in the viewports, while the panel says so."""

from __future__ import annotations

import math
from typing import Any

import bpy
import numpy as np
import numpy.typing as npt
from bpy.app.handlers import persistent

from . import camera_math, from_scene, rig_shapes, scene_rig
from .blender_camera import frame_of, world_camera
from .refusal import DescriptionError

COLOR = (1.0, 0.55, 0.1, 0.9)
_handles: list[Any] = []  # Blender gives a draw handler no other way to be found again
_seen: dict[tuple[Any, ...], Any] = {}
"""The last mesh's placement: evaluating a mesh at each redraw would take longer than drawing."""


def sync() -> None:
    """Draw, or stop drawing, as the scenes' toggles say."""
    is_wanted = any(scene.limbeck.rig.is_shown for scene in bpy.data.scenes)
    if is_wanted and not _handles and not bpy.app.background:
        _handles.append(bpy.types.SpaceView3D.draw_handler_add(_draw, (), "WINDOW", "POST_VIEW"))
    elif not is_wanted:
        _remove()
    redraw()


def redraw() -> None:
    """Redraw the viewports."""
    manager = bpy.context.window_manager
    for window in manager.windows if manager else ():
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                area.tag_redraw()


def lines_of(scene: Any) -> npt.NDArray[np.float32]:
    """Return the rig's lines in the world [N,2,3]; none for the recipe's own rig, or one that is not complete."""
    try:
        return _lines(scene)
    except DescriptionError:
        return np.zeros((0, 2, 3), np.float32)


def register() -> None:
    bpy.app.handlers.load_post.append(_after_load)


def unregister() -> None:
    bpy.app.handlers.load_post.remove(_after_load)
    _remove()
    _seen.clear()


def _lines(scene: Any) -> npt.NDArray[np.float32]:
    rig = scene.limbeck.rig
    if rig.source == "RECIPE":
        return np.zeros((0, 2, 3), np.float32)
    matrix = _placement_matrix(scene)
    if rig.source != "PRESET":
        frame = frame_of(scene)
        found = [world_camera(thing, frame) for thing in scene_rig.camera_objects(scene)]
        tangents = [(camera.width / camera.K[0, 0] / 2, camera.height / camera.K[1, 1] / 2) for camera in found]
        poses = [camera_math.into_frame(camera.c2w, matrix) for camera in found]
        return rig_shapes.moved(rig_shapes.frustum_lines(poses, tangents), matrix)
    preset = scene_rig.preset_of(rig)
    poses = [rig_shapes.look_at_c2w(*station, preset.distance) for station in rig_shapes.stations(preset)]
    half = math.tan(math.radians(preset.fov_y_deg) / 2)
    frusta = rig_shapes.frustum_lines(poses, [(half, half)] * len(poses))
    return rig_shapes.moved(np.concatenate([rig_shapes.ring_lines(preset), frusta]), matrix)


def _placement_matrix(scene: Any) -> Any:
    """Return where the asset will be; of a mesh that has not changed, as it was found last."""
    source = scene.limbeck.source
    thing = source.thing or bpy.context.view_layer.objects.active
    if source.start == "NOTHING" or thing is None:
        return from_scene.start_of(scene).placement.matrix
    shape = (*(tuple(row) for row in thing.matrix_world), *(tuple(corner) for corner in thing.bound_box))
    key = (source.start, thing.name_full, shape)
    if key not in _seen:
        _seen.clear()
        _seen[key] = from_scene.start_of(scene).placement.matrix
    return _seen[key]


def _draw() -> None:
    scene = bpy.context.scene
    if not scene.limbeck.rig.is_shown:
        return
    lines = lines_of(scene)
    if not len(lines):
        return
    import gpu  # noqa: PLC0415 # pyright: ignore[reportMissingImports] - only a window has one
    from gpu_extras.batch import batch_for_shader  # noqa: PLC0415 # pyright: ignore[reportMissingImports]

    shader = gpu.shader.from_builtin("UNIFORM_COLOR")
    batch = batch_for_shader(shader, "LINES", {"pos": lines.reshape(-1, 3).tolist()})
    gpu.state.blend_set("ALPHA")
    gpu.state.depth_test_set("LESS_EQUAL")
    shader.bind()
    shader.uniform_float("color", COLOR)
    batch.draw(shader)
    gpu.state.depth_test_set("NONE")
    gpu.state.blend_set("NONE")


@persistent
def _after_load(*_: Any) -> None:
    _seen.clear()
    sync()


def _remove() -> None:
    while _handles:
        bpy.types.SpaceView3D.draw_handler_remove(_handles.pop(), "WINDOW")
