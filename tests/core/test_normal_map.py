# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Normal maps: MikkTSpace's frames, what a bake finds of a known bump, files, and how a lit asset looks with one."""

import io
import json
import struct
from dataclasses import replace

import numpy as np
import pytest
import trimesh
from PIL import Image
from scipy import ndimage

from limbeck.assets.bake import rasterize_uvs
from limbeck.assets.gltf import encode_glb
from limbeck.assets.mesh import make_mesh, vertex_normals
from limbeck.assets.normal_map import bake_normal_map
from limbeck.assets.render import render_mesh
from limbeck.assets.simplify import simplify_mesh
from limbeck.assets.tangents import (
    decode_normals,
    encode_normals,
    from_tangent_space,
    tangent_frames,
    to_tangent_space,
)
from limbeck.assets.texture import Texture
from limbeck.assets.unwrap import Unwrapping, unwrap
from limbeck.assets.wavefront import companions, write_obj
from limbeck.cameras import ring_cameras
from oracles.shapes import ball_mesh, torus_mesh

SIZE = 256


def with_picture(mesh, size=SIZE):
    unwrapping = unwrap(mesh, size)
    return replace(mesh, texture=Texture(unwrapping.uvs, unwrapping.uv_faces, np.full((size, size, 3), 200, np.uint8)))


def bumpy_ball(subdivisions):
    """A ball with waves whose normals a coarse mesh cannot show."""
    ball = ball_mesh(0.6, subdivisions=subdivisions)
    return make_mesh(ball.vertices * (1 + 0.02 * np.sin(18 * ball.vertices).prod(1, keepdims=True)), ball.faces)


@pytest.fixture(scope="module")
def bumpy():
    """A dense bumpy ball, and 1,500 faces of it with their normal map."""
    dense = bumpy_ball(6)
    coarse = with_picture(simplify_mesh(dense, 1500), 512)
    normal_map = bake_normal_map(coarse, coarse.texture, dense)
    return dense, coarse, replace(coarse, texture=replace(coarse.texture, normal_map=normal_map))


@pytest.mark.parametrize("mirrored", [False, True])
def test_frames_are_those_of_blenders_mikktspace(mirrored):
    bpy = pytest.importorskip("bpy", reason="needs the bpy module, which exists for Python 3.11 only")
    mesh = with_picture(torus_mesh())
    uvs = mesh.texture.uvs.copy()
    uvs[:, 0] = 1 - uvs[:, 0] if mirrored else uvs[:, 0]
    texture = replace(mesh.texture, uvs=uvs)
    theirs = bpy.data.meshes.new("torus")
    theirs.from_pydata(mesh.vertices.tolist(), [], mesh.faces.tolist(), shade_flat=False)
    theirs.normals_split_custom_set_from_vertices(vertex_normals(mesh).tolist())
    layer = theirs.uv_layers.new()
    layer.data.foreach_set("uv", (uvs[texture.uv_faces.ravel()] * [1, -1] + [0, 1]).ravel())
    theirs.calc_tangents()
    expected = np.array([loop.tangent[:] for loop in theirs.loops]).reshape(-1, 3, 3)
    frames = tangent_frames(mesh, texture)
    # Blender keeps custom normals in 16 bits an angle: 1e-4 of a radian.
    np.testing.assert_allclose(frames.tangents, expected, atol=2e-3)
    signs = np.array([loop.bitangent_sign for loop in theirs.loops]).reshape(-1, 3)
    np.testing.assert_array_equal(np.repeat(frames.signs[:, None], 3, 1), signs)


def test_tangent_space_there_and_back():
    mesh = with_picture(ball_mesh(0.6, subdivisions=2))
    generator = np.random.default_rng(0)
    faces = generator.integers(len(mesh.faces), size=500)
    frame = tangent_frames(mesh, mesh.texture).at(faces, generator.dirichlet((1, 1, 1), 500))
    wanted = frame[2] + 0.3 * generator.normal(size=(500, 3))
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    mapped = to_tangent_space(wanted, frame)
    is_outwards = mapped[:, 2] > 0.05
    assert is_outwards.mean() > 0.9
    np.testing.assert_allclose(from_tangent_space(mapped, frame)[is_outwards], wanted[is_outwards], atol=1e-6)
    as_bytes = decode_normals(encode_normals(mapped) / 255.0)
    # Half of a level of 255, in each axis.
    assert np.abs(as_bytes - mapped).max() <= 1 / 255 + 1e-9


