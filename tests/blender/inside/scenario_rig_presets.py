# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Camera rigs that are made: presets and their rings, files of cameras, and what the viewport and the panel show."""

import math
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from mathutils import Vector

from blender.inside.describing import add_camera, described
from blender.inside.recording_layout import DrawnPanel
from limbeck_protocol.transforms import cameras_from_transforms


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
    assert draw().texts("prop").count("weight") == draw().texts("prop").count("jitter") == 10
    assert {f"C{number}" for number in range(10)} <= set(draw().texts("label"))
    rig.source = "COLLECTION"
    assert "collection" in draw().texts("prop")
