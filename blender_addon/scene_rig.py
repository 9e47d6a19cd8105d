# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel Camera Rig as the views of a job."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import bpy
import numpy as np

from . import blender_camera, camera_math, rig_shapes, wire
from .blender_camera import WorldCamera, job_camera
from .placement import Placement
from .refusal import DescriptionError

if TYPE_CHECKING:
    from limbeck_protocol.rig import Camera, CameraRig

SENSOR_MM = 24.0
"""Height of the sensor that a preset's focal length is of: Blender's default, and film's."""


def rig_of(scene: Any, placement: Placement) -> CameraRig | None:
    """Return from where a job looks; None leaves it to the recipe.

    Raises:
        DescriptionError: if there are no cameras, or one cannot be used.
    """
    rig = scene.limbeck.rig
    if rig.source == "RECIPE":
        return None
    if rig.source == "PRESET" and rig.preset != "TURNTABLE":
        return wire.rig.CameraRig(orbit=_orbit(rig))
    return wire.rig.CameraRig(cameras=tuple(cameras_of(scene, placement)))


def cameras_of(scene: Any, placement: Placement) -> list[Camera]:
    """Return the rig's cameras in the core's frame; of a preset those that its rings show.

    Raises:
        DescriptionError: as ``rig_of``, and for the recipe's own rig.
    """
    rig = scene.limbeck.rig
    if rig.source == "RECIPE":
        raise DescriptionError(
            "The recipe's own cameras are drawn anew in each step", "choose another source of cameras"
        )
    if rig.source == "PRESET":
        return preset_cameras(preset_of(rig), math.degrees(rig.jitter))
    frame = blender_camera.frame_of(scene)
    return [_converted(thing, frame, placement) for thing in camera_objects(scene)]


def camera_objects(scene: Any) -> Sequence[Any]:
    """Return the camera objects that the panel names.

    Raises:
        DescriptionError: if there are none.
    """
    rig = scene.limbeck.rig
    if rig.source == "COLLECTION":
        if rig.collection is None:
            raise DescriptionError("No collection of cameras is chosen", "pick one in Camera Rig")
        found = _cameras(rig.collection.all_objects)
        where = f'The collection "{rig.collection.name}" has no camera'
    elif rig.which == "ACTIVE":
        found, where = _cameras([scene.camera]), "The scene has no camera"
    elif rig.which == "SELECTED":
        found, where = _cameras(bpy.context.selected_objects), "No camera is selected"
    else:
        found, where = _cameras(scene.objects), "The scene has no camera"
    if not found:
        raise DescriptionError(where, "add one (Shift+A > Camera), or choose another source of cameras")
    return found


def preset_of(rig: Any) -> rig_shapes.Preset:
    """Return the panel's numbers; ranges that are upside down are turned."""
    fov_y_deg = math.degrees(rig.fov)
    if rig.lens_unit == "MILLIMETERS":
        fov_y_deg = math.degrees(2 * math.atan(SENSOR_MM / 2 / rig.focal_length))
    return rig_shapes.Preset(
        count=rig.count,
        rings=rig.rings,
        elevation_deg=_range(rig.elevation_min, rig.elevation_max),
        azimuth_deg=_range(rig.azimuth_min, rig.azimuth_max),
        distance=rig.distance,
        fov_y_deg=fov_y_deg,
    )


def preset_cameras(preset: rig_shapes.Preset, jitter_deg: float = 0.0) -> list[Camera]:
    """Return a preset's cameras in the core's frame."""
    K, size = rig_shapes.square_K(preset.fov_y_deg), rig_shapes.PIXELS
    poses = [rig_shapes.look_at_c2w(*station, preset.distance) for station in rig_shapes.stations(preset)]
    return [job_camera(WorldCamera("", c2w, K, size, size), jitter_deg=jitter_deg) for c2w in poses]


def _orbit(rig: Any) -> Any:
    preset = preset_of(rig)
    return wire.rig.Orbit(
        elevation_deg=preset.elevation_deg,
        azimuth_deg=preset.azimuth_deg,
        distance=(preset.distance, preset.distance),
        fov_y_deg=(preset.fov_y_deg, preset.fov_y_deg),
    )


def _converted(thing: Any, frame: camera_math.Frame, placement: Placement) -> Camera:
    found = blender_camera.world_camera(thing, frame)
    c2w = camera_math.into_frame(found.c2w, placement.matrix)
    reason = camera_math.blindness(c2w, found.K, found.width, found.height)
    if reason:
        raise DescriptionError(
            f'The camera "{thing.name}" {reason}', "move the camera, or the place of the asset (Start From)"
        )
    own = thing.data.limbeck
    return job_camera(replace(found, c2w=c2w), own.weight, math.degrees(own.jitter))


def _cameras(things: Any) -> list[Any]:
    return [thing for thing in things if thing is not None and thing.type == "CAMERA"]


def _range(low: float, high: float) -> tuple[float, float]:
    low, high = sorted(np.degrees((low, high)).tolist())
    return round(low, 4), round(high, 4)  # of angles kept as float32 radians: 90 degrees must not become 90.00000250
