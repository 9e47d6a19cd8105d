# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""More of an asset: from what it was made from itself, whatever the panels say by then."""

from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest

from blender.inside.conftest import assets
from blender.inside.describing import described, ply_of
from blender.inside.scenario_asset import make
from blender.inside.scenario_hostile_asset import bird_file, import_asset
from blender.inside.starting import cube, import_painted, painted_file, same_points, start, world_vertices


@pytest.fixture
def formed(ready: Any) -> Any:
    """Return an asset that was formed out of a cube, whose place it has taken."""
    start("BLOCKOUT", cube(location=(3.0, 0.0, 0.0), scale=(1.0, 2.0, 0.5)))
    return make(ready)


def again(addon: Any, name: str = "regenerate") -> Any:
    """Make it again, and return the job."""
    assert getattr(bpy.ops.limbeck, name)() == {"FINISHED"}
    job = addon.session.selected
    bpy.ops.limbeck.cancel()
    addon.pump_until(lambda: addon.session.job is None)
    return job


def where_it_starts(job: Any) -> np.ndarray:
    vertices, _ = ply_of(job.spec.init.blob.data)
    matrix = np.array(job.placement.matrix)
    return vertices @ matrix[:3, :3].T + matrix[:3, 3]


def test_asset_of_a_blockout_is_made_again_out_of_its_own(formed: Any, ready: Any) -> None:
    source = bpy.data.objects["Cube"]
    wanted = world_vertices(source)
    start("BLOCKOUT", cube(location=(0.0, 9.0, 0.0)))
    bpy.context.view_layer.objects.active = formed
    job = again(ready)
    assert job.spec.init.kind == "mesh"
    found = where_it_starts(job)
    assert same_points(found - found.mean(0), wanted - wanted.mean(0)), "as large and as turned"
    assert found.mean(0)[0] > 3.5, "beside it"
    assert source.hide_viewport, "hidden as before"


def test_variation_of_a_blockouts_asset_starts_from_it_too(formed: Any, ready: Any) -> None:
    job = again(ready, "vary")
    assert job.spec.init.kind == "mesh"
    assert job.spec.seed != formed["seed"]


def test_asset_whose_blockout_is_gone_forms_out_of_nothing(formed: Any, ready: Any) -> None:
    bpy.data.objects.remove(bpy.data.objects["Cube"])
    assert again(ready).spec.init.kind != "mesh"


def test_asset_of_nothing_does_not_start_from_what_the_panel_names(ready: Any) -> None:
    asset = make(ready)
    start("BLOCKOUT", cube())
    bpy.context.view_layer.objects.active = asset
    assert again(ready).spec.init.kind != "mesh"


def test_pictures_are_taken_without_what_the_panel_starts_from(ready: Any, tmp_path: Path) -> None:
    """A start that is no good is none of theirs: they used to be read with all the panels."""
    asset = make(ready)
    asset["references"] = 1
    start("BLOCKOUT", bpy.data.objects.new("Nothing", None))
    ready.module("reference_images").add(bpy.context.scene, bpy.data.images.new("picture", 64, 64))
    assert len(again(ready).spec.references) == 1


def test_textured_mesh_is_textured_again(ready: Any, tmp_path: Path) -> None:
    thing = cube()
    start("TEXTURE", thing)
    record = ready.module("provenance").Provenance("a bird", started_as="texture", started_from="Cube").to_json()
    import_painted(painted_file(described(ready), tmp_path / "it.glb"), source="Cube", record=record)
    start("NOTHING")
    job = again(ready)
    assert job.spec.lock_geometry
    assert (job.placement.source, job.placement.use) == ("Cube", "texture")


def test_hidden_asset_is_not_exported_as_an_empty_file(addon: Any, tmp_path: Path) -> None:
    import_asset(addon, bird_file(tmp_path / "bird.glb"))
    (asset,) = assets()
    asset.hide_set(True)
    bpy.context.view_layer.objects.active = asset
    assert not bpy.ops.limbeck.export_glb.poll()


def test_export_without_a_file_writes_none(addon: Any, tmp_path: Path) -> None:
    import_asset(addon, bird_file(tmp_path / "bird.glb"))
    with pytest.raises(RuntimeError, match="Choose a file"):
        bpy.ops.limbeck.export_glb(filepath="")
