# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a job starts from, and where its asset goes."""

# pyright: reportInvalidTypeForm=false
import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, PointerProperty

START_ITEMS = (
    ("NOTHING", "Nothing", "The asset forms out of fog"),
    ("BLOCKOUT", "A Mesh", "The asset forms out of an object of the scene, in its place, size and orientation"),
    ("TEXTURE", "Texture a Mesh", "An object of the scene keeps every vertex and gets a texture"),
)
FIT_ITEMS = (
    ("CURSOR", "3D Cursor", "The asset appears at the 3D cursor, upright"),
    ("BOX", "Bounding Box", "The asset fills the bounding box of an object, standing on its bottom"),
    ("ORIGIN", "World Origin", "The asset appears at the world's origin, upright"),
)


class LIMBECK_PG_source(bpy.types.PropertyGroup):
    start: EnumProperty(name="Start From", description="What the asset forms out of", items=START_ITEMS)
    thing: PointerProperty(
        name="Object",
        description="The object to start from. Empty: the active object, if it is selected",
        type=bpy.types.Object,
    )
    hides_source: BoolProperty(
        name="Hide the Object",
        description="Hide the object that the asset was made from, because the asset stands in its place",
        default=True,
    )
    fit: EnumProperty(name="Place", description="Where the asset goes", items=FIT_ITEMS)
    box: PointerProperty(
        name="Box",
        description="The object whose bounding box the asset fills. Empty: the active object, if it is selected",
        type=bpy.types.Object,
    )
    radius: FloatProperty(
        name="Radius",
        description="How far the asset reaches from its middle, about",
        subtype="DISTANCE",
        default=1.0,
        min=1e-4,
        soft_max=100.0,
        max=1e5,
    )


CLASSES = (LIMBECK_PG_source,)
