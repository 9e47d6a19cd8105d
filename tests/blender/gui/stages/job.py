# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Inside a windowed Blender: how the extension's jobs stand, and what of them is in the scene."""

import hashlib
import struct
import sys
from typing import Any

import bpy

MODULE = "bl_ext.user_default.limbeck"
SHAPES: set[tuple[float, ...]] = set()
"""What the live meshes have looked like whenever somebody asked."""


def session() -> Any:
    return module("timer").session()


def module(name: str) -> Any:
    return sys.modules[f"{MODULE}.{name}"]


def status() -> str:
    return session().link.status.text


def is_ready() -> bool:
    return session().link.is_ready


def state() -> dict[str, Any]:
    """Return how the followed job and the scene stand."""
    job, problem = session().job, session().problem
    lives = [thing for thing in bpy.data.objects if "limbeck_job" in thing]
    for live in lives:
        SHAPES.add((len(live.data.vertices), round(live.dimensions.y, 4)))
    return {
        "job": job and {"id": job.id, "phase": job.phase, "stage": job.stage, "step": job.step, "steps": job.steps},
        "problem": problem and problem.message,
        "status": status(),
        "live": [live.name for live in lives],
        "triangles": sum(len(live.data.polygons) for live in lives),
        "shapes": len(SHAPES),
        "assets": [thing.name for thing in bpy.data.objects if is_asset(thing)],
    }


def is_asset(thing: Any) -> bool:
    return "prompt" in thing and "limbeck_job" not in thing


def set_preference(name: str, value: Any) -> None:
    setattr(bpy.context.preferences.addons[MODULE].preferences, name, value)


def sent() -> dict[str, Any]:
    """Return what the followed job was asked for, as far as the scenarios look at it."""
    spec = session().job.spec
    return {
        "references": [{"is_posed": reference.camera is not None} for reference in spec.references],
        "cameras": len(spec.rig.cameras) if spec.rig is not None else 0,
    }


def vertices_of_active() -> str:
    """Return a digest of the active object's vertex positions, bit for bit."""
    mesh = bpy.context.view_layer.objects.active.data
    return hashlib.sha256(b"".join(struct.pack("<3f", *vertex.co) for vertex in mesh.vertices)).hexdigest()


def prompt_of_active() -> str:
    return bpy.context.view_layer.objects.active["prompt"]
