# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Jobs that start from the scene: blockouts in their place, meshes that are textured without moving a vertex, boxes."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from mathutils import Euler, Matrix, Vector

from blender.inside.conftest import MODULE, place_of
from blender.inside.recording_layout import DrawnPanel
from blender.inside.scenario_rig import described, ply_of, refused
from limbeck.assets.gltf import write_glb
from limbeck.assets.mesh import Mesh, make_mesh
from limbeck.assets.texture import Texture
from limbeck.assets.unwrap import Unwrapping, unwrap


def start(kind: str, thing: Any = None) -> Any:
    source = bpy.context.scene.limbeck.source
    source.start, source.thing = kind, thing
    return source


def placed(addon: Any, spec: Any) -> np.ndarray:
    """Return the vertices that a job starts from, in the world that its placement says."""
    matrix = np.array(addon.module("description").placement_of(bpy.context.scene).matrix)
    vertices, _ = ply_of(spec.init.blob.data)
    return vertices @ matrix[:3, :3].T + matrix[:3, 3]


def same_points(found: np.ndarray, wanted: np.ndarray, within: float = 1e-4) -> bool:
    apart = np.linalg.norm(found[:, None] - wanted[None], axis=-1)
    return apart.min(0).max() < within and apart.min(1).max() < within


def world_vertices(thing: Any) -> np.ndarray:
    return np.array([thing.matrix_world @ vertex.co for vertex in thing.data.vertices])


def cube(**transform: Any) -> Any:
    bpy.ops.mesh.primitive_cube_add()
    thing = bpy.context.object
    for name, value in transform.items():
        setattr(thing, name, value)
    bpy.context.view_layer.update()
    return thing


def test_nothing_starts_at_the_cursor(addon: Any) -> None:
    bpy.context.scene.cursor.location = (1.0, 2.0, 3.0)
    spec = described(addon)
    placement = addon.module("description").placement_of(bpy.context.scene)
    assert (spec.init.kind, spec.lock_geometry) == ("sphere", False)
    assert placement == addon.module("placement").at((1.0, 2.0, 3.0))
    start("NOTHING").fit = "ORIGIN"
    bpy.context.scene.limbeck.source.radius = 2.0
    placement = addon.module("description").placement_of(bpy.context.scene)
    assert placement == addon.module("placement").at((0.0, 0.0, 0.0), 2.0)


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


def laid_flat(mesh: Mesh) -> Unwrapping:
    """Lay a mesh flat as the worker does; without xatlas each triangle gets a cell of its own."""
    if importlib.util.find_spec("xatlas"):
        return unwrap(mesh, 256)
    count = len(mesh.faces)
    side = int(np.ceil(np.sqrt(count)))
    cells = np.stack(np.divmod(np.arange(count), side), 1)[:, None]
    uvs = (cells + np.array([(0.2, 0.2), (0.8, 0.2), (0.2, 0.8)])) / side
    return Unwrapping(uvs.reshape(-1, 2).astype(np.float32), np.arange(count * 3, dtype=np.int32).reshape(-1, 3))


def painted_file(spec: Any, file: Path) -> Path:
    """Return what a worker makes of a locked mesh: the same faces, unwrapped; each place shows where it is."""
    mesh = make_mesh(*ply_of(spec.init.blob.data))
    unwrapped = laid_flat(mesh)
    picture = np.zeros((256, 256, 3), np.uint8)
    corners = unwrapped.uvs[unwrapped.uv_faces] * 256
    for places, points in zip(corners, mesh.vertices[mesh.faces], strict=True):
        low, high = np.floor(places.min(0)).astype(int) - 2, np.ceil(places.max(0)).astype(int) + 2
        y, x = np.mgrid[max(low[1], 0) : min(high[1], 256), max(low[0], 0) : min(high[0], 256)]
        edges = np.concatenate([places.T, np.ones((1, 3))])
        weights = np.linalg.lstsq(edges, np.stack([x + 0.5, y + 0.5, np.ones_like(x)]).reshape(3, -1), rcond=None)[0]
        is_near = (weights > -0.35).all(0)
        shown = (weights.T @ points * 0.5 + 0.5).clip(0, 1) * 255
        picture[y.ravel()[is_near], x.ravel()[is_near]] = np.rint(shown[is_near])
    texture = Texture(unwrapped.uvs, unwrapped.uv_faces, picture)
    write_glb(file, Mesh(mesh.vertices, mesh.faces, mesh.colors_srgb, texture), metadata={"prompt": spec.prompt})
    return file


def import_painted(file: Path, **options: Any) -> Any:
    record = sys.modules[f"{MODULE}.provenance"].Provenance("a bird").to_json()
    arguments = {"title": "painted", "use": "texture", "record": record, **options}
    assert bpy.ops.limbeck.import_asset("EXEC_DEFAULT", True, filepath=str(file), **arguments) == {"FINISHED"}
    return bpy.context.view_layer.objects.active


