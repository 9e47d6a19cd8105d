# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Meshes that are textured: not a vertex moves, and what is linked or changed meanwhile stays as it is."""

import importlib.util
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from mathutils import Euler

from blender.inside.describing import described, ply_of
from blender.inside.starting import (
    cube,
    import_painted,
    painted_file,
    placed,
    polygons,
    positions,
    same_points,
    start,
    world_vertices,
)
from limbeck.assets.gltf import write_glb
from limbeck.assets.mesh import make_mesh

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
    assert np.median(apart) < 0.02
    if not importlib.util.find_spec("xatlas"):
        return  # slivers fill cells of their own then, with far finer texels than a patch of the whole polygon has
    assert apart.mean() < 1e-3
    assert np.quantile(apart, 0.99) < 4 / 255
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
