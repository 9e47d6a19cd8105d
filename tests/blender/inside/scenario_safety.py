# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What the artist may do to the scene while a mesh forms, and what a live mesh never does to the artist's data."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import numpy as np
import pytest

from blender.inside.conftest import assets, wait_for_live
from blender.synthetic_engine import bird
from limbeck_protocol.mesh_codec import MeshData
from limbeck_protocol.mesh_edges import find_edges


@pytest.fixture
def scene(addon: Any) -> Any:
    return addon.module("blender_scene").BlenderScene()


@pytest.fixture
def job(addon: Any) -> Any:
    placement = addon.module("placement").at((1.0, 2.0, 3.0))
    return addon.module("job").FollowedJob("a bird", 3, "limbeck", placement, id="JOB")


@pytest.fixture
def live(addon: Any, scene: Any, job: Any) -> Any:
    assert scene.show_preview(job, mesh(9))
    return addon.module("live_mesh").find("JOB")


def mesh(rings: int, *, has_edges: bool = False) -> MeshData:
    vertices, faces, colors = bird(rings, 1.0)
    return MeshData(vertices, faces, colors, *((find_edges(faces) or ()) if has_edges else ()))


def shows(live: Any, rings: int) -> bool:
    return len(live.data.vertices) == len(mesh(rings).vertices)


def test_edges_of_the_server_make_the_same_mesh_as_blenders_own(addon: Any, scene: Any, live: Any, job: Any) -> None:
    assert scene.show_preview(job, mesh(7))
    own = {tuple(edge.vertices) for edge in live.data.edges}
    assert scene.show_preview(job, mesh(9))
    assert scene.show_preview(job, mesh(7, has_edges=True))
    assert {tuple(sorted(edge.vertices)) for edge in live.data.edges} == {tuple(sorted(edge)) for edge in own}
    assert not live.data.validate(verbose=True)
    keys = [live.data.edges[loop.edge_index].vertices[:] for loop in live.data.loops]
    assert all(loop.vertex_index in key for loop, key in zip(live.data.loops, keys, strict=True))


def test_empty_mesh_is_shown_as_nothing(scene: Any, live: Any, job: Any) -> None:
    empty = MeshData(np.empty((0, 3), "<f4"), np.empty((0, 3), "<u4"), np.empty((0, 4), "|u1"))
    assert scene.show_preview(job, empty)
    assert not len(live.data.vertices)
    assert scene.show_preview(job, mesh(7))
    assert shows(live, 7)


