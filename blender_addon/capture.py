# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures out of the scene: what its camera renders and what a viewport shows, each with the camera that saw it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from . import blender_camera, camera_math, pictures, reference_images
from .blender_camera import WorldCamera
from .refusal import DescriptionError


@dataclass(frozen=True)
class Drawn:
    """What a viewport shows, the top row first.

    Attributes:
        rgba: [H,W,4] bytes.
        depth: [H,W], 0 to 1 at the far end.
    """

    rgba: pictures.Rgba
    depth: Any


def render_scene_camera(scene: Any) -> tuple[Any, WorldCamera]:
    """Render what the scene's camera sees, over transparency; return a packed image, and the camera.

    Raises:
        DescriptionError: if there is no camera, or no pinhole camera, or the render fails.
    """
    if scene.camera is None:
        raise DescriptionError("The scene has no camera", "add one (Shift+A > Camera), or capture the viewport")
    full = blender_camera.frame_of(scene)
    percentage = max(
        1, int(scene.render.resolution_percentage * min(1.0, pictures.LONGEST_SIDE / max(full.width, full.height)))
    )
    with tempfile.TemporaryDirectory() as folder, _still(scene, Path(folder) / "render.png", percentage) as file:
        camera = blender_camera.world_camera(scene.camera, blender_camera.frame_of(scene))
        try:
            bpy.ops.render.render(write_still=True, scene=scene.name)
        except RuntimeError as error:
            raise DescriptionError(
                f"The scene cannot be rendered: {str(error).strip()}", "render it with F12"
            ) from error
        if not file.exists():
            raise DescriptionError("The render wrote no picture", "render it with F12 and look what it says")
        image = bpy.data.images.load(str(file))
        image.name = f"{scene.camera.name} Render"
        image.pack()
        image.filepath_raw = ""
    return image, camera


def capture_viewport(context: Any) -> tuple[Any, WorldCamera]:
    """Draw what the viewport shows, without overlays; return a packed image, and the viewport's camera.

    Raises:
        DescriptionError: if Blender has no window, or the view is orthographic.
    """
    require_window()
    region = next(region for region in context.area.regions if region.type == "WINDOW")
    view = context.space_data.region_3d
    width, height = size_for(region.width, region.height)
    camera = view_camera(view.view_matrix, view.window_matrix, width, height)
    drawn = draw_viewport(context, region, view, width, height)
    return reference_images.new_image("Viewport", pictures.with_alpha_of_depth(drawn.rgba, drawn.depth)), camera


def require_window() -> None:
    """Refuse to draw where there is no window."""
    if bpy.app.background:
        raise DescriptionError("A viewport is drawn only in Blender's window", "render the scene's camera instead")


def size_for(width: int, height: int) -> tuple[int, int]:
    """Return a picture's size in a region's shape, at most ``pictures.LONGEST_SIDE`` pixels along its longer side."""
    scale = min(1.0, pictures.LONGEST_SIDE / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def view_camera(view_matrix: Any, window_matrix: Any, width: int, height: int) -> WorldCamera:
    """Return the camera of a perspective view.

    Raises:
        DescriptionError: if it is orthographic.
    """
    K = camera_math.intrinsics_of_projection(window_matrix, width, height)
    c2w = camera_math.rigid_c2w(np.linalg.inv(np.array(view_matrix, np.float64)), "Viewport")
    return WorldCamera("Viewport", c2w, K, width, height)


def draw_viewport(context: Any, region: Any, view: Any, width: int, height: int) -> Drawn:
    """Draw a viewport into a buffer. The one function here that needs a GPU and a window."""
    import gpu  # noqa: PLC0415 # pyright: ignore[reportMissingImports] - only a window has one

    space = context.space_data
    had_overlays = space.overlay.show_overlays
    space.overlay.show_overlays = False
    buffer = gpu.types.GPUOffScreen(width, height)
    try:
        buffer.draw_view3d(
            context.scene,
            context.view_layer,
            space,
            region,
            view.view_matrix,
            view.window_matrix,
            do_color_management=True,
            draw_background=False,
        )
        with buffer.bind():
            frame = gpu.state.active_framebuffer_get()
            depth = np.array(frame.read_depth(0, 0, width, height).to_list(), np.float32).reshape(height, width)
            colors = frame.read_color(0, 0, width, height, 4, 0, "UBYTE")
        rgba = np.array(colors.to_list(), np.uint8).reshape(height, width, 4)
    finally:
        buffer.free()
        space.overlay.show_overlays = had_overlays
    return Drawn(rgba[::-1].copy(), depth[::-1].copy())


@contextmanager
def _still(scene: Any, file: Path, percentage: int) -> Iterator[Path]:
    """Let the scene render one PNG with transparency, and then be as it was."""
    render = scene.render
    wanted = [
        (render, "filepath", str(file)),
        (render, "resolution_percentage", percentage),
        (render, "film_transparent", True),
        (render, "use_border", False),
        (render, "use_sequencer", False),
        (render, "use_file_extension", True),
        (render.image_settings, "media_type", "IMAGE"),
        (render.image_settings, "file_format", "PNG"),
        (render.image_settings, "color_mode", "RGBA"),
        (render.image_settings, "color_depth", "8"),
    ]
    known = [(owner, name, value) for owner, name, value in wanted if hasattr(owner, name)]
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in known]
    try:
        for owner, name, value in known:
            setattr(owner, name, value)
        yield file
    finally:
        for owner, name, value in before:
            setattr(owner, name, value)
