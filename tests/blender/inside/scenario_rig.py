# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Cameras of the scene as views of a job: the same pixels as Blender's, whatever sensor, shift, aspect or parent."""

import itertools
import math
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Euler, Matrix, Vector

from blender.inside.recording_layout import DrawnPanel
from limbeck_protocol.transforms import cameras_from_transforms

FITS = ("AUTO", "HORIZONTAL", "VERTICAL")
SIZES = ((640, 480), (480, 640), (512, 512))
SHIFTS = ((0.0, 0.0), (0.1, -0.2))
PIXELS = ((1.0, 1.0), (2.0, 1.0), (1.0, 1.5))


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


def ply_of(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    head, _, body = content.partition(b"end_header\n")
    vertex_count = int(head.split(b"element vertex ")[1].split()[0])
    faces = np.frombuffer(body[vertex_count * 12 :], [("count", "u1"), ("indices", "<i4", 3)])
    return np.frombuffer(body, "<f4", vertex_count * 3).reshape(-1, 3).astype(float), faces["indices"]


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


def test_presets_become_an_orbit_or_cameras(addon: Any) -> None:
    rig = bpy.context.scene.limbeck.rig
    rig.source, rig.preset = "PRESET", "FRONT_ARC"
    orbit = described(addon).rig.orbit
    assert orbit.azimuth_deg == pytest.approx((-60.0, 60.0))
    assert orbit.elevation_deg == pytest.approx((-5.0, 30.0))
    assert orbit.distance == pytest.approx((3.2, 3.2))
    assert orbit.fov_y_deg == pytest.approx((40.0, 40.0))
    rig.preset, rig.count, rig.rings, rig.jitter = "TURNTABLE", 6, 3, math.radians(5)
    cameras = described(addon).rig.cameras
    assert len(cameras) == 18
    assert cameras[0].jitter_deg == pytest.approx(5.0, abs=1e-4)


def test_ranges_upside_down_and_a_focal_length_are_understood(addon: Any) -> None:
    rig = bpy.context.scene.limbeck.rig
    rig.source, rig.preset = "PRESET", "ORBIT"
    rig.elevation_min, rig.elevation_max = math.radians(90), math.radians(-90)
    rig.lens_unit, rig.focal_length = "MILLIMETERS", 12.0
    orbit = described(addon).rig.orbit
    assert orbit.elevation_deg == (-90.0, 90.0)
    assert orbit.fov_y_deg == pytest.approx((90.0, 90.0))


def test_created_cameras_are_the_preset_s(addon: Any) -> None:
    scene = bpy.context.scene
    scene.cursor.location, scene.limbeck.source.radius = (4.0, 0.0, 1.0), 2.0
    rig = scene.limbeck.rig
    rig.source, rig.preset, rig.count, rig.rings = "PRESET", "TURNTABLE", 4, 1
    wanted = described(addon).rig.cameras
    assert bpy.ops.limbeck.create_cameras() == {"FINISHED"}
    assert (rig.source, rig.collection.name, len(rig.collection.objects)) == ("COLLECTION", "Limbeck Cameras", 4)
    scene.render.resolution_x, scene.render.resolution_y = 1920, 1080
    bpy.context.view_layer.update()
    found = described(addon).rig.cameras
    for made, asked in zip(found, wanted, strict=True):
        assert np.allclose(made.c2w, asked.c2w, atol=1e-5)
        assert made.K[1][1] / made.height == pytest.approx(asked.K[1][1] / asked.height), "the vertical field of view"
    assert all(
        (thing.matrix_world.translation - Vector((4, 0, 1))).length == pytest.approx(6.4, abs=1e-4)
        for thing in rig.collection.objects
    )


def test_exported_cameras_come_back(addon: Any, tmp_path: Path) -> None:
    file = tmp_path / "transforms.json"
    one = add_camera("One")
    one.data.limbeck.weight = 2.0
    add_camera("Other", (5.0, 3.0, 1.0))
    scene = bpy.context.scene
    scene.render.resolution_x = scene.render.resolution_y = 400
    scene.limbeck.rig.source = "SCENE"
    wanted = described(addon).rig.cameras
    assert bpy.ops.limbeck.export_cameras(filepath=str(file)) == {"FINISHED"}
    assert cameras_from_transforms(file.read_bytes(), "it") == wanted
    assert bpy.ops.limbeck.import_cameras(filepath=str(file)) == {"FINISHED"}
    bpy.context.view_layer.update()
    found = described(addon).rig.cameras
    assert len(scene.limbeck.rig.collection.objects) == 2
    for made, asked in zip(found, wanted, strict=True):
        assert np.allclose(made.c2w, asked.c2w, atol=1e-5)
        assert np.allclose(made.K, asked.K, atol=1e-2)
        assert made.weight == asked.weight


@pytest.mark.parametrize(
    ("content", "word"), [(b"{}", "transforms.json"), (b"\xff\xfe", "transforms.json"), (None, "cannot be read")]
)
def test_files_without_cameras_are_refused(addon: Any, tmp_path: Path, content: bytes | None, word: str) -> None:
    file = tmp_path / "it.json"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(RuntimeError, match=word):
        bpy.ops.limbeck.import_cameras(filepath=str(file))
    assert not bpy.data.cameras
    assert not bpy.data.collections


def test_export_to_a_folder_that_is_not_there_is_refused(addon: Any, tmp_path: Path) -> None:
    bpy.context.scene.limbeck.rig.source = "PRESET"
    with pytest.raises(RuntimeError, match="cannot be written"):
        bpy.ops.limbeck.export_cameras(filepath=str(tmp_path / "missing" / "it.json"))


def test_export_and_creation_say_when_there_is_nothing_to_do(addon: Any) -> None:
    with pytest.raises(RuntimeError, match="drawn anew in each step"):
        bpy.ops.limbeck.export_cameras(filepath="it.json")
    with pytest.raises(RuntimeError, match="Choose Preset"):
        bpy.ops.limbeck.create_cameras()


def test_the_drawn_rig_stands_where_the_cameras_do(addon: Any) -> None:
    overlay, scene = addon.module("rig_overlay"), bpy.context.scene
    assert overlay.lines_of(scene).shape == (0, 2, 3)
    scene.cursor.location = (1.0, 2.0, 3.0)
    rig = scene.limbeck.rig
    rig.source, rig.preset, rig.count, rig.rings, rig.is_shown = "PRESET", "TURNTABLE", 4, 1, True
    lines = overlay.lines_of(scene)
    eyes = np.array([thing.c2w for thing in described(addon).rig.cameras])[:, :3, 3] + (1, 2, 3)
    ends = lines.reshape(-1, 3)
    assert all(np.linalg.norm(ends - eye, axis=1).min() < 1e-5 for eye in eyes)
    rig.source = "SCENE"
    assert overlay.lines_of(scene).shape == (0, 2, 3), "a rig that is not complete draws nothing"
    thing = add_camera()
    assert np.linalg.norm(overlay.lines_of(scene).reshape(-1, 3) - thing.matrix_world.translation, axis=1).min() < 1e-5


def test_a_mesh_is_not_evaluated_at_each_redraw(addon: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    overlay, scene_mesh = addon.module("rig_overlay"), addon.module("scene_mesh")
    bpy.ops.mesh.primitive_cube_add()
    scene = bpy.context.scene
    scene.limbeck.source.start, scene.limbeck.rig.source = "BLOCKOUT", "PRESET"
    calls: list[Any] = []
    real = scene_mesh.blockout_of
    monkeypatch.setattr(scene_mesh, "blockout_of", lambda thing: calls.append(thing) or real(thing))
    before = overlay.lines_of(scene)
    overlay.lines_of(scene)
    assert len(calls) == 1
    bpy.context.object.location.x = 5.0
    bpy.context.view_layer.update()
    assert np.allclose(overlay.lines_of(scene) - before, (5, 0, 0), atol=1e-5)
    assert len(calls) == 2


def test_panel_shows_what_each_source_needs(addon: Any) -> None:
    rig = bpy.context.scene.limbeck.rig

    def draw() -> Any:
        panel = DrawnPanel()
        bpy.types.LIMBECK_PT_rig.draw(panel, bpy.context)
        return panel.layout

    assert draw().texts("prop") == ["source"]
    rig.source = "PRESET"
    assert {"preset", "count", "rings", "distance", "fov", "is_shown"} <= set(draw().texts("prop"))
    assert "limbeck.create_cameras" in draw().texts("operator")
    rig.source = "SCENE"
    assert "The scene has no camera" in draw().texts("label")
    for number in range(10):
        add_camera(f"C{number}")
    assert draw().texts("prop").count("jitter") == 8
    assert "and 2 more" in draw().texts("label")
    rig.source = "COLLECTION"
    assert "collection" in draw().texts("prop")
