# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A prompt becomes an asset in Blender, through a real server; and what happens where it does not."""

from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest

from blender.inside.conftest import assets, place_of, wait_for_live


def shape_of(live: Any) -> bytes:
    found = np.empty(len(live.data.vertices) * 3, np.float32)
    live.data.attributes["position"].data.foreach_get("vector", found)
    return found.tobytes()


def test_prompt_becomes_an_asset(ready: Any, monkeypatch: Any) -> None:
    bpy.context.scene.cursor.location = (3, 0, 0)
    ready.request.seed = 7
    ready.generate("a blue bird")
    shapes: set[bytes] = set()

    def is_over() -> bool:
        live = ready.live()
        if live is not None:
            assert live.data.color_attributes.active_color_name == "Color"
            shapes.add(shape_of(live))
        return ready.session.job is None

    ready.pump_until(is_over)
    assert ready.session.problem is None
    assert len(shapes) >= 2
    (asset,) = bpy.data.objects
    assert asset.name == "a blue bird"
    assert (asset["prompt"], asset["seed"], asset["recipe"]) == ("a blue bird", 7, "limbeck")
    assert (asset["steps"], asset["faces"], asset["texture_size"]) == (4, 20_000, 1024)
    assert (*place_of(asset)[:2], asset.location.z) == pytest.approx((3, 0, 0), abs=1e-5)
    assert bpy.context.view_layer.objects.active == asset
    assert bpy.context.selected_objects == [asset]
    assert not asset.data.validate()
    assert_shows_vertex_colors(asset)
    assert_stands_upright_and_faces_front(asset)


def assert_shows_vertex_colors(asset: Any) -> None:
    (material,) = asset.data.materials
    shader = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    source = shader.inputs["Base Color"].links[0].from_node
    assert source.type == "VERTEX_COLOR"
    assert source.layer_name in ("", asset.data.color_attributes[0].name)


def assert_stands_upright_and_faces_front(asset: Any) -> None:
    """The synthetic bird is taller than wide and its orange beak points to -Y."""
    assert asset.dimensions.z > asset.dimensions.x
    colors = np.empty(len(asset.data.color_attributes[0].data) * 4, np.float32)
    asset.data.color_attributes[0].data.foreach_get("color_srgb", colors)
    colors = colors.reshape(-1, 4)
    is_orange = (colors[:, 0] > 0.9) & (colors[:, 2] < 0.3)
    assert is_orange.any()
    points = np.empty(len(asset.data.vertices) * 3, np.float32)
    asset.data.vertices.foreach_get("co", points)
    if asset.data.color_attributes[0].domain == "CORNER":
        corners = np.empty(len(asset.data.loops), np.int32)
        asset.data.loops.foreach_get("vertex_index", corners)
        points = points.reshape(-1, 3)[corners]
    assert points.reshape(-1, 3)[is_orange].mean(axis=0)[1] + asset["limbeck_origin"][1] < -0.4


def test_import_is_one_undo_step(ready: Any) -> None:
    """Undo itself hangs in the bpy module; what pushes a step is the operator's flag and its second argument."""
    pushed: list[str] = []
    operator = bpy.types.LIMBECK_OT_import_asset
    assert operator.bl_options == {"REGISTER", "UNDO", "INTERNAL"}
    depth = bpy.context.window_manager.operators
    before = [entry.bl_idname for entry in depth]
    ready.generate("a blue bird")
    ready.pump_until(lambda: ready.session.job is None)
    pushed = [entry.bl_idname for entry in bpy.context.window_manager.operators][len(before) :]
    assert pushed.count("LIMBECK_OT_import_asset") == 1
    assert "IMPORT_SCENE_OT_gltf" not in pushed


def test_cancel_stops_the_job_and_removes_its_mesh(ready: Any) -> None:
    ready.request.steps = 400
    ready.generate("a blue bird")
    wait_for_live(ready)
    assert bpy.ops.limbeck.cancel() == {"FINISHED"}
    ready.pump_until(lambda: ready.session.job is None)
    assert ready.session.problem is None
    assert not bpy.data.objects
    ready.request.steps = 3
    ready.generate("another bird")
    ready.pump_until(lambda: ready.session.job is None)
    assert [thing["prompt"] for thing in assets()] == ["another bird"]