def test_a_surface_is_flat_against_itself():
    mesh = with_picture(torus_mesh())
    texels = rasterize_uvs(Unwrapping(mesh.texture.uvs, mesh.texture.uv_faces), SIZE)
    found = bake_normal_map(mesh, mesh.texture, mesh)[texels.faces >= 0].astype(int)
    assert np.abs(found - (128, 128, 255)).max() <= 1


def test_a_tilted_plane_has_its_tilt_in_the_map():
    """u grows along x and v falls along y: a slope up along +x leans the normal to -x, one along +y to -y."""
    corners = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], float)
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    uvs = np.array([[0, 1], [1, 1], [1, 0], [0, 0]], np.float32)
    flat = make_mesh(corners, faces)
    texture = Texture(uvs, faces.astype(np.int32), np.zeros((32, 32, 3), np.uint8))
    for slope in ((0.2, 0.0), (0.0, 0.2), (-0.1, 0.15)):
        tilted = make_mesh(corners + np.outer(corners[:, :2] @ slope, (0, 0, 1)), faces)
        normal = np.array([-slope[0], -slope[1], 1.0])
        found = decode_normals(bake_normal_map(flat, texture, tilted)[16, 16] / 255.0)
        np.testing.assert_allclose(found, normal / np.linalg.norm(normal), atol=1 / 255)


def test_the_near_side_of_a_thin_wall_does_not_show_the_far_side():
    slab = trimesh.creation.box((1, 1, 0.004)).subdivide().subdivide()
    dense = make_mesh(slab.vertices, slab.faces)
    mesh = with_picture(dense)
    texels = rasterize_uvs(Unwrapping(mesh.texture.uvs, mesh.texture.uv_faces), SIZE)
    raised = bake_normal_map(replace(mesh, vertices=mesh.vertices + np.float32([0, 0, 0.003])), mesh.texture, dense)
    is_face = np.isin(texels.faces, np.flatnonzero(np.abs(slab.face_normals[:, 2]) > 0.9))
    middles = np.abs(slab.triangles_center[np.maximum(texels.faces, 0)][..., :2]).max(-1) < 0.3
    found = raised[is_face & middles].astype(int)
    assert len(found) > 1000
    assert np.abs(found - (128, 128, 255)).max() <= 2


def test_a_map_brings_back_most_of_the_bumps(bumpy):
    dense, coarse, mapped = bumpy
    cameras = ring_cameras(4, elevation_deg=20, fov_y_deg=40, distance=2.2, size=192)
    look = {"viewmats": cameras.viewmats.numpy(), "Ks": cameras.Ks.numpy(), "width": 192, "height": 192}
    painted = replace(dense, colors_srgb=np.full_like(dense.colors_srgb, 200))
    expected = render_mesh(painted, **look, shading="lit")
    # Beside the outline the coarse mesh covers other pixels, which no map can change.
    is_inside = np.stack([ndimage.binary_erosion(alpha == 1, iterations=4) for alpha in expected.alpha])
    without, within = (
        np.sqrt(np.square(expected.rgb_srgb - render_mesh(mesh, **look, shading="lit").rgb_srgb)[is_inside].mean())
        for mesh in (coarse, mapped)
    )
    assert within < 0.2 * without


def glb_document(content):
    (length,) = struct.unpack_from("<I", content, 12)
    return json.loads(content[20 : 20 + length]), content[20 + length + 8 :]


def test_a_glb_holds_the_map_and_the_tangents_it_was_baked_in(bumpy):
    _, coarse, mapped = bumpy
    document, binary = glb_document(encode_glb(mapped))
    (material,) = document["materials"]
    assert material["normalTexture"] == {"index": 1}
    assert set(document["meshes"][0]["primitives"][0]["attributes"]) == {"POSITION", "NORMAL", "TANGENT", "TEXCOORD_0"}
    image = document["images"][document["textures"][1]["source"]]
    view = document["bufferViews"][image["bufferView"]]
    picture = Image.open(io.BytesIO(binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]))
    np.testing.assert_array_equal(np.asarray(picture), mapped.texture.normal_map)
    plain, _ = glb_document(encode_glb(coarse))
    assert "normalTexture" not in plain["materials"][0]
    assert "TANGENT" not in plain["meshes"][0]["primitives"][0]["attributes"]


