# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What Limbeck's own renderer sees through a converted camera is what Blender renders through the camera itself."""

from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from mathutils import Euler

from blender.inside.describing import add_camera, described, ply_of

torch = pytest.importorskip("torch", reason="the core's renderer needs torch; python -m pip install torch")

from limbeck.representations.meshes.rasterize import project, rasterize  # noqa: E402
from limbeck.rigs import Placement  # noqa: E402
from limbeck_server.plan_references import camera_in_run  # noqa: E402

WIDTH, HEIGHT = 128, 96


def rendered_alpha(file: Path) -> np.ndarray:
    scene = bpy.context.scene
    scene.render.engine, scene.cycles.samples, scene.cycles.use_denoising = "CYCLES", 4, False
    scene.render.film_transparent, scene.render.filepath = True, str(file)
    scene.render.image_settings.color_mode = "RGBA"
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(str(file))
    pixels = np.empty(WIDTH * HEIGHT * 4, np.float32)
    image.pixels.foreach_get(pixels)
    return pixels.reshape(HEIGHT, WIDTH, 4)[::-1, :, 3] > 0.5


def seen_by_the_core(vertices: np.ndarray, faces: np.ndarray, camera: Any) -> np.ndarray:
    cameras = camera_in_run(camera, Placement())
    projected = project(torch.from_numpy(vertices).float(), cameras)
    return (rasterize(projected, torch.from_numpy(faces.astype(np.int64)), WIDTH, HEIGHT).faces[0] >= 0).numpy()


@pytest.mark.parametrize(("fit", "pixel_aspect"), [("AUTO", 1.0), ("HORIZONTAL", 1.5), ("VERTICAL", 1.5)])
def test_silhouettes_overlap(addon: Any, tmp_path: Path, fit: str, pixel_aspect: float) -> None:
    bpy.ops.mesh.primitive_monkey_add()
    monkey, parent = bpy.context.object, bpy.data.objects.new("Parent", None)
    bpy.context.scene.collection.objects.link(parent)
    monkey.parent, monkey.scale, monkey.rotation_euler = parent, (1.0, 2.0, 0.7), Euler((0.3, -0.2, 0.5))
    parent.scale, parent.location, parent.rotation_euler = (2.0, 2.0, 2.0), (7.0, -4.0, 3.0), Euler((0.1, 0.2, 2.0))
    camera = add_camera(at=(4.0, -11.0, 5.0))
    camera.location += parent.location
    camera.data.sensor_fit, camera.data.shift_x, camera.data.shift_y = fit, 0.08, -0.05
    camera.data.lens = 45.0
    scene = bpy.context.scene
    scene.camera, scene.limbeck.rig.source = camera, "SCENE"
    scene.limbeck.source.start, scene.limbeck.source.thing = "BLOCKOUT", monkey
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = WIDTH, HEIGHT, 100
    scene.render.pixel_aspect_y = pixel_aspect
    bpy.context.view_layer.update()
    spec = described(addon)
    core = seen_by_the_core(*ply_of(spec.init.blob.data), spec.rig.cameras[0])
    blender = rendered_alpha(tmp_path / "it.png")
    overlap = (core & blender).sum() / (core | blender).sum()
    print(f"{fit}, pixel aspect {pixel_aspect}: IoU {overlap:.4f} of {blender.sum()} pixels")
    assert blender.sum() > 500
    assert overlap > 0.97, "a pixel of the outline may be either's"
