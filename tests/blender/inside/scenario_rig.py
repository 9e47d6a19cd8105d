# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Cameras of the scene as views of a job: the same pixels as Blender's, whatever sensor, shift, aspect or parent."""

import itertools
import math
from typing import Any

import bpy
import numpy as np
import pytest
from mathutils import Euler, Matrix

from blender.inside.describing import add_camera, by_blender, described, ply_of, projected, refused

FITS = ("AUTO", "HORIZONTAL", "VERTICAL")
SIZES = ((640, 480), (480, 640), (512, 512))
SHIFTS = ((0.0, 0.0), (0.1, -0.2))
PIXELS = ((1.0, 1.0), (2.0, 1.0), (1.0, 1.5))


@pytest.mark.parametrize("fit", FITS)
def test_pixels_are_blender_s_to_a_thousandth(addon: Any, fit: str) -> None:
    module, render = addon.module("blender_camera"), bpy.context.scene.render
    thing = add_camera()
    parent = bpy.data.objects.new("Parent", None)
    bpy.context.scene.collection.objects.link(parent)
    thing.parent, thing.data.sensor_fit = parent, fit
    thing.data.lens, thing.data.sensor_width, thing.data.sensor_height = 41.0, 30.0, 20.0
    points = np.random.default_rng(0).uniform(-1, 1, (20, 3)) + np.array(thing.matrix_world.translation) * 0.1
    worst = 0.0
    for (width, height), shift, pixel, scale in itertools.product(SIZES, SHIFTS, PIXELS, (1.0, 2.5)):
        render.resolution_x, render.resolution_y, render.resolution_percentage = width * 2, height * 2, 50
        render.pixel_aspect_x, render.pixel_aspect_y = pixel
        thing.data.shift_x, thing.data.shift_y = shift
        parent.scale, thing.scale = (scale,) * 3, (3.0, 3.0, 3.0)
        parent.rotation_euler = (0.1, 0.0, 0.4)
        bpy.context.view_layer.update()
        camera = module.world_camera(thing, module.frame_of(bpy.context.scene))
        assert (camera.width, camera.height) == (width, height)
        seen = by_blender(thing, points, width, height)
        worst = max(worst, float(np.abs(projected(camera, points) - seen).max()))
    print(f"worst of {fit}: {worst:.2e} px")
    assert worst < 1e-3


def test_constraints_count(addon: Any) -> None:
    module = addon.module("blender_camera")
    thing, target = add_camera(), bpy.data.objects.new("Target", None)
    bpy.context.scene.collection.objects.link(target)
    target.location = (5.0, 0.0, 0.0)
    constraint = thing.constraints.new("TRACK_TO")
    constraint.target = target
    bpy.context.view_layer.update()
    camera = module.world_camera(thing, module.frame_of(bpy.context.scene))
    pixel = projected(camera, np.array([target.location]))[0]
    assert np.allclose(pixel, (camera.width / 2, camera.height / 2), atol=1e-2)


def test_the_asset_s_place_turns_and_scales_the_cameras(addon: Any) -> None:
    """What a camera sees of a cube that is turned, scaled and moved is what the job's camera sees of the unit's."""
    bpy.ops.mesh.primitive_cube_add()
    cube = bpy.context.object
    cube.location, cube.scale, cube.rotation_euler = (10.0, 5.0, 1.0), (3.0, 3.0, 3.0), (0.2, 0.3, 0.9)
    camera = add_camera(at=(2.0, -8.0, 9.0))
    camera.matrix_world = Matrix.Translation((10.0, 5.0, 1.0)) @ camera.matrix_world
    request = bpy.context.scene.limbeck
    request.source.start, request.source.thing, request.rig.source = "BLOCKOUT", cube, "SCENE"
    bpy.context.view_layer.update()
    spec = described(addon)
    (found,) = spec.rig.cameras
    vertices, _ = ply_of(spec.init.blob.data)
    module = addon.module("blender_camera")
    asked = module.WorldCamera("", np.array(found.c2w), np.array(found.K), found.width, found.height)
    corners = np.array([cube.matrix_world @ vertex.co for vertex in cube.data.vertices])
    seen = by_blender(camera, corners, found.width, found.height)
    assert np.abs(projected(asked, vertices) - seen).max() < 5e-3, "float32 matrices, 20 units away"
    assert (spec.rig.centre, spec.rig.radius) == ((0.0, 0.0, 0.0), 1.0)


