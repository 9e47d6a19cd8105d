# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Inside a windowed Blender: what the viewport's capture holds, and the rig that is drawn."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import screen

MODULE = "bl_ext.user_default.limbeck"


def show_a_cube(scale: list[float], location: list[float]) -> None:
    """Show one red cube, with the grid, the cursor and the axes that a capture must leave out."""
    screen.in_viewport(bpy.ops.mesh.primitive_cube_add, location=location, scale=scale)
    thing = bpy.context.view_layer.objects.active
    color = thing.data.color_attributes.new("Color", "FLOAT_COLOR", "POINT")
    color.data.foreach_set("color", [0.8, 0.05, 0.05, 1.0] * len(thing.data.vertices))
    thing.select_set(True)


def capture(file: str) -> dict[str, Any]:
    """Capture the viewport as the menu does; return how it was captured, and save the picture."""
    area = screen.viewport()
    region = next(region for region in area.regions if region.type == "UI")
    with bpy.context.temp_override(window=bpy.context.window_manager.windows[0], area=area, region=region):
        outcome = bpy.ops.limbeck.add_reference_viewport()
    item = bpy.context.scene.limbeck.references[-1]
    images = sys.modules[f"{MODULE}.reference_images"]
    Path(file).write_bytes(images.png_of(item.image))
    thing = bpy.context.view_layer.objects.active
    corners = np.array([thing.matrix_world @ vertex.co for vertex in thing.data.vertices])
    c2w = np.reshape(item.c2w, (4, 4))
    seen = (corners - c2w[:3, 3]) @ c2w[:3, :3] * (1, -1, -1)
    pixels = seen[:, :2] / seen[:, 2:] * tuple(item.focal) + tuple(item.centre)
    return {
        "outcome": sorted(outcome),
        "size": list(item.size),
        "low": pixels.min(0).tolist(),
        "high": pixels.max(0).tolist(),
        "has_overlays": area.spaces.active.overlay.show_overlays,
    }


def capture_orthographically() -> Iterator[None]:
    """Return what the capture says of an orthographic view."""
    screen.viewport().spaces.active.region_3d.view_perspective = "ORTHO"
    yield from screen.pause(0.5)  # the view's matrix follows when it is drawn
    try:
        screen.in_viewport(bpy.ops.limbeck.add_reference_viewport)
    except RuntimeError as error:
        return str(error)
    return ""


def show_rig(**settings: Any) -> None:
    rig = bpy.context.scene.limbeck.rig
    for name, value in settings.items():
        setattr(rig, name, value)


def count_handlers() -> int:
    return len(sys.modules[f"{MODULE}.rig_overlay"]._handles)
