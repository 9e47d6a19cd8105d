# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From where a job looks."""

# pyright: reportInvalidTypeForm=false
import math
from typing import Any

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, PointerProperty

from .. import rig_overlay
from ..texts import CONTEXT

SOURCE_ITEMS = (
    ("RECIPE", "Recipe's Own", "Views from all round, as the recipe was tuned for"),
    ("SCENE", "Scene Cameras", "Cameras of this scene"),
    ("COLLECTION", "Collection", "The cameras of a collection"),
    ("PRESET", "Preset", "Rings round the place of the asset"),
)
WHICH_ITEMS = (
    ("ACTIVE", "Active", "The scene's active camera"),
    ("SELECTED", "Selected", "The selected cameras"),
    ("ALL", "All", "All cameras of the scene"),
)
PRESET_ITEMS = (
    ("ORBIT", "Orbit", "Anywhere within the ranges, drawn anew in each step"),
    ("FRONT_ARC", "Front Arc", "As Orbit, but before the asset only"),
    ("TURNTABLE", "Turntable", "Cameras that stand still, evenly on each ring"),
)
_RANGES_DEG = {"ORBIT": (-10, 45, -180, 180), "FRONT_ARC": (-5, 30, -60, 60), "TURNTABLE": (0, 30, -180, 180)}


def _start_preset(rig: Any, context: Any) -> None:
    """Give a preset that has just been chosen its ranges."""
    names = ("elevation_min", "elevation_max", "azimuth_min", "azimuth_max")
    for name, value in zip(names, _RANGES_DEG[rig.preset], strict=True):
        setattr(rig, name, math.radians(value))
    rig_overlay.redraw()


def _shown_changed(rig: Any, context: Any) -> None:
    rig_overlay.sync()


class LIMBECK_PG_camera(bpy.types.PropertyGroup):
    weight: FloatProperty(
        name="Weight",
        description="How often Limbeck looks through this camera, beside the others",
        default=1.0,
        min=0.001,
        soft_max=10.0,
        max=1e6,
    )
    jitter: FloatProperty(
        name="Jitter",
        translation_context=CONTEXT,
        description="The camera is turned round the asset by up to this much, in azimuth and elevation",
        subtype="ANGLE",
        min=0.0,
        soft_max=math.radians(30),
        max=math.pi,
    )


class LIMBECK_PG_rig(bpy.types.PropertyGroup):
    source: EnumProperty(
        name="Views", description="From where the asset is looked at while it forms", items=SOURCE_ITEMS
    )
    which: EnumProperty(name="Cameras", description="Which of the scene's cameras", items=WHICH_ITEMS, default="ALL")
    collection: PointerProperty(
        name="Collection", description="Whose cameras are used, those of its children too", type=bpy.types.Collection
    )
    preset: EnumProperty(name="Preset", description="Where the rings are", items=PRESET_ITEMS, update=_start_preset)
    count: IntProperty(name="Cameras", description="On each ring", default=8, min=1, max=200)
    rings: IntProperty(name="Rings", description="Spread evenly over the elevations", default=2, min=1, max=10)
    elevation_min: FloatProperty(
        name="Elevation",
        description="Of the lowest ring, above the horizon",
        subtype="ANGLE",
        default=math.radians(-10),
        min=-math.pi / 2,
        max=math.pi / 2,
    )
    elevation_max: FloatProperty(
        name="to",
        description="Of the highest ring, above the horizon",
        subtype="ANGLE",
        default=math.radians(45),
        min=-math.pi / 2,
        max=math.pi / 2,
    )
    azimuth_min: FloatProperty(
        name="Azimuth",
        description="Where the rings begin. 0 is before the asset, and it grows counter-clockwise seen from above",
        subtype="ANGLE",
        default=-math.pi,
        min=-2 * math.pi,
        max=4 * math.pi,
    )
    azimuth_max: FloatProperty(
        name="to",
        description="Where the rings end",
        subtype="ANGLE",
        default=math.pi,
        min=-2 * math.pi,
        max=4 * math.pi,
    )
    distance: FloatProperty(
        name="Distance",
        description="From the middle of the asset, in its radii. At 3.2 with 40 degrees it fills the picture",
        default=3.2,
        min=1.05,
        soft_max=10.0,
        max=1000.0,
    )
    lens_unit: EnumProperty(
        name="Lens Unit",
        translation_context=CONTEXT,
        description="How the lens is given",
        items=(
            ("FOV", "Field of View", "As an angle"),
            ("MILLIMETERS", "Millimetres", "As a focal length"),
        ),
    )
    fov: FloatProperty(
        name="Field of View",
        translation_context=CONTEXT,
        description="From the top to the bottom of the picture, which is square",
        subtype="ANGLE",
        default=math.radians(40),
        min=math.radians(2),
        max=math.radians(150),
    )
    focal_length: FloatProperty(
        name="Focal Length",
        description="In millimetres, of a sensor 24 mm high",
        default=33.0,
        min=4.0,
        soft_max=200.0,
        max=600.0,
    )
    jitter: FloatProperty(
        name="Jitter",
        translation_context=CONTEXT,
        description="Each camera of a turntable is turned round the asset by up to this much",
        subtype="ANGLE",
        min=0.0,
        soft_max=math.radians(30),
        max=math.pi,
    )
    is_shown: BoolProperty(
        name="Show Rig",
        description="Draw the rings and the cameras in the viewports",
        update=_shown_changed,
    )


CLASSES = (LIMBECK_PG_camera, LIMBECK_PG_rig)