def test_weight_and_jitter_are_each_camera_s_own(addon: Any) -> None:
    one, other = add_camera("One"), add_camera("Other", (6.0, 0.0, 2.0))
    one.data.limbeck.weight, other.data.limbeck.jitter = 3.0, math.radians(10)
    bpy.context.scene.limbeck.rig.source = "SCENE"
    found = described(addon).rig.cameras
    assert [camera.weight for camera in found] == [3.0, 1.0]
    assert [camera.jitter_deg for camera in found] == pytest.approx([0.0, 10.0], abs=1e-4)


def test_active_selected_all_and_a_collection_choose(addon: Any) -> None:
    cameras = [add_camera(f"C{number}", (6.0 * (-1) ** number, -3.0 - number, 1.0)) for number in range(3)]
    bpy.context.scene.camera = cameras[1]
    for thing in bpy.context.selected_objects:
        thing.select_set(False)
    cameras[0].select_set(True)
    cameras[2].select_set(True)
    collection = bpy.data.collections.new("Rig")
    bpy.context.scene.collection.children.link(collection)
    collection.objects.link(cameras[2])
    rig = bpy.context.scene.limbeck.rig
    rig.source = "SCENE"
    counts = {}
    for which in ("ACTIVE", "SELECTED", "ALL"):
        rig.which = which
        counts[which] = len(described(addon).rig.cameras)
    assert counts == {"ACTIVE": 1, "SELECTED": 2, "ALL": 3}
    rig.source, rig.collection = "COLLECTION", collection
    assert len(described(addon).rig.cameras) == 1


def test_recipe_s_own_views_need_nothing(addon: Any) -> None:
    assert described(addon).rig is None


@pytest.mark.parametrize("which", ["ACTIVE", "SELECTED", "ALL"])
def test_a_scene_without_cameras_is_refused(addon: Any, which: str) -> None:
    rig = bpy.context.scene.limbeck.rig
    rig.source, rig.which = "SCENE", which
    assert "camera" in refused(addon).message


def test_an_empty_collection_is_refused(addon: Any) -> None:
    rig = bpy.context.scene.limbeck.rig
    rig.source = "COLLECTION"
    assert "No collection" in refused(addon).message
    rig.collection = bpy.data.collections.new("Empty")
    assert '"Empty" has no camera' in refused(addon).message


@pytest.mark.parametrize(("kind", "word"), [("ORTHO", "orthographic"), ("PANO", "panoramic")])
def test_cameras_without_a_pinhole_are_refused_by_name(addon: Any, kind: str, word: str) -> None:
    add_camera("Plan").data.type = kind
    bpy.context.scene.limbeck.rig.source = "SCENE"
    error = refused(addon)
    assert word in error.message
    assert "Plan" in error.message


def test_sheared_cameras_are_refused(addon: Any) -> None:
    thing, parent = add_camera("Tilted"), bpy.data.objects.new("Parent", None)
    bpy.context.scene.collection.objects.link(parent)
    thing.parent, parent.scale = parent, (1.0, 4.0, 1.0)
    thing.rotation_euler = Euler((1.0, 0.3, 0.2))
    bpy.context.scene.limbeck.rig.source = "SCENE"
    assert "sheared" in refused(addon).message


def test_a_camera_inside_the_asset_or_looking_away_is_refused(addon: Any) -> None:
    thing = add_camera("Lost")
    bpy.context.scene.limbeck.rig.source = "SCENE"
    thing.matrix_world = Matrix.Translation((0.2, 0.0, 0.0))
    assert "is inside" in refused(addon).message
    thing.matrix_world = Matrix.Translation((0.0, 0.0, -9.0))
    assert "does not see" in refused(addon).message
