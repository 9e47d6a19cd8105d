# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Camera objects of the scene to pinhole cameras, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import bpy
import numpy.typing as npt
from mathutils import Matrix

from . import wire
from .camera_math import Frame, Lens, intrinsics, rigid_c2w
from .placement import rows
from .refusal import DescriptionError

if TYPE_CHECKING:
    from limbeck_protocol.rig import Camera


@dataclass(frozen=True)
class WorldCamera:
    """A pinhole camera in Blender's world; conventions as in ``camera_math``."""

    name: str
    c2w: npt.NDArray[Any]
    K: npt.NDArray[Any]
    width: int
    height: int


def frame_of(scene: Any) -> Frame:
    """Return the picture that the scene renders, resolution percentage included."""
    render = scene.render
    width, height = (
        max(1, size * render.resolution_percentage // 100) for size in (render.resolution_x, render.resolution_y)
    )
    return Frame(width, height, render.pixel_aspect_x, render.pixel_aspect_y)


def world_camera(thing: Any, frame: Frame) -> WorldCamera:
    """Return what a camera object sees in a picture of that shape; parents and constraints count.

    Raises:
        DescriptionError: if no pinhole camera sees so.
    """
    evaluated = thing.evaluated_get(bpy.context.evaluated_depsgraph_get())
    optics = evaluated.data
    if optics.type != "PERSP":
        kind = {"ORTHO": "orthographic", "PANO": "panoramic"}.get(optics.type, "of another kind")
        raise DescriptionError(f'The camera "{thing.name}" is {kind}', "make it Perspective, or leave it out")
    lens = Lens(
        optics.lens, optics.sensor_fit, optics.sensor_width, optics.sensor_height, optics.shift_x, optics.shift_y
    )
    c2w = rigid_c2w(evaluated.matrix_world, thing.name)
    return WorldCamera(thing.name, c2w, intrinsics(lens, frame), frame.width, frame.height)


def job_camera(camera: WorldCamera, weight: float = 1.0, jitter_deg: float = 0.0) -> Camera:
    """Return a camera as a job has it; its ``c2w`` must be in the core's frame by now."""
    c2w: Any = rows(camera.c2w)
    K: Any = rows(camera.K)
    return wire.rig.Camera(c2w, K, camera.width, camera.height, weight, jitter_deg)


def new_camera(name: str, c2w: npt.NDArray[Any], lens: Lens, collection: Any) -> Any:
    """Add a camera object to a collection."""
    optics = bpy.data.cameras.new(name)
    optics.lens_unit = "MILLIMETERS"
    optics.lens, optics.sensor_fit = lens.focal, lens.sensor_fit
    optics.sensor_width, optics.sensor_height = lens.sensor_width, lens.sensor_height
    optics.shift_x, optics.shift_y = lens.shift_x, lens.shift_y
    thing = bpy.data.objects.new(name, optics)
    thing.matrix_world = Matrix(c2w.tolist())
    collection.objects.link(thing)
    return thing