def test_a_glbs_tangents_lie_on_the_surface_along_u(bumpy):
    document, binary = glb_document(encode_glb(bumpy[2]))

    def read(number, width, kind="<f4"):
        accessor = document["accessors"][number]
        start = document["bufferViews"][accessor["bufferView"]]["byteOffset"]
        return np.frombuffer(binary, kind, accessor["count"] * width, start).reshape(-1, width).astype(float)

    primitive = document["meshes"][0]["primitives"][0]
    positions, normals, tangents, uvs = (
        read(primitive["attributes"][name], width)
        for name, width in (("POSITION", 3), ("NORMAL", 3), ("TANGENT", 4), ("TEXCOORD_0", 2))
    )
    np.testing.assert_allclose(np.linalg.norm(tangents[:, :3], axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(np.einsum("vi,vi->v", tangents[:, :3], normals), 0, atol=1e-5)
    assert set(tangents[:, 3]) == {1.0}
    faces = read(primitive["indices"], 1, "<u2").astype(int).reshape(-1, 3)
    one, other = (positions[faces[:, i]] - positions[faces[:, 0]] for i in (1, 2))
    du, dv = (uvs[faces[:, 1:]] - uvs[faces[:, :1]]).transpose(2, 0, 1)
    along_u = (one * dv[:, 1:] - other * dv[:, :1]) / (du[:, :1] * dv[:, 1:] - du[:, 1:] * dv[:, :1])
    along_u /= np.linalg.norm(along_u, axis=1, keepdims=True)
    assert np.quantile(np.einsum("fi,fci->fc", along_u, tangents[faces, :3]), 0.02) > 0.9


def test_trimesh_reads_the_map(bumpy):
    found = trimesh.load(io.BytesIO(encode_glb(bumpy[2])), file_type="glb", force="mesh")
    np.testing.assert_array_equal(
        np.asarray(found.visual.material.normalTexture.convert("RGB")), bumpy[2].texture.normal_map
    )


def test_an_obj_names_its_map(bumpy, tmp_path):
    path = tmp_path / "ball.obj"
    write_obj(path, bumpy[2])
    beside = companions(path)
    lines = beside.material.read_text().splitlines()
    assert {f"norm {beside.normal_map.name}", f"map_Bump {beside.normal_map.name}"} <= set(lines)
    np.testing.assert_array_equal(np.asarray(Image.open(beside.normal_map)), bumpy[2].texture.normal_map)
    write_obj(tmp_path / "flat.obj", bumpy[1])
    assert not companions(tmp_path / "flat.obj").normal_map.exists()
    assert "norm" not in companions(tmp_path / "flat.obj").material.read_text().split()


@pytest.mark.parametrize("suffix", [".glb", ".obj"])
def test_blender_puts_the_map_before_the_shader(bumpy, tmp_path, suffix):
    bpy = pytest.importorskip("bpy", reason="needs the bpy module, which exists for Python 3.11 only")
    bpy.ops.wm.read_homefile(use_empty=True)
    path = tmp_path / f"ball{suffix}"
    if suffix == ".glb":
        path.write_bytes(encode_glb(bumpy[2]))
        bpy.ops.import_scene.gltf(filepath=str(path))
    else:
        write_obj(path, bumpy[2])
        bpy.ops.wm.obj_import(filepath=str(path))
    (thing,) = [it for it in bpy.context.scene.objects if it.type == "MESH"]
    nodes = thing.active_material.node_tree.nodes
    (shader,) = [node for node in nodes if node.type == "BSDF_PRINCIPLED"]
    (link,) = shader.inputs["Normal"].links
    assert link.from_node.type == "NORMAL_MAP"
    (picture,) = link.from_node.inputs["Color"].links
    if suffix == ".glb":  # of an OBJ's pictures Blender takes all as sRGB
        assert picture.from_node.image.colorspace_settings.name == "Non-Color"
