# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Inside a windowed Blender: how the extension's jobs stand, and what of them is in the scene."""

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