def positions(mesh: Any) -> bytes:
    found = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", found)
    return found.tobytes()


def polygons(mesh: Any) -> list[tuple[int, ...]]:
    return [tuple(polygon.vertices) for polygon in mesh.polygons]


PLACES = np.array([(1 / 3, 1 / 3, 1 / 3), (0.8, 0.1, 0.1), (0.1, 0.8, 0.1), (0.1, 0.1, 0.8)])


def shown_by_file(addon: Any, file: Path) -> np.ndarray:
    """Return what a GLB's texture shows at four places of each triangle, in order."""
    corners = addon.module("glb").read_corners(file)
    image = addon.module("texture_back")._packed("file", corners.picture)
    pixels = addon.module("reference_images").pixels_of(image)[::-1]
    bpy.data.images.remove(image)
    places = np.einsum("pk,fkc->fpc", PLACES, corners.uvs).reshape(-1, 2)
    return addon.module("uv_transfer").sampled(pixels, places)[:, :3]


def shown_by_object(addon: Any, thing: Any, *, is_mirrored: bool) -> np.ndarray:
    """Return what an object's texture shows at the same places."""
    mesh = thing.data
    mesh.calc_loop_triangles()
    nodes = thing.material_slots[-1].material.node_tree.nodes
    image = next(node for node in nodes if node.type == "TEX_IMAGE").image
    assert image.packed_file is not None
    pixels = addon.module("reference_images").pixels_of(image)[::-1]
    uvs = np.array([loop.uv[:] for loop in mesh.uv_layers["Limbeck"].data])
    loops = np.array([triangle.loops[:] for triangle in mesh.loop_triangles])
    corners = uvs[loops[:, ::-1] if is_mirrored else loops]
    places = np.einsum("pk,fkc->fpc", PLACES, corners).reshape(-1, 2)
    return addon.module("uv_transfer").sampled(pixels, places)[:, :3]


@pytest.mark.parametrize("scale", [(1.0, 1.0, 1.0), (0.5, 1.0, 2.0), (-1.0, 1.0, 1.0)])
@pytest.mark.parametrize("shape", ["monkey", "cylinder"])
def test_a_textured_mesh_keeps_every_vertex_and_polygon(
    addon: Any, tmp_path: Path, shape: str, scale: tuple[float, ...]
) -> None:
    getattr(bpy.ops.mesh, f"primitive_{shape}_add")()
    thing = bpy.context.object
    thing.scale, thing.location, thing.rotation_euler = scale, (5.0, 1.0, 0.0), Euler((0.2, 0.4, 0.6))
    old = thing.data.uv_layers[0].name
    bpy.context.view_layer.update()
    start("TEXTURE")
    file = painted_file(described(addon), tmp_path / "it.glb")
    before, faces, names = positions(thing.data), polygons(thing.data), set(bpy.data.objects.keys())
    assert import_painted(file, source=thing.name) == thing
    assert positions(thing.data) == before, "bit for bit"
    assert polygons(thing.data) == faces
    assert set(bpy.data.objects.keys()) == names, "nothing is beside it"
    assert thing.data.uv_layers.active.name == "Limbeck"
    assert [layer.name for layer in thing.data.uv_layers] == [old, "Limbeck"]
    assert {polygon.material_index for polygon in thing.data.polygons} == {len(thing.data.materials) - 1}
    apart = np.abs(shown_by_file(addon, file) - shown_by_object(addon, thing, is_mirrored=scale[0] < 0)).max(1)
    print(f"{shape}: mean {apart.mean():.5f}, 99 of 100 within {np.quantile(apart, 0.99):.4f}, all {apart.max():.4f}")
    assert apart.mean() < 1e-3
    assert np.quantile(apart, 0.99) < 0.01
    assert apart.max() < 0.25, "a patch's texels lie otherwise than the picture's: edges of charts move by up to one"


def test_suzanne_s_seams_run_through_polygons(addon: Any, tmp_path: Path) -> None:
    """What the patches are for: without torn polygons the test above would not touch them."""
    bpy.ops.mesh.primitive_monkey_add()
    start("TEXTURE")
    file = painted_file(described(addon), tmp_path / "it.glb")
    found = addon.module("glb").read_corners(file)
    _, surface = addon.module("scene_mesh").paintable_of(bpy.context.object)
    transfer = addon.module("uv_transfer")
    cut = transfer.Cut(surface.loops, surface.polygons, found.positions)
    assert len(transfer.torn_polygons(cut, found.uvs, len(bpy.context.object.data.loops))) > 5


