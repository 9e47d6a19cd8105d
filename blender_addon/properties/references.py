# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A reference picture: the image, what it is for, and the camera that saw it, in Blender's world."""

# pyright: reportInvalidTypeForm=false
import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, FloatVectorProperty, IntVectorProperty, PointerProperty

USE_ITEMS = (
    ("PROMPT", "Image Prompt", "The prior looks at the picture: the asset gets its looks, not its very pixels"),
    ("PHOTOMETRIC", "Hold the Render to It", "Seen from the picture's camera, the asset shall look like the picture"),
    ("BOTH", "Both", "An image prompt, and the render is held to it at its camera"),
)


class LIMBECK_PG_reference(bpy.types.PropertyGroup):
    image: PointerProperty(
        name="Image",
        description="A picture of the object, on a plain or transparent background",
        type=bpy.types.Image,
    )
    weight: FloatProperty(
        name="Weight",
        description="How much this picture counts beside the others. 0 leaves it out",
        default=1.0,
        min=0.0,
        soft_max=10.0,
        max=1e6,
    )
    use: EnumProperty(name="Use", description="What the picture is for", items=USE_ITEMS)
    is_posed: BoolProperty(
        name="Has a Camera", description="Whether the picture knows the camera that saw it, and where it stood"
    )
    c2w: FloatVectorProperty(
        name="Camera", description="The camera's matrix in the world, row after row", size=16, precision=6
    )
    focal: FloatVectorProperty(name="Focal Lengths", description="In pixels of the picture as it was seen", size=2)
    centre: FloatVectorProperty(name="Optical Centre", description="In pixels of the picture as it was seen", size=2)
    size: IntVectorProperty(name="Size", description="Of the picture as it was seen, in pixels", size=2)


CLASSES = (LIMBECK_PG_reference,)
