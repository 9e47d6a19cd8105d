# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Jobs that start from the scene: blockouts in their place, and boxes."""

from dataclasses import replace
from typing import Any

import bpy
import numpy as np
import pytest
from mathutils import Euler, Matrix, Vector

from blender.inside.conftest import place_of
from blender.inside.describing import described, ply_of, refused
from blender.inside.recording_layout import DrawnPanel
from blender.inside.starting import cube, placed, same_points, start, world_vertices


def test_nothing_starts_at_the_cursor(addon: Any) -> None:
    bpy.context.scene.cursor.location = (1.0, 2.0, 3.0)
    spec = described(addon)
    placement = addon.module("description").placement_of(bpy.context.scene)
    assert (spec.init.kind, spec.lock_geometry) == ("sphere", False)
    assert placement == replace(addon.module("placement").at((1.0, 2.0, 3.0)), stands=True)
    start("NOTHING").fit = "ORIGIN"
    bpy.context.scene.limbeck.source.radius = 2.0
    placement = addon.module("description").placement_of(bpy.context.scene)
    assert placement == replace(addon.module("placement").at((0.0, 0.0, 0.0), 2.0), stands=True)


@pytest.mark.parametrize("scale", [(1.0, 1.0, 1.0), (0.5, 2.0, 3.0), (-1.0, 1.0, 2.0)])
def test_a_blockout_comes_back_in_its_place_size_and_orientation(addon: Any, scale: tuple[float, ...]) -> None:
    thing = cube(location=(4.0, -3.0, 1.0), rotation_euler=Euler((0.3, 0.5, 1.0)), scale=scale)
    start("BLOCKOUT")
    spec = described(addon)
    assert (spec.init.kind, spec.lock_geometry) == ("mesh", False)
    assert same_points(placed(addon, spec), world_vertices(thing))
    placement = addon.module("description").placement_of(bpy.context.scene)
    assert (placement.source, placement.use) == ("Cube", "replace")
    rotation = Matrix(placement.matrix).to_3x3().normalized()
    up = rotation @ Vector((0, 0, 1))
    assert (up - thing.matrix_world.to_3x3().col[2].normalized()).length < 1e-5 or scale[0] != scale[1]


def test_a_sheared_child_comes_back_in_its_place(addon: Any) -> None:
    thing, parent = cube(rotation_euler=Euler((0.4, 0.2, 0.7))), bpy.data.objects.new("Parent", None)
    bpy.context.scene.collection.objects.link(parent)
    thing.parent, parent.scale, parent.location = parent, (1.0, 3.0, 0.5), (5.0, 0.0, 0.0)
    bpy.context.view_layer.update()
    start("BLOCKOUT", thing)
    assert same_points(placed(addon, described(addon)), world_vertices(thing))


def test_modifiers_are_evaluated(addon: Any) -> None:
    thing = cube()
    modifier = thing.modifiers.new("Array", "ARRAY")
    modifier.count = 3
    start("BLOCKOUT")
    points = placed(addon, described(addon))
    assert len(points) == 24
    assert np.ptp(points, axis=0)[0] == pytest.approx(6.0, abs=1e-4)


def test_instances_of_an_empty_are_gathered(addon: Any) -> None:
    collection = bpy.data.collections.new("Parts")
    for x in (0.0, 5.0):
        part = cube(location=(x, 0.0, 0.0))
        collection.objects.link(part)
        bpy.context.scene.collection.objects.unlink(part)
    empty = bpy.data.objects.new("Instance", None)
    empty.instance_type, empty.instance_collection = "COLLECTION", collection
    empty.location, empty.scale = (0.0, 7.0, 0.0), (2.0, 2.0, 2.0)
    bpy.context.scene.collection.objects.link(empty)
    bpy.context.view_layer.update()
    start("BLOCKOUT", empty)
    points = placed(addon, described(addon))
    assert np.allclose(points.min(0), (-2, 5, -2), atol=1e-4)
    assert np.allclose(points.max(0), (12, 9, 2), atol=1e-4)


@pytest.mark.parametrize("kind", ["curve", "text"])
def test_curves_and_texts_are_surfaces_too(addon: Any, kind: str) -> None:
    if kind == "text":
        bpy.ops.object.text_add()
        bpy.context.object.data.extrude = 0.2
    else:
        bpy.ops.curve.primitive_bezier_circle_add()
        bpy.context.object.data.bevel_depth = 0.1
    start("BLOCKOUT")
    assert len(ply_of(described(addon).init.blob.data)[1]) > 20


def mesh_object(vertices: Any, faces: Any, name: str = "Thing") -> Any:
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(vertices, [], faces)
    thing = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(thing)
    bpy.context.view_layer.objects.active = thing
    thing.select_set(True)
    bpy.context.view_layer.update()
    return thing


