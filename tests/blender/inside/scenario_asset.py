# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The finished asset: what it is made of, where it stands, what it tells of itself, and what can be made of it."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import numpy as np
import pytest
from mathutils import Matrix

from blender.inside.conftest import assets, place_of, wait_for_live
from blender.inside.recording_layout import DrawnPanel, RecordingLayout


def preferences(addon: Any) -> Any:
    return addon.module("preferences").addon_preferences(bpy.context)


@pytest.fixture
def made(ready: Any) -> Any:
    """Return an asset that has just been imported."""
    ready.request.seed, ready.request.negative_prompt, ready.request.overrides = 7, "a fish", "noise=consistent"
    return make(ready)


def make(addon: Any, prompt: str = "a blue bird") -> Any:
    addon.generate(prompt)
    addon.pump_until(lambda: addon.session.job is None)
    assert addon.session.problem is None
    return bpy.context.object


def draw_asset(thing: Any = None) -> RecordingLayout:
    panel = DrawnPanel()
    bpy.types.LIMBECK_PT_asset.draw(panel, SimpleNamespace(object=thing))
    return panel.layout


def world_points(thing: Any) -> np.ndarray:
    points = np.empty(len(thing.data.vertices) * 3, np.float32)
    thing.data.vertices.foreach_get("co", points)
    return points.reshape(-1, 3) @ np.array(thing.matrix_world.to_3x3()).T + np.array(thing.matrix_world.translation)


def test_asset_tells_what_made_it(made: Any, ready: Any) -> None:
    told = ready.module("provenance").from_properties(made)
    assert (told.prompt, told.negative_prompt, told.seed, told.recipe) == ("a blue bird", "a fish", 7, "limbeck")
    assert (told.steps, told.faces, told.texture_size, told.prior) == (4, 20_000, 1024, "embedded")
    assert ready.module("wire").overrides.parse_overrides(told.overrides) == {"noise": "consistent"}
    assert ready.module("wire").ids.is_ulid(told.job)
    assert told.server_version == ready.session.link.client.server.version
    assert told.licence
    assert told.made_at.startswith("20")


def test_origin_is_on_the_ground_and_nothing_jumps(ready: Any) -> None:
    bpy.context.scene.cursor.location = (3, -2, 1)
    ready.request.steps = 40
    ready.generate("a blue bird")
    live = wait_for_live(ready)
    live.matrix_world = Matrix.Translation((1, 2, 3)) @ Matrix.Rotation(0.7, 4, "X") @ Matrix.Scale(2, 4)
    placed = live.matrix_world.copy()
    ready.pump_until(lambda: ready.session.job is None)
    asset = bpy.context.object
    local = np.array([corner[:] for corner in asset.bound_box])
    assert local[:, 2].min() == pytest.approx(0, abs=1e-5)
    assert (local.min(0) + local.max(0))[:2] == pytest.approx((0, 0), abs=1e-5)
    frame = ready.module("whereabouts").frame_of(asset)
    risen = placed.inverted() @ frame
    assert risen.translation.z > 0.1, "it stands on the live object's origin, in that one's frame"
    assert np.array(risen) == pytest.approx(np.array(Matrix.Translation((0, 0, risen.translation.z))), abs=1e-5)
    assert (placed.inverted() @ asset.matrix_world.translation).z == pytest.approx(0, abs=1e-5)


def test_asset_is_smooth_and_one_object_of_one_material(made: Any) -> None:
    smooth = np.zeros(len(made.data.polygons), bool)
    made.data.polygons.foreach_get("use_smooth", smooth)
    assert smooth.all()
    assert len(made.data.materials) == 1
    assert len(bpy.data.objects) == 1
    assert len(bpy.data.meshes) == 1


def textured_glb(file: Path) -> Path:
    """Write a GLB with a texture, as Blender exports one, and leave nothing of it in the file."""
    bpy.ops.mesh.primitive_cube_add()
    image = bpy.data.images.new("paint", 16, 16)
    material = bpy.data.materials.new("painted")
    if material.node_tree is None:
        material.use_nodes = True
    texture = material.node_tree.nodes.new("ShaderNodeTexImage")
    texture.image = image
    shader = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    material.node_tree.links.new(texture.outputs["Color"], shader.inputs["Base Color"])
    bpy.context.object.data.materials.append(material)
    bpy.ops.export_scene.gltf(filepath=str(file), export_format="GLB")
    bpy.ops.wm.read_homefile(use_empty=True)
    return file


def import_asset(addon: Any, file: Path, **options: Any) -> set[str]:
    record = addon.module("provenance").Provenance("a blue bird").to_json()
    matrix = [value for row in Matrix() for value in row]
    return bpy.ops.limbeck.import_asset(
        filepath=str(file), title="a blue bird", record=record, **{"matrix": matrix, **options}
    )


