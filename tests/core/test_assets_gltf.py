# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""GLB files. The golden file is made anew, after a deliberate change, by: python tests/core/test_assets_gltf.py"""

import io
import json
import struct
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import trimesh
from hypothesis import given
from hypothesis import strategies as st

import limbeck
from limbeck.assets.gltf import encode_glb, linear_colors, y_up
from limbeck.assets.mesh import empty_mesh, ground_point, make_mesh, signed_volume, vertex_normals

GOLDEN = Path(__file__).parents[1] / "golden" / "small.glb"
METADATA = {"prompt": "a red tetrahedron", "seed": 7, "recipe": {"name": "none"}, "models": ["embedded"]}


def tetrahedron():
    """A point at the front (-Y), a point up, and two on either side; front red, up green, sides of other colours."""
    corners = np.array([[0, -1, 0], [0, 0, 1], [0.75, 0.5, -0.25], [-0.75, 0.5, -0.25]])
    colors = np.array([[255, 0, 0, 255], [0, 200, 0, 255], [0, 0, 128, 255], [10, 40, 200, 128]], np.uint8)
    return make_mesh(corners, np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]]), colors)


def golden_bytes() -> bytes:
    """The version is pinned: a release does not change the format."""
    with mock.patch.object(limbeck, "__version__", "golden"):
        return encode_glb(tetrahedron(), name="tetrahedron", metadata=METADATA)


def chunks(glb: bytes):
    magic, version, total = struct.unpack_from("<4sII", glb)
    assert (magic, version, total) == (b"glTF", 2, len(glb))
    json_size, json_kind = struct.unpack_from("<I4s", glb, 12)
    binary_size, binary_kind = struct.unpack_from("<I4s", glb, 20 + json_size)
    assert (json_kind, binary_kind) == (b"JSON", b"BIN\0")
    assert json_size % 4 == binary_size % 4 == 0
    assert 28 + json_size + binary_size == total
    return json.loads(glb[20 : 20 + json_size]), glb[28 + json_size :]


def read_back(glb: bytes) -> trimesh.Trimesh:
    scene = trimesh.load(io.BytesIO(glb), file_type="glb", process=False)
    return next(iter(scene.geometry.values()))


def test_the_golden_file_has_not_changed():
    assert golden_bytes() == GOLDEN.read_bytes()


def test_the_same_mesh_gives_the_same_bytes():
    backwards = dict(reversed(METADATA.items()))
    assert encode_glb(tetrahedron(), metadata=METADATA) == encode_glb(tetrahedron(), metadata=backwards)


def test_trimesh_reads_positions_y_up_with_the_front_at_plus_z():
    read = read_back(golden_bytes())
    np.testing.assert_array_equal(read.vertices[0], [0, 0, 1])
    np.testing.assert_array_equal(read.vertices[1], [0, 1, 0])
    np.testing.assert_allclose(read.vertices[2], [0.75, -0.25, -0.5])
    np.testing.assert_array_equal(read.faces, tetrahedron().faces)


def test_trimesh_finds_the_winding_outwards():
    read = read_back(golden_bytes())
    assert read.is_watertight
    assert read.is_winding_consistent
    assert read.volume == pytest.approx(signed_volume(tetrahedron()))
    assert read.volume > 0


def test_trimesh_reads_the_normals_that_we_computed():
    np.testing.assert_allclose(
        read_back(golden_bytes()).vertex_normals, y_up(vertex_normals(tetrahedron()).astype(np.float32)), atol=1e-6
    )


def test_trimesh_reads_linear_colours():
    colors = np.asarray(read_back(golden_bytes()).visual.vertex_attributes["color"])
    np.testing.assert_array_equal(colors, linear_colors(tetrahedron().colors_srgb))


def test_every_srgb_level_is_decoded_exactly_and_stays_apart():
    levels = np.arange(256)
    exact = [
        65535 * (level / 255 / 12.92 if level / 255 <= 0.04045 else ((level / 255 + 0.055) / 1.055) ** 2.4)
        for level in range(256)
    ]
    decoded = linear_colors(np.repeat(levels[:, None], 4, axis=1).astype(np.uint8))
    assert np.abs(decoded[:, 0] - exact).max() <= 0.5
    assert (np.diff(decoded[:, 0].astype(int)) > 0).all()
    np.testing.assert_array_equal(decoded[:, 3], np.round(levels / 255 * 65535))


def test_the_scene_says_what_made_it():
    document, _ = chunks(golden_bytes())
    assert document["asset"]["generator"] == "Limbeck golden"
    assert document["asset"]["extras"] == document["nodes"][0]["extras"] == {"limbeck": METADATA}
    assert document["nodes"][0]["name"] == "tetrahedron"


def test_the_material_is_white_rough_and_single_sided():
    material = chunks(golden_bytes())[0]["materials"][0]
    assert material["pbrMetallicRoughness"] == {
        "baseColorFactor": [1.0, 1.0, 1.0, 1.0],
        "metallicFactor": 0.0,
        "roughnessFactor": 0.8,
    }
    assert material["doubleSided"] is False


def test_accessors_are_aligned_and_inside_the_buffer():
    document, binary = chunks(golden_bytes())
    assert document["buffers"] == [{"byteLength": len(binary)}]
    for view in document["bufferViews"]:
        assert view["byteOffset"] % 4 == 0
        assert view["byteOffset"] + view["byteLength"] <= len(binary)
    position = document["accessors"][0]
    assert position["min"] == [-0.75, -0.25, -0.5]
    assert position["max"] == [0.75, 1.0, 1.0]


def test_a_pivot_moves_the_origin_and_not_the_object():
    mesh = tetrahedron()
    assert ground_point(mesh) == (0.0, -0.25, -0.25)
    glb = encode_glb(mesh, pivot=ground_point(mesh))
    position = chunks(glb)[0]["accessors"][0]
    assert (position["min"][1], position["max"][1]) == (0.0, 1.25)
    assert position["min"][0] == -position["max"][0]
    assert position["min"][2] == -position["max"][2]
    scene = trimesh.load(io.BytesIO(glb), file_type="glb", process=False)
    np.testing.assert_allclose(scene.to_geometry().vertices, y_up(mesh.vertices), atol=1e-6)


@given(vertices=st.sampled_from([3, 4, 65534, 65535, 65536, 70000]))
def test_indices_are_as_wide_as_they_must_be(vertices):
    faces = np.array([[0, 1, vertices - 1]])
    document, binary = chunks(encode_glb(make_mesh(np.eye(3)[np.arange(vertices) % 3], faces)))
    accessor = document["accessors"][3]
    dtype = {5123: "<u2", 5125: "<u4"}[accessor["componentType"]]
    # The highest number of a type restarts primitives and must not be an index.
    assert (dtype == "<u2") == (vertices <= 65535)
    indices = np.frombuffer(binary, dtype, 3, document["bufferViews"][3]["byteOffset"])
    np.testing.assert_array_equal(indices, faces[0])


def test_normals_have_unit_length_even_without_area():
    flat = make_mesh(np.zeros((3, 3)), np.array([[0, 1, 2]]))
    np.testing.assert_allclose(np.linalg.norm(vertex_normals(flat), axis=1), 1)


def test_an_empty_mesh_and_metadata_that_are_no_json_are_refused():
    with pytest.raises(ValueError, match="empty"):
        encode_glb(empty_mesh())
    with pytest.raises(ValueError, match="JSON"):
        encode_glb(tetrahedron(), metadata={"loss": float("nan")})


if __name__ == "__main__":
    GOLDEN.write_bytes(golden_bytes())