def test_modifiers_that_make_faces_give_a_textured_copy(addon: Any, tmp_path: Path) -> None:
    thing = cube(location=(2.0, 0.0, 0.0))
    thing.modifiers.new("Subdivision", "SUBSURF").levels = 2
    start("TEXTURE")
    file = painted_file(described(addon), tmp_path / "it.glb")
    before = positions(thing.data)
    copy = import_painted(file, source="Cube")
    shown = thing.evaluated_get(bpy.context.evaluated_depsgraph_get())
    assert copy != thing
    assert positions(copy.data) == positions(shown.data)
    assert positions(thing.data) == before
    assert copy.matrix_world == thing.matrix_world
    assert thing.hide_get()
    assert not thing.data.materials


def test_modifiers_that_only_move_vertices_keep_the_object(addon: Any, tmp_path: Path) -> None:
    thing = cube()
    thing.modifiers.new("Cast", "CAST").factor = 0.5
    start("TEXTURE")
    assert import_painted(painted_file(described(addon), tmp_path / "it.glb"), source="Cube") == thing


def test_other_users_of_the_mesh_keep_theirs(addon: Any, tmp_path: Path) -> None:
    thing = cube()
    twin = bpy.data.objects.new("Twin", thing.data)
    bpy.context.scene.collection.objects.link(twin)
    start("TEXTURE", thing)
    import_painted(painted_file(described(addon), tmp_path / "it.glb"), source="Cube")
    assert thing.data != twin.data
    assert [layer.name for layer in twin.data.uv_layers] == ["UVMap"]
    assert not twin.data.materials


def test_an_object_that_moved_meanwhile_is_textured_all_the_same(addon: Any, tmp_path: Path) -> None:
    thing = cube()
    start("TEXTURE")
    file = painted_file(described(addon), tmp_path / "it.glb")
    thing.location, thing.scale, thing.rotation_euler = (9.0, 0.0, 0.0), (1.0, 3.0, 1.0), Euler((1.0, 0.0, 0.0))
    bpy.context.view_layer.update()
    assert import_painted(file, source="Cube") == thing
    assert "Limbeck" in thing.data.uv_layers


@pytest.mark.parametrize("change", ["vertex", "face", "gone"])
def test_an_object_that_changed_meanwhile_stays_and_the_asset_is_beside_it(
    addon: Any, tmp_path: Path, change: str
) -> None:
    thing = cube()
    start("TEXTURE")
    file = painted_file(described(addon), tmp_path / "it.glb")
    if change == "vertex":
        thing.data.vertices[0].co.x += 0.5
    elif change == "face":
        thing.modifiers.new("Subdivision", "SUBSURF")
    else:
        bpy.data.objects.remove(thing)
    asset = import_painted(file, source="Cube", matrix=np.eye(4).ravel().tolist())
    assert asset.name == "painted"
    assert len(asset.data.polygons) == 12
    if change != "gone":
        assert "Limbeck" not in thing.data.uv_layers


def test_a_surface_that_could_not_be_laid_flat_brings_colors(addon: Any, tmp_path: Path) -> None:
    thing, file = cube(), tmp_path / "it.glb"
    start("TEXTURE")
    write_glb(file, make_mesh(*ply_of(described(addon).init.blob.data)), metadata={})
    assert import_painted(file, source="Cube") == thing
    assert thing.data.color_attributes.active_color_name == "Limbeck"
    assert thing.material_slots[0].material.node_tree.nodes.get("Principled BSDF").inputs["Base Color"].is_linked


@pytest.fixture
def library(tmp_path: Path) -> Path:
    thing = cube()
    file = tmp_path / "library.blend"
    bpy.data.libraries.write(str(file), {thing})
    bpy.data.objects.remove(thing)
    return file


def link(library: Path) -> Any:
    with bpy.data.libraries.load(str(library), link=True) as (_, wanted):
        wanted.objects = ["Cube"]
    thing = wanted.objects[0]
    bpy.context.scene.collection.objects.link(thing)
    bpy.context.view_layer.update()
    return thing


@pytest.mark.parametrize("is_overridden", [False, True])
def test_linked_objects_are_read_and_stay_as_they_are(
    addon: Any, library: Path, tmp_path: Path, is_overridden: bool
) -> None:
    thing = link(library)
    if is_overridden:
        thing = thing.override_create(remap_local_usages=True)
        bpy.context.view_layer.update()
    start("BLOCKOUT", thing)
    assert same_points(placed(addon, described(addon)), world_vertices(thing))
    start("TEXTURE", thing)
    spec = described(addon)
    name = addon.module("description").placement_of(bpy.context.scene).source
    assert addon.module("source_object").find(name) == thing
    copy = import_painted(painted_file(spec, tmp_path / "it.glb"), source=name)
    assert copy != thing
    assert positions(copy.data) == positions(thing.data)
    assert "Limbeck" in copy.data.uv_layers
    assert "Limbeck" not in thing.data.uv_layers
    assert copy.library is None


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
    start("BLOCKOUT")
    with pytest.raises(RuntimeError, match="No object to start from"):
        ready.generate("a bird")
    assert ready.session.job is None


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
