# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What Blender's own importers make of our files: frame, colours, material, custom properties."""

from dataclasses import replace

import numpy as np
import pytest

from limbeck.assets.gltf import write_glb
from limbeck.assets.mesh import ground_point, make_mesh
from limbeck.assets.ply import write_ply
from limbeck.assets.texture import Texture
from limbeck.assets.wavefront import write_obj

bpy = pytest.importorskip("bpy", reason="needs the bpy module, which exists for Python 3.11 only")

CORNERS = np.array([[0, -1, 0], [0, 0, 1], [0.75, 0.5, -0.25], [-0.75, 0.5, -0.25]])
COLORS = np.array([[255, 0, 0, 255], [0, 200, 0, 255], [0, 0, 128, 255], [10, 40, 200, 255]], np.uint8)
MESH = make_mesh(CORNERS, np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]]), COLORS)
METADATA = {"prompt": "a red tetrahedron", "seed": 7}


def imported(path):
    bpy.ops.wm.read_homefile(use_empty=True)
    operator = {
        ".glb": bpy.ops.import_scene.gltf,
        ".obj": bpy.ops.wm.obj_import,
        ".ply": bpy.ops.wm.ply_import,
    }[path.suffix]
    assert operator(filepath=str(path)) == {"FINISHED"}
    (found,) = [thing for thing in bpy.context.scene.objects if thing.type == "MESH"]
    return found


def world_positions(thing):
    return np.array([thing.matrix_world @ vertex.co for vertex in thing.data.vertices])


def vertex_colors_srgb(thing):
    """Colours per vertex, whether Blender keeps them at vertices or at corners of faces."""
    attribute = thing.data.color_attributes.active_color
    owners = (
        range(len(thing.data.vertices))
        if attribute.domain == "POINT"
        else [loop.vertex_index for loop in thing.data.loops]
    )
    colors = np.zeros((len(thing.data.vertices), 4))
    for owner, item in zip(owners, attribute.data, strict=True):
        colors[owner] = item.color_srgb
    return colors * 255


@pytest.fixture(params=["glb", "obj", "ply"])
def found(request, tmp_path):
    path = tmp_path / f"tetrahedron.{request.param}"
    if request.param == "glb":
        write_glb(path, MESH, name="tetrahedron", metadata=METADATA)
    else:
        {"obj": write_obj, "ply": write_ply}[request.param](path, MESH)
    return imported(path)


def test_blender_restores_our_frame(found):
    np.testing.assert_allclose(world_positions(found), CORNERS, atol=1e-6)


def test_blender_sees_faces_from_outside(found):
    positions = world_positions(found)
    for polygon in found.data.polygons:
        normal = found.matrix_world.to_3x3() @ polygon.normal
        assert np.dot(normal, positions[list(polygon.vertices)].mean(0)) > 0


def test_blender_shows_our_colours(found):
    # Blender keeps GLB colours in bytes and passes them through linear light: two levels at most.
    np.testing.assert_allclose(vertex_colors_srgb(found), COLORS, atol=2)


def test_blender_builds_the_material_and_keeps_the_metadata(tmp_path):
    write_glb(tmp_path / "asset.glb", MESH, name="tetrahedron", metadata=METADATA)
    found = imported(tmp_path / "asset.glb")
    (material,) = found.data.materials
    nodes = {node.type: node for node in material.node_tree.nodes}
    shader = nodes["BSDF_PRINCIPLED"]
    (link,) = shader.inputs["Base Color"].links
    assert link.from_node.type == "VERTEX_COLOR"
    assert shader.inputs["Metallic"].default_value == 0
    assert shader.inputs["Roughness"].default_value == pytest.approx(0.8)
    assert material.use_backface_culling
    assert found.name == "tetrahedron"
    assert found["limbeck"].to_dict() == METADATA
    assert not bpy.context.scene.keys()


def test_blender_puts_the_origin_at_the_pivot(tmp_path):
    write_glb(tmp_path / "standing.glb", MESH, pivot=ground_point(MESH))
    found = imported(tmp_path / "standing.glb")
    np.testing.assert_allclose(found.matrix_world.translation, [0, -0.25, -0.25], atol=1e-6)
    assert min(vertex.co.z for vertex in found.data.vertices) == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(world_positions(found), CORNERS, atol=1e-6)


def textured():
    """The tetrahedron with one face on each quarter of a picture in four colours."""
    picture = np.repeat(np.repeat(COLORS[:, :3].reshape(2, 2, 3), 8, 0), 8, 1)
    corner = np.array([[0.05, 0.05], [0.45, 0.05], [0.05, 0.45]])
    uvs = np.concatenate([corner + shift for shift in ([0, 0], [0.5, 0], [0, 0.5], [0.5, 0.5])])
    texture = Texture(uvs.astype(np.float32), np.arange(12, dtype=np.int32).reshape(4, 3), picture)
    return replace(MESH, texture=texture)


@pytest.mark.parametrize("suffix", ["glb", "obj"])
def test_blender_feeds_the_base_colour_from_the_texture(tmp_path, suffix):
    path = tmp_path / f"asset.{suffix}"
    {"glb": write_glb, "obj": write_obj}[suffix](path, textured())
    found = imported(path)
    (material,) = found.data.materials
    shader = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    (link,) = shader.inputs["Base Color"].links
    assert link.from_node.type == "TEX_IMAGE"
    assert link.from_node.image.colorspace_settings.name == "sRGB"
    assert shader.inputs["Metallic"].default_value == 0
    assert shader.inputs["Roughness"].default_value == pytest.approx(0.8, abs=0.01)
    width, height = link.from_node.image.size
    pixels = np.array(link.from_node.image.pixels[:]).reshape(height, width, 4) * 255
    uvs = found.data.uv_layers.active.data
    for polygon, expected in zip(found.data.polygons, COLORS, strict=True):
        # Blender's v points up, and so do its rows.
        u, v = np.mean([uvs[corner].uv for corner in polygon.loop_indices], axis=0)
        np.testing.assert_allclose(pixels[int(v * height), int(u * width), :3], expected[:3], atol=1)
