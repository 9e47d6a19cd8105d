# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Cameras as a transforms.json: the convention of instant-ngp, nerfstudio and BlenderNeRF."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from limbeck_protocol.errors import JobError
from limbeck_protocol.rig import Camera, Row3

DEFAULT_PIXELS = 512


def cameras_from_transforms(content: bytes, name: str) -> tuple[Camera, ...]:
    """Return the cameras of a transforms.json.

    Args:
        content: JSON with ``frames`` of ``transform_matrix`` (camera to world, OpenGL axes), and intrinsics in the file
            or per frame: ``fl_x``, ``fl_y``, ``cx``, ``cy`` in pixels with ``w``, ``h``, or ``camera_angle_x``
            in radians.
            Limbeck's own ``weight`` and ``jitter_deg`` per frame are read where present.
        name: of the file, for messages.

    Raises:
        JobError: E_SCHEMA if it is no such file, or a camera is not valid.
    """
    try:
        plain = json.loads(content)
        if not plain["frames"]:
            raise ValueError("an empty list of frames")
        return tuple(camera_of({**plain, **frame}) for frame in plain["frames"])
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        raise JobError(
            "E_SCHEMA",
            f"expected a transforms.json with frames of transform_matrix and intrinsics in {name}, got {error!r}",
            "export cameras with BlenderNeRF, nerfstudio or instant-ngp",
            field="cameras",
        ) from error


def transforms_of(cameras: Sequence[Camera]) -> bytes:
    """Return a transforms.json of the cameras, which ``cameras_from_transforms`` reads again number for number."""
    frames = [
        {
            "transform_matrix": camera.c2w,
            "fl_x": camera.K[0][0],
            "fl_y": camera.K[1][1],
            "cx": camera.K[0][2],
            "cy": camera.K[1][2],
            "w": camera.width,
            "h": camera.height,
            "weight": camera.weight,
            "jitter_deg": camera.jitter_deg,
        }
        for camera in cameras
    ]
    return json.dumps({"camera_model": "OPENCV", "frames": frames}, indent=1).encode()


def camera_of(fields: Mapping[str, Any], size: tuple[int, int] = (DEFAULT_PIXELS, DEFAULT_PIXELS)) -> Camera:
    """Return the camera of one frame, to which the file's own fields were added.

    Args:
        fields: as ``cameras_from_transforms`` says.
        size: width and height in pixels where the fields do not tell them.

    Raises:
        JobError: E_SCHEMA for a camera that is none; and what Python raises for fields of wrong kinds.
    """
    width, height = int(fields.get("w", size[0])), int(fields.get("h", size[1]))
    rows = [tuple(float(number) for number in row) for row in fields["transform_matrix"]]
    if len(rows) not in (3, 4) or any(len(row) != 4 for row in rows):
        raise ValueError("transform_matrix is not of 3 or 4 rows of 4 numbers")
    c2w: Any = (*rows[:3], (0.0, 0.0, 0.0, 1.0))
    return Camera(
        c2w,
        _intrinsics(fields, width, height),
        width,
        height,
        float(fields.get("weight", 1.0)),
        float(fields.get("jitter_deg", 0.0)),
    )


def _intrinsics(fields: Mapping[str, Any], width: int, height: int) -> tuple[Row3, Row3, Row3]:
    focal = fields.get("fl_x") or 0.5 * width / math.tan(0.5 * _angle(fields["camera_angle_x"]))
    focal_y = fields.get("fl_y") or focal
    cx, cy = fields.get("cx", width / 2), fields.get("cy", height / 2)
    return ((float(focal), 0.0, float(cx)), (0.0, float(focal_y), float(cy)), (0.0, 0.0, 1.0))


def _angle(value: Any) -> float:
    """Return a full angle of view in radians."""
    angle = float(value)
    if not 0 < angle < math.pi:
        raise ValueError(f"camera_angle_x is {value}; an angle of view is more than 0 and less than pi radians")
    return angle
