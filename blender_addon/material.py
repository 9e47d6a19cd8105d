# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A material whose base colour shows a mesh's vertex colours in Material Preview and in renders."""

from typing import Any

import bpy


def new_color_material(name: str, attribute: str) -> Any:
    """Return a new material that shows the colour attribute of that name."""
    material = bpy.data.materials.new(name)
    if material.node_tree is None:  # Blender 4: from 5.0 every material has nodes, and setting this warns
        material.use_nodes = True
    show_colors(material, attribute)
    return material


def show_colors(material: Any, attribute: str) -> None:
    """Feed the base colour from the attribute, unless a texture or another node feeds it already."""
    nodes = material.node_tree.nodes
    shader = next((node for node in nodes if node.type == "BSDF_PRINCIPLED"), None)
    if shader is None or shader.inputs["Base Color"].is_linked:
        return
    colors = nodes.new("ShaderNodeVertexColor")
    colors.layer_name = attribute
    colors.location = (shader.location.x - 200.0, shader.location.y)
    material.node_tree.links.new(colors.outputs["Color"], shader.inputs["Base Color"])