def test_failing_job_says_why_and_keeps_the_mesh(ready: Any) -> None:
    ready.generate("fail")
    wait_for_live(ready)
    ready.pump_until(lambda: ready.session.job is None)
    assert ready.session.problem.message == "the engine was asked to fail"
    assert ready.session.problem.remedy == "use another prompt"
    assert len(bpy.data.objects) == 1
    assert "limbeck_job" not in bpy.data.objects[0]


def test_bad_request_is_reported_and_sends_nothing(ready: Any) -> None:
    ready.request.prompt = "b" * 1001
    with pytest.raises(RuntimeError, match="1000 characters"):
        bpy.ops.limbeck.generate()
    assert ready.session.job is None


def test_unknown_recipe_is_refused_with_the_names_that_there_are(ready: Any) -> None:
    assert "limbeck" in ready.session.link.recipes
    ready.request.recipe = "no-such-recipe"
    ready.generate("a blue bird")
    ready.pump_until(lambda: ready.session.job is None)
    assert "no-such-recipe" in ready.session.problem.message
    assert ready.session.problem.remedy


def test_deleted_live_object_comes_back(ready: Any) -> None:
    ready.request.steps = 400
    ready.generate("a blue bird")
    bpy.data.objects.remove(wait_for_live(ready))
    wait_for_live(ready)
    bpy.ops.limbeck.cancel()
    ready.pump_until(lambda: ready.session.job is None)


def test_moved_live_object_says_where_the_asset_goes(ready: Any) -> None:
    elsewhere = bpy.data.collections.new("elsewhere")
    bpy.context.scene.collection.children.link(elsewhere)
    ready.generate("a blue bird")
    live = wait_for_live(ready)
    live.location = (0, 5, 0)
    elsewhere.objects.link(live)
    bpy.context.view_layer.update()
    ready.pump_until(lambda: ready.session.job is None)
    (asset,) = assets()
    assert (*place_of(asset)[:2], asset.location.z) == pytest.approx((0, 5, 0), abs=1e-5)
    assert elsewhere in asset.users_collection


def test_edit_mode_holds_the_asset_back(ready: Any) -> None:
    bpy.ops.mesh.primitive_cube_add()
    ready.generate("a blue bird")
    wait_for_live(ready)
    bpy.ops.object.mode_set(mode="EDIT")
    ready.pump_until(lambda: ready.session.job.phase == "importing")
    for _ in range(5):
        ready.session.pump()
    assert not assets()
    assert ready.session.job.progress_text == "The asset waits for Object Mode"
    bpy.ops.object.mode_set(mode="OBJECT")
    ready.pump_until(lambda: ready.session.job is None)
    assert len(assets()) == 1


def test_image_and_overrides_of_the_panel_travel_with_the_job(ready: Any, tmp_path: Path) -> None:
    picture = tmp_path / "bird.png"
    picture.write_bytes(ready.module("pictures").encode_png(np.full((32, 32, 4), 200, np.uint8)))
    ready.request.image = str(picture)
    ready.request.overrides = "guidance_scale=15 noise=consistent"
    ready.generate("a blue bird")
    spec = ready.session.job.spec
    assert spec.overrides == {"guidance_scale": 15, "noise": "consistent"}
    assert [reference.image.data for reference in spec.references] == [picture.read_bytes()]
    ready.pump_until(lambda: ready.session.job is None)
    assert ready.session.problem is None


@pytest.mark.parametrize(
    ("field", "text", "says"), [("overrides", "noise", "KEY=VALUE"), ("image", "//missing.png", "cannot be read")]
)
def test_bad_image_or_override_is_reported_and_sends_nothing(ready: Any, field: str, text: str, says: str) -> None:
    ready.request.prompt = "a blue bird"
    setattr(ready.request, field, text)
    with pytest.raises(RuntimeError, match=says):
        bpy.ops.limbeck.generate()
    assert ready.session.job is None