def test_ngons_are_cut(addon: Any) -> None:
    angles = np.linspace(0, 2 * np.pi, 7, endpoint=False)
    ring = [(np.cos(a), np.sin(a), 0.0) for a in angles]
    mesh_object([*ring, (0, 0, 1)], [tuple(range(6, -1, -1)), *[(i, (i + 1) % 7, 7) for i in range(7)]])
    start("TEXTURE")
    spec = described(addon)
    assert spec.lock_geometry
    assert len(ply_of(spec.init.blob.data)[1]) == 5 + 7


def test_what_shows_no_surface_is_refused(addon: Any) -> None:
    for kind in ("BLOCKOUT", "TEXTURE"):
        start(kind)
        assert "No object" in refused(addon).message
    empty = bpy.data.objects.new("Hollow", None)
    bpy.context.scene.collection.objects.link(empty)
    start("BLOCKOUT", empty)
    assert '"Hollow" shows no surface' in refused(addon).message
    start("TEXTURE", empty)
    assert '"Hollow" is no mesh' in refused(addon).message
    wire = mesh_object([(0, 0, 0), (1, 0, 0)], [])
    for kind in ("BLOCKOUT", "TEXTURE"):
        start(kind, wire)
        assert refused(addon).message in ('"Thing" shows no surface', '"Thing" has no faces')


def test_an_active_object_that_is_not_selected_is_not_meant(addon: Any) -> None:
    cube().select_set(False)
    start("BLOCKOUT")
    assert "No object" in refused(addon).message


def test_an_object_of_another_scene_is_refused(addon: Any) -> None:
    thing = cube()
    start("BLOCKOUT", thing)
    bpy.context.scene.collection.objects.unlink(thing)
    assert "not in this scene" in refused(addon).message


def test_a_million_triangles_are_refused(addon: Any) -> None:
    thing = cube()
    thing.modifiers.new("Subdivision", "SUBSURF").levels = 8
    start("BLOCKOUT")
    error = refused(addon)
    assert "786,432 triangles" in error.message
    assert "Decimate" in error.remedy


def test_coordinates_that_are_not_numbers_are_refused(addon: Any) -> None:
    thing = cube()
    thing.data.vertices[3].co.x = float("nan")
    for kind in ("BLOCKOUT", "TEXTURE"):
        start(kind)
        assert "1 vertices whose coordinates are not numbers" in refused(addon).message


def test_a_scale_of_zero_is_refused(addon: Any) -> None:
    thing = cube(scale=(1.0, 0.0, 1.0))
    start("BLOCKOUT", thing)
    assert "scale of zero" in refused(addon).message
    source = start("NOTHING")
    source.fit, source.box = "BOX", thing
    assert "scale of zero" in refused(addon).message


def test_edit_mode_is_refused(addon: Any) -> None:
    cube()
    start("BLOCKOUT")
    bpy.ops.object.mode_set(mode="EDIT")
    assert "Edit Mode" in refused(addon).message
    bpy.ops.object.mode_set(mode="OBJECT")


def test_a_box_places_and_fills(addon: Any) -> None:
    thing = cube(location=(3.0, 0.0, 2.0), rotation_euler=Euler((0.0, 0.0, 0.5)), scale=(1.0, 2.0, 4.0))
    source = start("NOTHING")
    source.fit = "BOX"
    placement = addon.module("description").placement_of(bpy.context.scene)
    matrix = np.array(placement.matrix)
    assert np.allclose(matrix[:3, 3], (3, 0, 2), atol=1e-6)
    scale = np.linalg.norm(matrix[:3, 0])
    assert np.allclose(np.array(placement.box) * scale, (1, 2, 4), atol=1e-5)
    empty = bpy.data.objects.new("Spot", None)
    empty.empty_display_size, empty.location = 0.5, (0.0, 9.0, 0.0)
    bpy.context.scene.collection.objects.link(empty)
    bpy.context.view_layer.update()
    source.box = empty
    placement = addon.module("description").placement_of(bpy.context.scene)
    assert np.array(placement.matrix)[0, 0] == pytest.approx(0.5)
    assert thing


def test_cameras_of_the_scene_keep_a_box_from_moving_the_asset(addon: Any) -> None:
    cube(scale=(1.0, 1.0, 4.0))
    start("NOTHING").fit = "BOX"
    bpy.context.scene.limbeck.rig.source = "SCENE"
    assert addon.module("description").placement_of(bpy.context.scene).box == (0.0, 0.0, 0.0)