def test_render_and_bake_hold_everything_back(
    addon: Any, scene: Any, live: Any, job: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = addon.module("blender_scene")
    monkeypatch.setattr(module, "is_rendering", lambda: True)
    assert not scene.show_preview(job, mesh(7))
    assert not scene.end_preview(job, keep=False)
    assert not scene.import_asset(job, Path("none.glb"))
    assert shows(live, 9)


def test_dragging_objects_holds_back_what_makes_or_removes_some(
    addon: Any, scene: Any, live: Any, job: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A modal operator cannot run in the bpy module."""
    monkeypatch.setattr(addon.module("blender_scene"), "_is_transforming", lambda: True)
    assert scene.show_preview(job, mesh(7)), "the mesh of an object may change while it is dragged"
    assert not scene.show_preview(replace(job, id="OTHER"), mesh(7))
    assert not scene.end_preview(job, keep=False)
    assert not scene.import_asset(job, Path("none.glb"))


@pytest.mark.parametrize("mode", ["EDIT", "SCULPT", "VERTEX_PAINT", "WEIGHT_PAINT", "TEXTURE_PAINT"])
def test_every_mode_but_object_mode_holds_the_mesh_back(scene: Any, live: Any, job: Any, mode: str) -> None:
    bpy.context.view_layer.objects.active = live
    bpy.ops.object.mode_set(mode=mode)
    assert not scene.show_preview(job, mesh(7))
    assert not scene.end_preview(job, keep=False)
    bpy.ops.object.mode_set(mode="OBJECT")
    assert shows(live, 9)
    assert scene.show_preview(job, mesh(7))


def test_mesh_that_is_edited_through_another_object_is_held_back(scene: Any, live: Any, job: Any) -> None:
    twin = bpy.data.objects.new("twin", live.data)
    bpy.context.collection.objects.link(twin)
    bpy.context.view_layer.objects.active = twin
    bpy.ops.object.mode_set(mode="EDIT")
    assert live.mode == "OBJECT"
    assert not scene.show_preview(job, mesh(7))
    bpy.ops.object.mode_set(mode="OBJECT")
    assert scene.show_preview(job, mesh(7))


def test_another_mesh_that_the_artist_gives_the_object_is_not_overwritten(scene: Any, live: Any, job: Any) -> None:
    bpy.ops.mesh.primitive_cube_add()
    cube = bpy.context.active_object.data
    live.data = cube
    assert scene.show_preview(job, mesh(7))
    assert len(cube.vertices) == 8
    assert live.data != cube
    assert shows(live, 7)


def test_shape_keys_that_the_artist_adds_stay_with_their_mesh(scene: Any, live: Any, job: Any) -> None:
    keyed = live.data
    live.shape_key_add(name="Basis")
    assert scene.show_preview(job, mesh(7))
    assert len(keyed.vertices) == len(mesh(9).vertices)
    assert live.data != keyed
    assert shows(live, 7)


def test_single_user_and_shared_meshes_go_on(scene: Any, live: Any, job: Any) -> None:
    live.data = live.data.copy()
    assert scene.show_preview(job, mesh(7))
    assert shows(live, 7)
    twin = live.copy()
    bpy.context.collection.objects.link(twin)
    assert scene.show_preview(job, mesh(8))
    assert shows(live, 8)
    assert scene.end_preview(job, keep=False)
    (left,) = bpy.data.objects
    assert "limbeck_job" not in left, "a copy becomes an ordinary object"


def test_renamed_object_and_mesh_are_found(addon: Any, scene: Any, live: Any, job: Any) -> None:
    live.name = live.data.name = "mine"
    assert scene.show_preview(job, mesh(7))
    assert [thing.name for thing in bpy.data.objects] == ["mine"]


def test_object_converted_to_a_curve_is_the_artists(addon: Any, scene: Any, live: Any, job: Any) -> None:
    bpy.context.view_layer.objects.active = live
    live.select_set(True)
    bpy.ops.object.convert(target="CURVE")
    assert scene.show_preview(job, mesh(7))
    assert {thing.type for thing in bpy.data.objects} == {"CURVE", "MESH"}


@pytest.mark.parametrize("remove", ["collection", "scene"])
def test_live_object_comes_back_when_its_collection_or_scene_is_deleted(
    addon: Any, scene: Any, job: Any, remove: str
) -> None:
    first = bpy.context.scene
    if remove == "scene":
        bpy.ops.scene.new(type="EMPTY")
        elsewhere = bpy.context.scene.collection
    else:
        elsewhere = bpy.data.collections.new("elsewhere")
        first.collection.children.link(elsewhere)
    assert scene.show_preview(job, mesh(9))
    live = addon.module("live_mesh").find("JOB")
    for collection in live.users_collection:
        collection.objects.unlink(live)
    elsewhere.objects.link(live)
    if remove == "scene":
        bpy.data.scenes.remove(bpy.context.scene)
    else:
        bpy.data.collections.remove(elsewhere)
    assert scene.show_preview(job, mesh(7))
    live = addon.module("live_mesh").find("JOB")
    assert live.users_scene == (first,)
    assert shows(live, 7)


@pytest.fixture
def library(tmp_path: Path) -> Callable[[], Any]:
    """Return a function that links the collection "birds" of a file, which has a live mesh of job JOB in it."""
    file = tmp_path / "library.blend"

    def link() -> Any:
        with bpy.data.libraries.load(str(file), link=True) as (_, wanted):
            wanted.collections = ["birds"]
        return bpy.data.collections["birds"]

    birds = bpy.data.collections.new("birds")
    made = bpy.data.objects.new("bird", bpy.data.meshes.new("bird"))
    made["limbeck_job"] = made.data["limbeck_job"] = "JOB"
    birds.objects.link(made)
    bpy.data.libraries.write(str(file), {birds})
    bpy.data.batch_remove([birds, made, made.data])
    return link


def test_linked_live_mesh_of_another_file_is_not_ours(
    addon: Any, scene: Any, job: Any, library: Callable[[], Any]
) -> None:
    linked = library()
    bpy.context.scene.collection.children.link(linked)
    assert scene.known_jobs() == []
    assert scene.show_preview(job, mesh(7))
    assert not len(linked.objects[0].data.vertices)
    assert addon.module("live_mesh").find("JOB").library is None


def test_library_override_is_not_ours(addon: Any, scene: Any, job: Any, library: Callable[[], Any]) -> None:
    linked = library()
    bpy.context.scene.collection.children.link(linked)
    override = linked.override_hierarchy_create(bpy.context.scene, bpy.context.view_layer)
    assert override is not None
    assert scene.known_jobs() == []
    assert scene.show_preview(job, mesh(7))
    assert addon.module("live_mesh").find("JOB").override_library is None


def test_local_object_with_a_linked_mesh_gets_a_mesh_of_its_own(
    addon: Any, scene: Any, job: Any, library: Callable[[], Any]
) -> None:
    linked = library().objects[0].data
    assert scene.show_preview(job, mesh(9))
    live = addon.module("live_mesh").find("JOB")
    live.data = linked
    assert scene.show_preview(job, mesh(7))
    assert not len(linked.vertices)
    assert shows(live, 7)


def test_active_collection_of_a_library_is_left_alone(
    addon: Any, scene: Any, job: Any, library: Callable[[], Any]
) -> None:
    linked = library()
    bpy.context.scene.collection.children.link(linked)
    layer = bpy.context.view_layer.layer_collection.children["birds"]
    bpy.context.view_layer.active_layer_collection = layer
    assert scene.show_preview(job, mesh(7))
    assert addon.module("live_mesh").find("JOB").users_collection == (bpy.context.scene.collection,)


def test_asset_that_arrives_in_another_scene_goes_where_its_live_mesh_is(ready: Any) -> None:
    first = bpy.context.scene
    ready.generate("a bird")
    wait_for_live(ready)
    bpy.ops.scene.new(type="EMPTY")
    ready.pump_until(lambda: ready.session.job is None)
    assert ready.session.problem is None
    assert assets()[0].users_scene == (first,)


def test_asset_of_an_excluded_collection_arrives(ready: Any) -> None:
    elsewhere = bpy.data.collections.new("elsewhere")
    bpy.context.scene.collection.children.link(elsewhere)
    ready.generate("a bird")
    live = wait_for_live(ready)
    for collection in live.users_collection:
        collection.objects.unlink(live)
    elsewhere.objects.link(live)
    bpy.context.view_layer.layer_collection.children["elsewhere"].exclude = True
    ready.pump_until(lambda: ready.session.job is None)
    assert ready.session.problem is None
    assert len(assets()) == 1


def test_finding_a_live_mesh_is_quick_among_ten_thousand_objects(addon: Any, live: Any, job: Any) -> None:
    import time

    find = addon.module("live_mesh").find
    for index in range(10_000):
        bpy.data.objects.new(f"a{index}", None)
    start = time.thread_time()
    assert find("JOB", job.title) == live
    assert time.thread_time() - start < 0.004, "0.5 ms were measured where looking at each object takes 7"
    live.name = "renamed"
    assert find("JOB", job.title) == live


def test_error_of_blenders_ends_no_timer(ready: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise RuntimeError("Writing to ID classes in this context is not allowed")

    monkeypatch.setattr(ready.module("mesh_write"), "write", refuse)
    ready.request.steps = 6
    ready.generate("a bird")
    ready.pump_until(lambda: ready.session.problem is not None)
    assert "cannot be shown" in ready.session.problem.message
    ready.pump_until(lambda: ready.session.job is None)
    assert len(assets()) == 1


def test_no_scene_writes_while_the_panel_is_drawn(ready: Any) -> None:
    """Drawing asks nobody and makes nothing: Blender forbids it."""
    context = SimpleNamespace(**{name: getattr(bpy.context, name) for name in ("scene", "window_manager")})
    before = len(bpy.data.objects), len(ready.session.jobs)
    from blender.inside.recording_layout import DrawnPanel

    bpy.types.LIMBECK_PT_jobs.draw(DrawnPanel(), context)
    assert before == (len(bpy.data.objects), len(ready.session.jobs))
