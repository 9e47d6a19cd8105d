# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Where assets stand by default: beside one another, on the cursor's height."""

import itertools
from typing import Any

import bpy
import numpy as np
import pytest
from mathutils import Vector

from blender.inside.conftest import wait_for_live
from blender.inside.describing import add_camera


def box_of(thing: Any) -> tuple[np.ndarray, np.ndarray]:
    bpy.context.view_layer.update()
    corners = np.array([thing.matrix_world @ Vector(corner) for corner in thing.bound_box])
    return corners.min(0), corners.max(0)


def make(addon: Any) -> Any:
    addon.generate("a blue bird")
    addon.pump_until(lambda: addon.session.job is None)
    assert addon.session.problem is None
    return bpy.context.object


def test_assets_at_the_same_cursor_stand_in_a_row(ready: Any) -> None:
    bpy.context.scene.cursor.location = (3.0, -2.0, 1.0)
    made = [make(ready) for _ in range(3)]
    boxes = [box_of(thing) for thing in made]
    for (_, high), (low, _) in itertools.pairwise(boxes):
        assert low[0] > high[0], "to the right of the one before"
    assert len({round(thing.location.y, 3) for thing in made}) == 1
    bpy.context.scene.cursor.location = (3.0, 9.0, 1.0)
    assert make(ready).location.x == pytest.approx(made[0].location.x, abs=1e-3), "there is room"


def test_live_mesh_and_asset_stand_on_the_height_of_the_cursor(ready: Any) -> None:
    bpy.context.scene.cursor.location = (3.0, -2.0, 1.0)
    ready.request.steps = 40
    ready.generate("a blue bird")
    live = wait_for_live(ready)
    assert tuple(live.location) == (3, -2, 1)
    assert box_of(live)[0][2] == pytest.approx(1, abs=1e-5)
    ready.pump_until(lambda: ready.session.job is None)
    assert box_of(bpy.context.object)[0][2] == pytest.approx(1, abs=1e-5)


def test_jobs_that_wait_keep_their_places(ready: Any) -> None:
    ready.request.steps = 40
    for _ in range(2):
        ready.generate("a blue bird")
    second, first = ready.session.jobs
    assert second.placement.matrix[0][3] >= first.placement.matrix[0][3] + 2
    wait_for_live(ready)


def test_cameras_of_the_scene_hold_the_asset_where_they_look(ready: Any) -> None:
    make(ready)
    bpy.context.scene.camera = add_camera(at=(0.0, -5.0, 1.0))
    ready.request.rig.source = "SCENE"
    ready.generate("a blue bird")
    placement = ready.session.job.placement
    assert placement == ready.module("placement").at((0.0, 0.0, 0.0))
    assert box_of(wait_for_live(ready))[0][2] < -0.1, "its middle is where the cameras look"