def test_an_object_without_a_box_is_refused(addon: Any) -> None:
    lamp = bpy.data.objects.new("Lamp", bpy.data.lights.new("Lamp", "POINT"))
    bpy.context.scene.collection.objects.link(lamp)
    source = start("NOTHING")
    source.fit, source.box = "BOX", lamp
    assert '"Lamp" has no bounding box' in refused(addon).message


def test_a_blockout_hides_while_its_asset_forms_and_stays_hidden(addon: Any, ready: Any) -> None:
    thing = cube(location=(3.0, 0.0, 0.0))
    start("BLOCKOUT")
    ready.generate("a blue bird")
    ready.pump_until(lambda: ready.live() is not None)
    assert thing.hide_get()
    ready.pump_until(lambda: ready.session.job is None)
    assert ready.session.problem is None
    assert not thing.visible_get()
    assert (Vector(place_of(bpy.data.objects["a blue bird"])) - Vector((3, 0, 0))).length < 1e-4


def test_cancelling_shows_the_blockout_again(addon: Any, ready: Any) -> None:
    thing = cube()
    start("BLOCKOUT")
    ready.request.steps = 400
    ready.generate("a blue bird")
    ready.pump_until(lambda: ready.live() is not None)
    bpy.ops.limbeck.cancel()
    ready.pump_until(lambda: ready.session.job is None)
    assert not thing.hide_get()


def test_a_resumed_job_knows_what_it_was_made_from(addon: Any) -> None:
    start("TEXTURE", cube())
    placement = addon.module("description").placement_of(bpy.context.scene)
    job = addon.module("job").FollowedJob("a bird", 0, "limbeck", placement, id="JOB")
    live_mesh = addon.module("live_mesh")
    found = live_mesh.job_of(live_mesh.create(job, bpy.context.collection)).placement
    assert (found.source, found.use, found.box) == (placement.source, placement.use, placement.box)
    assert np.allclose(found.matrix, placement.matrix, atol=1e-6)


def test_an_asset_fills_a_box(addon: Any, ready: Any) -> None:
    thing = cube(location=(0.0, 5.0, 1.0), scale=(2.0, 2.0, 1.5))
    source = start("NOTHING")
    source.fit, source.box = "BOX", thing
    ready.generate("a blue bird")
    ready.pump_until(lambda: ready.session.job is None)
    assert ready.session.problem is None
    corners = world_vertices(bpy.data.objects["a blue bird"])
    low, high = corners.min(0), corners.max(0)
    assert low[2] == pytest.approx(-0.5, abs=1e-3), "it stands on the bottom of the box"
    assert (low > (-2.001, 2.999, -0.501)).all()
    assert (high < (2.001, 7.001, 2.501)).all()
    assert ((high - low) / (4, 4, 3)).max() == pytest.approx(1.0, abs=1e-3)


def test_bad_starts_send_nothing(addon: Any, ready: Any) -> None:
    source = start("BLOCKOUT")
    with pytest.raises(RuntimeError, match="Start From needs an object"):
        ready.generate("a bird")
    source.thing = bpy.data.objects.new("Elsewhere", None)
    with pytest.raises(RuntimeError, match="not in this scene"):
        ready.generate("a bird")
    source.start, source.fit = "NOTHING", "BOX"
    with pytest.raises(RuntimeError, match="Start From needs an object"):
        ready.generate("a bird")
    source.fit = "CURSOR"
    assert bpy.ops.limbeck.generate.poll()
    assert ready.session.job is None


def test_refused_start_is_shown_in_the_panel_and_keeps_the_seed(ready: Any) -> None:
    thing = bpy.data.objects.new("Empty", None)
    bpy.context.scene.collection.objects.link(thing)
    start("BLOCKOUT", thing)
    ready.request.random_seed, ready.request.seed = True, 7
    with pytest.raises(RuntimeError, match="Empty"):
        ready.generate("a bird")
    assert ready.request.seed == 7
    assert "Empty" in ready.session.problem.message
    assert ready.session.problem.remedy
    start("NOTHING")
    ready.generate("a bird")
    assert ready.session.problem is None
    ready.session.cancel()
    ready.pump_until(lambda: ready.session.job is None)


def test_panel_shows_what_each_start_needs(addon: Any) -> None:
    def draw() -> Any:
        panel = DrawnPanel()
        bpy.types.LIMBECK_PT_source.draw(panel, bpy.context)
        return panel.layout

    assert draw().texts("prop") == ["start", "fit", "radius"]
    source = start("NOTHING")
    source.fit = "BOX"
    assert draw().texts("prop") == ["start", "fit", "box"]
    assert "Select an object, or pick one" in draw().texts("label")
    start("BLOCKOUT")
    cube()
    assert draw().texts("prop") == ["start", "thing", "hides_source"]
    assert "Cube" in draw().texts("label")
    start("TEXTURE")
    assert draw().texts("prop") == ["start", "thing"]
