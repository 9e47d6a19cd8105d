# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The live object against undo, edit mode and the artist."""

from dataclasses import replace
from typing import Any

import bpy
import numpy as np
import pytest

from blender.synthetic_engine import bird
from limbeck_protocol.mesh_codec import MeshData


@pytest.fixture
def scene(addon: Any) -> Any:
    return addon.module("blender_scene").BlenderScene()


@pytest.fixture
def job(addon: Any) -> Any:
    placement = addon.module("placement").at((1.0, 2.0, 3.0))
    return addon.module("job").FollowedJob("a bird", 3, "limbeck", placement, id="JOB")


def mesh(rings: int, beak: float = 1.0) -> MeshData:
    return MeshData(*bird(rings, beak))


def positions(live: Any) -> np.ndarray:
    found = np.empty(len(live.data.vertices) * 3, np.float32)
    live.data.attributes["position"].data.foreach_get("vector", found)
    return found.reshape(-1, 3)


def test_preview_becomes_a_valid_mesh_at_the_cursor(addon: Any, scene: Any, job: Any) -> None:
    preview = mesh(rings=9)
    assert scene.show_preview(job, preview)
    live = addon.module("live_mesh").find("JOB")
    assert np.array_equal(positions(live), preview.vertices)
    assert tuple(live.location) == (1, 2, 3)
    assert live.name == "a bird"
    assert not live.data.validate()
    assert len(live.data.edges) == len(preview.faces) * 3 // 2 + 18, (
        "each edge has two faces but for the two open poles"
    )


def test_preview_of_a_standing_job_has_its_lowest_point_at_the_cursor(addon: Any, scene: Any, job: Any) -> None:
    standing = replace(job, placement=replace(job.placement, stands=True))
    for preview in (mesh(9), mesh(9, beak=0.2), mesh(7)):
        assert scene.show_preview(standing, preview)
        live = addon.module("live_mesh").find("JOB")
        assert positions(live)[:, 2].min() == pytest.approx(0, abs=1e-6)
        assert np.allclose(positions(live)[:, :2], preview.vertices[:, :2])
        assert tuple(live.location) == (1, 2, 3)
    bpy.context.view_layer.update()
    assert scene.known_jobs()[0].placement == standing.placement, "a file that is loaded again agrees"


def test_colors_are_what_the_engine_sent(addon: Any, scene: Any, job: Any) -> None:
    preview = mesh(rings=9)
    scene.show_preview(job, preview)
    data = addon.module("live_mesh").find("JOB").data
    assert data.color_attributes.active_color_name == "Color"
    shown = np.empty(len(preview.colors) * 4, np.float32)
    data.color_attributes["Color"].data.foreach_get("color_srgb", shown)
    assert np.array_equal((shown * 255).round().reshape(-1, 4).astype(np.uint8), preview.colors)


def test_changed_topology_and_changed_positions_both_arrive(addon: Any, scene: Any, job: Any) -> None:
    for preview in (mesh(8), mesh(9), mesh(9, beak=0.2), mesh(7)):
        assert scene.show_preview(job, preview)
        live = addon.module("live_mesh").find("JOB")
        assert np.array_equal(positions(live), preview.vertices)
        assert len(live.data.polygons) == len(preview.faces)
    assert len(bpy.data.objects) == 1


def test_edited_mesh_is_rebuilt(addon: Any, scene: Any, job: Any) -> None:
    scene.show_preview(job, mesh(9))
    live = addon.module("live_mesh").find("JOB")
    live.data.flip_normals()
    scene.show_preview(job, mesh(9))
    reference = bpy.data.meshes.new("reference")
    reference.from_pydata(mesh(9).vertices.tolist(), [], mesh(9).faces.tolist())
    assert [tuple(face.vertices) for face in live.data.polygons] == [
        tuple(face.vertices) for face in reference.polygons
    ]


def test_edit_mode_holds_previews_back(addon: Any, scene: Any, job: Any) -> None:
    scene.show_preview(job, mesh(9))
    bpy.context.view_layer.objects.active = addon.module("live_mesh").find("JOB")
    bpy.ops.object.mode_set(mode="EDIT")
    assert not scene.show_preview(job, mesh(7))
    bpy.ops.object.mode_set(mode="OBJECT")
    assert len(addon.module("live_mesh").find("JOB").data.vertices) == len(mesh(9).vertices)
    assert scene.show_preview(job, mesh(7))


def test_object_that_vanished_is_made_again(addon: Any, scene: Any, job: Any) -> None:
    scene.show_preview(job, mesh(9))
    bpy.data.objects.remove(addon.module("live_mesh").find("JOB"))
    assert scene.show_preview(job, mesh(7))
    assert len(addon.module("live_mesh").find("JOB").data.vertices) == len(mesh(7).vertices)


def test_showing_leaves_selection_and_active_object_alone(addon: Any, scene: Any, job: Any) -> None:
    bpy.ops.object.empty_add()
    empty = bpy.context.active_object
    scene.show_preview(job, mesh(9))
    assert bpy.context.active_object == empty
    assert bpy.context.selected_objects == [empty]


def test_removed_preview_leaves_nothing_behind(addon: Any, scene: Any, job: Any) -> None:
    scene.show_preview(job, mesh(9))
    scene.end_preview(job, keep=False)
    assert not bpy.data.objects
    assert not bpy.data.meshes
    assert not bpy.data.materials


def test_kept_preview_is_an_ordinary_object(addon: Any, scene: Any, job: Any) -> None:
    scene.show_preview(job, mesh(9))
    scene.end_preview(job, keep=True)
    assert addon.module("live_mesh").find("JOB") is None
    assert [thing.name for thing in bpy.data.objects] == ["a bird"]


def test_live_object_of_a_loaded_file_names_its_job(addon: Any, scene: Any, job: Any) -> None:
    scene.show_preview(job, mesh(9))
    bpy.context.view_layer.update()
    assert scene.known_jobs() == [replace(job, spec=None)]
