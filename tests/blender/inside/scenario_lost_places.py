# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What a job was made from, and where its asset goes, while the artist renames, deletes and switches."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import numpy as np
import pytest

from blender.inside.conftest import assets, wait_for_live
from blender.inside.describing import described
from blender.inside.recording_layout import DrawnPanel
from blender.inside.scenario_hostile_asset import bird_file, import_asset
from blender.inside.starting import cube, import_painted, painted_file, start


def begin(addon: Any, kind: str = "BLOCKOUT", steps: int = 60) -> Any:
    """Start a job from a cube and wait until that is hidden."""
    thing = cube()
    start(kind, thing)
    addon.request.steps = steps
    addon.generate("a bird")
    wait_for_live(addon)
    assert thing.hide_get()
    return thing


def cancel(addon: Any) -> None:
    bpy.ops.limbeck.cancel()
    addon.pump_until(lambda: addon.session.job is None)


def test_renamed_source_is_replaced(ready: Any) -> None:
    thing = begin(ready, steps=8)
    thing.name = "Other"
    ready.pump_until(lambda: ready.session.job is None)
    assert thing.hide_viewport
    assert "limbeck_hidden_for" not in thing


def test_cancelling_shows_a_renamed_source_again(ready: Any) -> None:
    thing = begin(ready)
    thing.name = "Other"
    cancel(ready)
    assert not thing.hide_get()
    assert "limbeck_hidden_for" not in thing


def test_cancelling_selects_the_source_again(ready: Any) -> None:
    thing = begin(ready)
    assert not bpy.context.selected_objects, "Blender deselects what it hides"
    cancel(ready)
    assert bpy.context.selected_objects == [thing]
    assert bpy.context.view_layer.objects.active == thing
    assert "limbeck_was_chosen" not in thing
    start("BLOCKOUT")
    assert described(ready).init.kind == "mesh", "the next Generate finds it"


def test_cancelling_keeps_what_the_artist_has_selected_meanwhile(ready: Any) -> None:
    thing = begin(ready)
    other = cube()
    cancel(ready)
    assert bpy.context.selected_objects == [other]
    assert bpy.context.view_layer.objects.active == other
    assert not thing.hide_get()


def test_cancelling_in_another_view_layer_shows_the_source_in_its_own(ready: Any) -> None:
    thing = begin(ready)
    first, second = bpy.context.view_layer, bpy.context.scene.view_layers.new("Second")
    bpy.context.window.view_layer = second
    cancel(ready)
    assert not thing.hide_get(view_layer=first)


def test_source_stays_hidden_until_the_last_of_its_jobs_has_ended(ready: Any) -> None:
    thing = begin(ready, "TEXTURE")
    ready.generate("another bird")
    first, second = ready.session.jobs[1].id, ready.session.jobs[0].key
    live_mesh, source_object = ready.module("live_mesh"), ready.module("source_object")
    source_object.hide_for("Cube", "OTHER")
    cancelled = live_mesh.find(first)
    assert cancelled is not None
    ready.session.select(ready.session.jobs[1].key)
    ready.session.cancel()
    ready.pump_until(lambda: not ready.session.jobs[1].goes_on)
    assert thing.hide_get(), "the other job's mesh stands in it"
    ready.session.select(second)
    cancel(ready)
    source_object.show_for("Cube", "OTHER")
    assert not thing.hide_get()


def test_source_is_shown_again_where_its_job_is_never_followed_again(ready: Any, tmp_path: Path) -> None:
    begin(ready)
    bpy.data.objects.remove(ready.live())
    file = str(tmp_path / "without.blend")
    bpy.ops.wm.save_as_mainfile(filepath=file, copy=True)
    cancel(ready)
    bpy.ops.wm.open_mainfile(filepath=file)
    assert not bpy.data.objects["Cube"].hide_get()
    assert "limbeck_hidden_for" not in bpy.data.objects["Cube"]


def test_texture_of_what_was_deleted_comes_as_an_asset(addon: Any, tmp_path: Path) -> None:
    """Deleting leaves the object in the file where the panel names it; what is painted on it nobody would see."""
    thing = cube()
    start("TEXTURE", thing)
    file = painted_file(described(addon), tmp_path / "it.glb")
    bpy.ops.object.delete()
    asset = import_painted(file, source="Cube", matrix=np.eye(4).ravel().tolist())
    assert asset is not None
    assert asset.users_scene


