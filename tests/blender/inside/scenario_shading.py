# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What viewports show once an asset has taken its live mesh's place."""

from pathlib import Path
from typing import Any

import bpy
import pytest

from blender.inside.scenario_asset import import_asset, textured_glb


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [("SOLID", "VERTEX", "TEXTURE"), ("SOLID", "MATERIAL", "MATERIAL"), ("MATERIAL", "VERTEX", "VERTEX")],
)
def test_colors_stay_in_view_on_completion(addon: Any, tmp_path: Path, kind: str, before: str, after: str) -> None:
    file = textured_glb(tmp_path / "cube.glb")
    shading = next(area for area in bpy.context.screen.areas if area.type == "VIEW_3D").spaces.active.shading
    shading.type, shading.color_type = kind, before
    import_asset(addon, file)
    assert (shading.type, shading.color_type) == (kind, after)


def test_vertex_colors_stay_while_another_mesh_forms(addon: Any, tmp_path: Path) -> None:
    file = textured_glb(tmp_path / "cube.glb")
    other = bpy.data.objects.new("forming", bpy.data.meshes.new("forming"))
    other["limbeck_job"] = "OTHER"
    shading = next(area for area in bpy.context.screen.areas if area.type == "VIEW_3D").spaces.active.shading
    shading.color_type = "VERTEX"
    import_asset(addon, file)
    assert shading.color_type == "VERTEX"
