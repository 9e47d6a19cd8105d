# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The camera conventions against Blender's own projection."""

import pytest
import torch

from limbeck.cameras import orbit_cameras

bpy = pytest.importorskip("bpy", reason="needs the bpy module, which exists for Python 3.11 only")


@pytest.fixture
def scene():
    bpy.ops.wm.read_homefile(use_empty=True)
    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y = 160, 120
    return scene


def test_blender_projects_points_where_our_matrices_do(scene):
    from bpy_extras.object_utils import world_to_camera_view
    from mathutils import Matrix, Vector

    cameras = orbit_cameras(
        torch.tensor([15.0, -20.0, 60.0]),
        torch.tensor([0.0, 130.0, -75.0]),
        torch.tensor([2.5, 3.0, 4.0]),
        torch.tensor([45.0, 30.0, 60.0]),
        width=160,
        height=120,
    )
    points = torch.tensor([[0.1, -0.5, 0.3], [0.7, 0.2, -0.4], [-0.3, 0.4, 0.8]])
    for view in range(3):
        camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
        scene.collection.objects.link(camera)
        camera.data.sensor_fit = "VERTICAL"
        camera.data.angle = float(torch.deg2rad(torch.tensor([45.0, 30.0, 60.0])[view]))
        camera.matrix_world = Matrix(cameras.c2w[view].tolist())
        bpy.context.view_layer.update()
        for point in points:
            x, y, depth = world_to_camera_view(scene, camera, Vector(point.tolist()))
            ours = cameras.viewmats[view, :3, :3] @ point + cameras.viewmats[view, :3, 3]
            pixel = cameras.Ks[view] @ ours / ours[2]
            theirs = torch.tensor([x * 160, (1 - y) * 120, depth])
            # Blender stores matrices and angles in float32: a few 1e-5 of 160 pixels.
            torch.testing.assert_close(torch.stack([pixel[0], pixel[1], ours[2]]), theirs, atol=5e-3, rtol=0)


def test_azimuth_zero_is_blenders_front_view(scene):
    from mathutils import Matrix

    one = torch.ones(1)
    c2w = orbit_cameras(one * 0, one * 0, one * 3, one * 45, width=64, height=64).c2w[0]
    looks = Matrix(c2w.tolist()).to_euler()
    assert [round(angle, 4) for angle in looks] == [1.5708, 0.0, 0.0]  # numpad 1: rotated 90 degrees about x
