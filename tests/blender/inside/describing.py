# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What tests of the panels share: the job that they describe, its cameras, and what Blender says of them."""

from typing import Any

import bpy
import numpy as np
import pytest
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Matrix, Vector


def add_camera(name: str = "Camera", at: tuple[float, float, float] = (0.0, -6.0, 2.0)) -> Any:
    thing = bpy.data.objects.new(name, bpy.data.cameras.new(name))
    bpy.context.scene.collection.objects.link(thing)
    thing.matrix_world = Matrix.Translation(at) @ (-Vector(at)).to_track_quat("-Z", "Y").to_matrix().to_4x4()
    bpy.context.view_layer.update()
    return thing


def described(addon: Any) -> Any:
    bpy.context.scene.limbeck.prompt = "a bird"
    return addon.module("description").spec_of(bpy.context.scene)


def refused(addon: Any) -> Any:
    module = addon.module("description")
    with pytest.raises(module.DescriptionError) as caught:
        described(addon)
    assert caught.value.remedy
    return caught.value


def projected(camera: Any, points: np.ndarray) -> np.ndarray:
    seen = (points - camera.c2w[:3, 3]) @ camera.c2w[:3, :3] * (1, -1, -1)
    pixels = seen @ camera.K.T
    return pixels[:, :2] / pixels[:, 2:]


def by_blender(thing: Any, points: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return pixels as Blender's own projection matrix and its scripts' helper have them, which must agree."""
    scene, render = bpy.context.scene, bpy.context.scene.render
    P = thing.calc_matrix_camera(
        bpy.context.evaluated_depsgraph_get(),
        x=width,
        y=height,
        scale_x=render.pixel_aspect_x,
        scale_y=render.pixel_aspect_y,
    )
    view = thing.matrix_world.normalized().inverted()
    clip = (np.array(P) @ np.array(view) @ np.concatenate([points, np.ones((len(points), 1))], 1).T).T
    pixels = (clip[:, :2] / clip[:, 3:] * (1, -1) + 1) / 2 * (width, height)
    helped = np.array([world_to_camera_view(scene, thing, Vector(point))[:2] for point in points])
    assert np.abs((helped * (1, -1) + (0, 1)) * (width, height) - pixels).max() < 1e-2
    return pixels


def ply_of(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    head, _, body = content.partition(b"end_header\n")
    vertex_count = int(head.split(b"element vertex ")[1].split()[0])
    faces = np.frombuffer(body[vertex_count * 12 :], [("count", "u1"), ("indices", "<i4", 3)])
    return np.frombuffer(body, "<f4", vertex_count * 3).reshape(-1, 3).astype(float), faces["indices"]