def test_texture_is_packed_and_has_its_coordinates(addon: Any, tmp_path: Path) -> None:
    file = textured_glb(tmp_path / "cube.glb")
    assert import_asset(addon, file) == {"FINISHED"}
    file.unlink()
    asset = bpy.context.object
    (image,) = [image for image in bpy.data.images if image.users]
    assert image.packed_file is not None
    assert len(asset.data.uv_layers) == 1
    assert asset.data.materials[0].name == "a blue bird"


def test_solid_shading_is_offered_that_shows_the_texture(addon: Any, tmp_path: Path) -> None:
    """Vertex colours, which a forming mesh needs, show a textured asset white."""
    import_asset(addon, textured_glb(tmp_path / "cube.glb"))
    area = next(area for area in bpy.context.screen.areas if area.type == "VIEW_3D")
    shading = area.spaces.active.shading
    shading.color_type = "VERTEX"
    with bpy.context.temp_override(area=area):
        assert bpy.ops.limbeck.show_colors() == {"FINISHED"}
    assert shading.color_type == "TEXTURE"


@pytest.mark.parametrize("content", [None, b"", b"<html>not found</html> and so on", "cut"])
def test_missing_or_damaged_file_leaves_the_scene_as_it_was(addon: Any, tmp_path: Path, content: Any) -> None:
    file = tmp_path / "cube.glb"
    if content == "cut":
        whole = textured_glb(file).read_bytes()
        file.write_bytes(whole[: len(whole) // 2])
    elif content is not None:
        file.write_bytes(content)
    before = len(bpy.data.objects), len(bpy.data.meshes), len(bpy.data.materials), len(bpy.data.images)
    with pytest.raises(RuntimeError, match="generate again"):
        import_asset(addon, file)
    assert (len(bpy.data.objects), len(bpy.data.meshes), len(bpy.data.materials), len(bpy.data.images)) == before


def test_glb_that_lies_about_its_buffers_is_refused_without_a_trace(addon: Any, tmp_path: Path) -> None:
    file = textured_glb(tmp_path / "cube.glb")
    content = file.read_bytes()
    file.write_bytes(content.replace(b'"byteOffset":0', b'"byteOffset":9').replace(b'"count":24', b'"count":99'))
    with pytest.raises(RuntimeError):
        import_asset(addon, file)
    assert not bpy.data.objects


def test_collection_of_its_own_is_made_once_where_it_is_wanted(ready: Any) -> None:
    preferences(ready).collection = "LIMBECK"
    first, second = make(ready), make(ready, "another bird")
    (collection,) = bpy.context.scene.collection.children
    assert collection.name == "Limbeck"
    assert {first.users_collection, second.users_collection} == {(collection,)}


def test_marked_asset_has_preview_tags_and_a_catalog(ready: Any, tmp_path: Path) -> None:
    wanted = preferences(ready)
    wanted.mark_assets, wanted.asset_author, wanted.asset_library = True, "Somebody", str(tmp_path)
    asset = make(ready, "a blue bird with a hat")
    about = asset.asset_data
    assert (about.description, about.author) == ("a blue bird with a hat", "Somebody")
    assert "embedded priors" in about.license
    assert [tag.name for tag in about.tags] == ["Limbeck", "limbeck", "blue", "bird", "hat"]
    assert about.catalog_id in (tmp_path / "blender_assets.cats.txt").read_text()
    pixels = np.zeros(len(asset.preview.image_pixels_float), np.float32)
    asset.preview.image_pixels_float.foreach_get(pixels)
    assert pixels.any()
    assert not list(tmp_path.glob("*.blend")), "it was not to be saved there"


def test_asset_is_written_into_the_library_and_can_be_appended(ready: Any, tmp_path: Path) -> None:
    wanted = preferences(ready)
    wanted.save_to_library, wanted.asset_library = True, str(tmp_path)
    make(ready)
    (file,) = tmp_path.glob("*.blend")
    bpy.ops.wm.read_homefile(use_empty=True)
    with bpy.data.libraries.load(str(file), assets_only=True) as (there, here):
        assert list(there.objects) == ["a blue bird"]
        here.objects = list(there.objects)
    assert here.objects[0]["prompt"] == "a blue bird"


def test_library_that_is_gone_costs_no_asset(ready: Any, tmp_path: Path) -> None:
    wanted = preferences(ready)
    wanted.save_to_library, wanted.asset_library = True, str(tmp_path / "gone")
    assert make(ready).asset_data is not None
    with pytest.raises(RuntimeError, match="Choose an asset library"):
        bpy.ops.limbeck.save_to_library()


def test_panel_tells_the_asset_and_offers_what_can_be_made_of_it(made: Any) -> None:
    layout = draw_asset(made)
    text = " ".join(layout.texts("label"))
    for part in ("a blue bird", "Without: a fish", "Recipe limbeck, seed 7", "Made 20"):
        assert part in text
    names = ["regenerate", "vary", "fill_in", "copy_prompt"]
    names += ["mark_asset", "save_to_library", "export_glb", "reveal_file"]
    assert layout.texts("operator") == [f"limbeck.{name}" for name in names]


def test_panel_without_an_asset_says_what_to_select(addon: Any) -> None:
    bpy.ops.mesh.primitive_cube_add()
    for thing in (None, bpy.context.object):
        assert "Select an object that" in " ".join(draw_asset(thing).texts("label"))
    for operator in (bpy.ops.limbeck.vary, bpy.ops.limbeck.copy_prompt, bpy.ops.limbeck.mark_asset):
        with pytest.raises(RuntimeError, match="Limbeck has made"):
            operator()


def test_regenerate_takes_the_same_settings_and_vary_another_seed(made: Any, ready: Any) -> None:
    ready.request.prompt, ready.request.seed, ready.request.quality = "something else", 99, "HIGH"
    first = ready.session.jobs[0].spec
    for operator, is_same in ((bpy.ops.limbeck.regenerate, True), (bpy.ops.limbeck.vary, False)):
        bpy.context.view_layer.objects.active = made
        assert operator() == {"FINISHED"}
        again = ready.session.jobs[0].spec
        assert (again == first) is is_same
        assert (again.prompt, again.overrides, again.steps) == ("a blue bird", {"noise": "consistent"}, 4)
        assert ready.session.jobs[0].placement.matrix[0][3] > made.dimensions.x, "it stands beside"
        ready.session.cancel()
    assert (ready.request.prompt, ready.request.seed, ready.request.quality) == ("something else", 99, "HIGH")


def test_its_settings_can_be_filled_in(made: Any, ready: Any) -> None:
    ready.request.prompt, ready.request.seed = "something else", 99
    assert bpy.ops.limbeck.fill_in() == {"FINISHED"}
    assert (ready.request.prompt, ready.request.seed, ready.request.faces) == ("a blue bird", 7, 20_000)


def test_asset_alone_is_exported(made: Any, tmp_path: Path) -> None:
    bpy.ops.mesh.primitive_cube_add()
    cube = bpy.context.object
    bpy.context.view_layer.objects.active = made
    assert bpy.ops.limbeck.export_glb(filepath=str(tmp_path / "bird")) == {"FINISHED"}
    assert bpy.context.selected_objects == [cube], "the selection is as it was"
    assert b'"a blue bird"' in (tmp_path / "bird.glb").read_bytes()
    assert b'"Cube"' not in (tmp_path / "bird.glb").read_bytes()
    with pytest.raises(RuntimeError, match="cannot be written"):
        bpy.ops.limbeck.export_glb(filepath=str(tmp_path / "bird.glb" / "bird.glb"))


def test_file_is_revealed_only_where_it_is(made: Any, ready: Any) -> None:
    assert bpy.ops.limbeck.reveal_file.poll()
    file = ready.module("operators.made").downloaded_file(made)
    assert file.is_file()
    made["job"] = "../../etc/passwd"
    assert ready.module("operators.made").downloaded_file(made).name == "none.glb"
    assert not bpy.ops.limbeck.reveal_file.poll()


def test_prompt_is_copied(made: Any) -> None:
    manager = SimpleNamespace(clipboard="")
    context = SimpleNamespace(object=made, window_manager=manager)
    bpy.types.LIMBECK_OT_copy_prompt.execute(SimpleNamespace(report=lambda *_: None), context)
    assert manager.clipboard == "a blue bird"


def test_replaced_source_is_hidden_and_lends_its_parent_and_collection(addon: Any, tmp_path: Path) -> None:
    file = textured_glb(tmp_path / "cube.glb")
    elsewhere = bpy.data.collections.new("elsewhere")
    bpy.context.scene.collection.children.link(elsewhere)
    parent = bpy.data.objects.new("parent", None)
    source = bpy.data.objects.new("source", bpy.data.meshes.new("source"))
    elsewhere.objects.link(parent)
    elsewhere.objects.link(source)
    parent.location, source.parent = (5, 0, 0), parent
    bpy.context.view_layer.update()
    matrix = [value for row in Matrix.Translation((1, 2, 3)) for value in row]
    import_asset(addon, file, source="source", use="replace", matrix=matrix)
    asset = bpy.context.object
    bpy.context.view_layer.update()
    assert (asset.parent, asset.users_collection) == (parent, (elsewhere,))
    assert world_points(asset).mean(0) == pytest.approx((1, 2, 3), abs=1e-5)
    assert source.hide_viewport
    assert source.hide_render


def test_source_that_is_gone_is_no_error(addon: Any, tmp_path: Path) -> None:
    assert import_asset(addon, textured_glb(tmp_path / "cube.glb"), source="gone", use="replace") == {"FINISHED"}


def test_asset_comes_into_a_file_that_cannot_be_written(ready: Any, tmp_path: Path) -> None:
    blend = tmp_path / "read-only" / "bird.blend"
    blend.parent.mkdir()
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))
    blend.chmod(0o444)
    shutil.rmtree(blend.parent)  # root may write everything, so that the folder has to go
    asset = make(ready)
    assert asset in assets()
    with pytest.raises(RuntimeError):
        bpy.ops.wm.save_mainfile()
    assert (*place_of(asset)[:2], asset.location.z) == pytest.approx((0, 0, 0), abs=1e-5)