def test_deleting_the_active_collection_in_mid_job_ends_nothing(ready: Any) -> None:
    collection = bpy.data.collections.new("Mine")
    bpy.context.scene.collection.children.link(collection)
    bpy.context.view_layer.active_layer_collection = bpy.context.view_layer.layer_collection.children["Mine"]
    ready.request.steps = 8
    ready.generate("a bird")
    wait_for_live(ready)
    bpy.data.collections.remove(collection)
    ready.pump_until(lambda: ready.session.job is None)
    assert assets()[0].users_scene


def test_asset_is_in_the_scene_where_its_live_mesh_is_in_none(addon: Any, tmp_path: Path) -> None:
    place = addon.module("placement").at((0.0, 0.0, 0.0))
    job = addon.module("job").FollowedJob("a bird", 0, "limbeck", place, id="JOB")
    live = addon.module("live_mesh").create(job, bpy.context.collection)
    bpy.context.scene.collection.objects.unlink(live)
    record = addon.module("provenance").Provenance("a bird").to_json()
    bpy.ops.limbeck.import_asset(filepath=str(bird_file(tmp_path / "bird.glb")), title="it", job="JOB", record=record)
    assert assets()[0].users_scene


def test_edited_properties_of_a_live_mesh_keep_no_job_from_being_followed(ready: Any, tmp_path: Path) -> None:
    ready.request.steps = 60
    ready.generate("a bird")
    live = wait_for_live(ready)
    live["seed"], live["steps"], live["limbeck_box"], live["limbeck_use"], live["prompt"] = "abc", [1, 2], "x", 5, 3
    file = str(tmp_path / "edited.blend")
    bpy.ops.wm.save_as_mainfile(filepath=file)
    bpy.ops.wm.open_mainfile(filepath=file)
    assert [job.seed for job in ready.session.jobs] == [0]
    ready.pump_until(lambda: ready.session.job.phase == "running")
    cancel(ready)


def test_edited_properties_of_an_asset_cost_no_traceback(ready: Any, tmp_path: Path) -> None:
    import_asset(ready, bird_file(tmp_path / "bird.glb"))
    asset = bpy.context.object
    asset["limbeck_origin"], asset["overrides"] = "somewhere", "no 'number"
    bpy.types.LIMBECK_PT_asset.draw(DrawnPanel(), SimpleNamespace(object=asset))
    with pytest.raises(RuntimeError) as refused:
        bpy.ops.limbeck.regenerate()
    assert "Traceback" not in str(refused.value)
    asset["overrides"] = ""
    assert bpy.ops.limbeck.regenerate() == {"FINISHED"}
    cancel(ready)


def test_active_reference_that_is_none_turns_its_buttons_off(addon: Any) -> None:
    addon.module("reference_images").add(bpy.context.scene, bpy.data.images.new("picture", 64, 64))
    addon.request.active_reference = 7
    for name in ("remove_reference", "move_reference", "forget_reference_camera"):
        assert not getattr(bpy.ops.limbeck, name).poll()
    bpy.types.LIMBECK_PT_references.draw(DrawnPanel(), bpy.context)


def test_quality_of_a_newer_release_is_drawn_as_the_usual_one(addon: Any) -> None:
    quality = addon.module("quality")
    assert quality.settings_of("ULTRA") == quality.settings_of("NORMAL")


def test_damaged_catalog_of_a_library_costs_no_asset(addon: Any, tmp_path: Path) -> None:
    (tmp_path / "blender_assets.cats.txt").write_bytes(b"\xff\xfe damaged")
    preferences = addon.module("preferences").addon_preferences(bpy.context)
    preferences.save_to_library, preferences.asset_library = True, str(tmp_path)
    try:
        assert import_asset(addon, bird_file(tmp_path / "bird.glb")) == {"FINISHED"}
    finally:
        preferences.save_to_library, preferences.asset_library = False, ""
    assert assets()[0].asset_data is not None


def test_text_file_is_no_image_of_the_panel(addon: Any, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_bytes(b"hello")
    addon.request.image = str(file)
    with pytest.raises(addon.module("refusal").DescriptionError, match="no PNG, JPEG or WEBP"):
        described(addon)
