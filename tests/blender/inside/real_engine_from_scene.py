# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""From the scene with the real engine: a blockout comes back in its place, a mesh is textured without moving."""

from typing import Any

import bpy
import numpy as np
import pytest
from mathutils import Euler

from .real_engine import real_server
from .scenario_from_scene import positions, world_vertices

__all__ = ["real_server"]


def run(addon: Any, steps: int) -> None:
    addon.pump_until(lambda: addon.session.link.status.text == "Ready", timeout_s=60)
    addon.request.steps = steps
    addon.generate("a blue penguin")
    addon.pump_until(lambda: addon.session.job is None, timeout_s=170)
    assert addon.session.problem is None


@pytest.mark.usefixtures("real_server")
def test_a_blockout_becomes_an_asset_in_its_place_and_size(addon: Any) -> None:
    bpy.ops.mesh.primitive_cylinder_add(radius=0.5, depth=2.0)
    thing = bpy.context.object
    thing.location, thing.scale, thing.rotation_euler = (5.0, -3.0, 2.0), (2.0, 2.0, 2.0), Euler((0.0, 0.6, 0.3))
    bpy.context.view_layer.update()
    addon.request.source.start = "BLOCKOUT"
    run(addon, 20)
    found, wanted = world_vertices(bpy.data.objects["a blue penguin"]), world_vertices(thing)
    axis = np.array(thing.matrix_world.col[2][:3])
    axis /= np.linalg.norm(axis)
    print("middle", found.mean(0), "length along the axis", np.ptp(found @ axis), "of", np.ptp(wanted @ axis))
    assert np.abs((found.min(0) + found.max(0)) / 2 - (wanted.min(0) + wanted.max(0)) / 2).max() < 0.4
    assert np.ptp(found @ axis) == pytest.approx(np.ptp(wanted @ axis), rel=0.15)
    assert not thing.visible_get()


@pytest.mark.usefixtures("real_server")
def test_a_textured_monkey_keeps_every_vertex(addon: Any) -> None:
    bpy.ops.mesh.primitive_monkey_add()
    thing = bpy.context.object
    thing.location, thing.scale = (1.0, 2.0, 3.0), (1.0, 1.5, 0.5)
    bpy.context.view_layer.update()
    before = positions(thing.data)
    addon.request.source.start = "TEXTURE"
    run(addon, 20)
    assert positions(thing.data) == before, "bit for bit"
    assert [it.name for it in bpy.data.objects] == ["Suzanne"]
    assert not thing.hide_get()
    nodes = thing.material_slots[0].material.node_tree.nodes
    image = next(node for node in nodes if node.type == "TEX_IMAGE").image
    pixels = addon.module("reference_images").pixels_of(image)
    assert pixels.shape[1] == 1024
    assert pixels[..., :3].std() > 0.02, "it is painted"
    assert (thing["prompt"], len(thing.data.uv_layers)) == ("a blue penguin", 2)
