# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
import io

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from limbeck.assets.gltf import encode_glb
from limbeck.assets.mesh import make_mesh
from limbeck.errors import LimbeckError
from limbeck.representations.field.settings import FieldSettings
from limbeck.representations.gaussians import GaussianSettings
from limbeck.representations.shape import MAX_BYTES, read_shape
from limbeck.representations.starts import gaussians_from, voxels_from

CPU = torch.device("cpu")
BOX = trimesh.creation.box(extents=(1.0, 2.0, 3.0))


def _exported(mesh, suffix):
    found = mesh.export(file_type=suffix[1:])
    return found.encode() if isinstance(found, str) else found


def _y_up(mesh):
    turned = mesh.copy()
    turned.vertices = np.stack([mesh.vertices[:, 0], mesh.vertices[:, 2], -mesh.vertices[:, 1]], 1)
    return turned


def _npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def _npy(array):
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


@pytest.mark.parametrize("suffix", [".glb", ".obj", ".ply", ".stl"])
def test_a_mesh_stands_upright_whatever_its_format(suffix):
    mesh = _y_up(BOX) if suffix in (".glb", ".obj") else BOX
    shape = read_shape("mesh", _exported(mesh, suffix), suffix)
    np.testing.assert_allclose(np.ptp(shape.points, axis=0), (1.0, 2.0, 3.0), atol=1e-6)
    assert len(shape.faces) == 12


def test_a_meshs_vertices_and_faces_are_as_they_came():
    shape = read_shape("mesh", _exported(BOX, ".ply"), ".ply")
    np.testing.assert_array_equal(shape.original.vertices, BOX.vertices.astype(np.float32))
    np.testing.assert_array_equal(shape.original.faces, BOX.faces)


def test_vertex_colors_and_textures_are_kept():
    painted = BOX.copy()
    painted.visual.vertex_colors = np.tile([[200, 100, 50, 255]], (8, 1))
    shape = read_shape("mesh", _exported(painted, ".ply"), ".ply")
    np.testing.assert_allclose(shape.colors_srgb, np.tile([[200, 100, 50]], (8, 1)) / 255)
    textured = BOX.copy()
    material = trimesh.visual.material.PBRMaterial(baseColorTexture=Image.new("RGB", (4, 4), (10, 20, 30)))
    textured.visual = trimesh.visual.TextureVisuals(uv=np.full((8, 2), 0.5), material=material)
    shape = read_shape("mesh", _exported(textured, ".glb"), ".glb")
    np.testing.assert_allclose(shape.colors_srgb, np.tile([[10, 20, 30]], (len(shape.points), 1)) / 255, atol=0.01)
    assert read_shape("mesh", _exported(BOX, ".stl"), ".stl").colors_srgb is None


def test_vertex_colors_of_a_glb_are_kept():
    levels = np.array([[index * 36, 255 - index * 36, 7 * index, 255] for index in range(8)], np.uint8)
    asset = encode_glb(make_mesh(np.asarray(BOX.vertices), np.asarray(BOX.faces), levels))
    np.testing.assert_allclose(read_shape("mesh", asset, ".glb").colors_srgb * 255, levels[:, :3], atol=0.5)


def test_points_and_colors_are_read_from_every_format():
    points = np.random.default_rng(0).normal(size=(20, 3))
    colors = np.tile([[255, 0, 51]], (20, 1)).astype(np.uint8)
    cloud = trimesh.PointCloud(points, colors=np.concatenate([colors, np.full((20, 1), 255)], 1))
    files = {
        ".ply": cloud.export(file_type="ply"),
        ".npz": _npz(points=points, colors=colors),
        ".npy": _npy(np.concatenate([points, colors / 255], 1)),
    }
    for suffix, content in files.items():
        shape = read_shape("points", content, suffix)
        np.testing.assert_allclose(shape.points, points, atol=1e-6)
        np.testing.assert_allclose(shape.colors_srgb, np.tile([[1.0, 0.0, 0.2]], (20, 1)), atol=1e-6)
    plain = "\n".join(" ".join(map(str, point)) for point in points.tolist()).encode()
    np.testing.assert_allclose(read_shape("points", plain, ".xyz").points, points, atol=1e-6)


def _fan(faces):
    return trimesh.Trimesh([[0, 0, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0], [-1, 0, 0]], faces, process=False)


BAD = {
    "not manifold": ("mesh", _exported(_fan([[0, 1, 2], [0, 1, 3], [0, 1, 4]]), ".ply"), ".ply", "manifold"),
    "without area": ("mesh", _exported(_fan([[0, 1, 0], [1, 2, 1]]), ".ply"), ".ply", "area"),
    "damaged": ("mesh", b"glTF" + b"\xff" * 40, ".glb", "readable"),
    "empty file": ("mesh", b"\n", ".obj", "expected"),
    "no faces": ("mesh", trimesh.PointCloud([[0, 0, 0], [1, 1, 1]]).export(file_type="ply"), ".ply", "faces"),
    "unknown suffix": ("mesh", b"x", ".blend", "file ending in"),
    "not finite": ("points", _npy(np.array([[0, 0, np.nan], [1, 1, 1]])), ".npy", "finite"),
    "infinite": ("points", _npz(points=np.array([[0, 0, np.inf], [1, 1, 1]])), ".npz", "finite"),
    "no points": ("points", _npy(np.zeros((0, 3))), ".npy", "at least one point"),
    "one place": ("points", _npy(np.ones((9, 3))), ".npy", "apart"),
    "two numbers": ("points", _npy(np.ones((9, 2))), ".npy", "three numbers"),
    "pickled": ("points", _npy(np.array([{"a": 1}], dtype=object)), ".npy", "readable"),
    "colors of others": ("points", _npz(points=np.eye(3), colors=np.eye(2)), ".npz", "color|colour"),
    "no array of points": ("points", _npz(x=np.eye(3)), ".npz", "named points"),
}


BAD |= {
    "one line": ("points", b"1 2 3\n", ".xyz", "at least 2 lines of three numbers.*got 1 lines"),
    "no lines": ("points", b"\n", ".xyz", "at least 2 lines of three numbers.*got 0 lines"),
    "short lines": ("points", b"1 2 3\n4 5\n", ".xyz", "three numbers.*a line of fewer"),
    "cut STL": ("mesh", _exported(BOX, ".stl")[:300], ".stl", "a whole .stl file of 684 bytes.*got 300 bytes"),
    "cut STL head": ("mesh", _exported(BOX, ".stl")[:40], ".stl", "a whole .stl file.*got 40 bytes"),
    "cut text STL": ("mesh", b"solid box\nfacet normal 0 0 1\nouter loop\n", ".stl", "ends with endsolid"),
    "cut PLY": ("mesh", _exported(BOX, ".ply")[:400], ".ply", "a whole, readable .ply file.*cut off or damaged"),
    "OBJ from 0": ("mesh", b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 0/1 1/2 2/3\n", ".obj", "counts vertices from 1"),
    "OBJ ends on 0": ("mesh", b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 0", ".obj", "counts vertices from 1"),
}


def test_an_obj_may_count_backwards_and_to_ten():
    corners = b"".join(b"v %d %d 0\n" % (i, i * i) for i in range(10))
    shape = read_shape("mesh", corners + b"f -3 -2 -1\nf 1 5 10\n", ".obj")
    assert shape.points[shape.faces][..., 0].tolist() == [[7, 8, 9], [0, 4, 9]]


@pytest.mark.parametrize("name", BAD)
def test_what_no_run_can_start_from_is_refused(name):
    kind, content, suffix, said = BAD[name]
    with pytest.raises(LimbeckError, match=said) as refused:
        read_shape(kind, content, suffix)
    assert refused.value.code == "E_INIT"


def test_a_gigantic_file_is_refused_before_it_is_read():
    with pytest.raises(LimbeckError, match="at most 256 MB"):
        read_shape("points", bytes(MAX_BYTES + 1), ".npy")


def _unit_box():
    painted = BOX.copy()
    painted.visual.vertex_colors = np.tile([[255, 0, 0, 255]], (8, 1))
    shape = read_shape("mesh", _exported(painted, ".ply"), ".ply")
    return shape.moved_into(shape.placement())


def test_a_shape_is_moved_into_the_unit_ball():
    moved = BOX.copy().apply_translation((10, 0, -4))
    shape = read_shape("mesh", _exported(moved, ".ply"), ".ply")
    unit = shape.moved_into(shape.placement())
    assert np.linalg.norm(unit.points, axis=1).max() == pytest.approx(0.98)
    assert shape.placement().centre == pytest.approx((10, 0, -4))


def test_gaussians_start_on_the_surface_in_its_colors():
    shape = _unit_box()
    gaussians = gaussians_from(shape, GaussianSettings(count=500), torch.Generator().manual_seed(0), CPU)
    values = gaussians.activated()
    box = trimesh.Trimesh(shape.points, shape.faces)
    assert np.abs(trimesh.proximity.closest_point_naive(box, values.means.detach().numpy())[1]).max() < 1e-5
    assert (values.colors[:, 0] > 0.9).all()
    assert (values.colors[:, 1] < 0.1).all()
    # 500 points on an area of 22 / (1.87 / 0.98)^2 = 6.0: half of their mutual distance is about 0.05.
    assert values.scales.mean().item() == pytest.approx(0.05, abs=0.02)


def test_a_cloud_of_few_points_gives_many_gaussians_that_differ():
    shape = read_shape("points", _npy(np.random.default_rng(0).normal(size=(30, 3))), ".npy")
    gaussians = gaussians_from(shape, GaussianSettings(count=100), torch.Generator().manual_seed(0), CPU)
    assert len(np.unique(gaussians.activated().means.detach().numpy(), axis=0)) == 100


def test_a_field_starts_solid_inside_the_shape_and_clear_outside():
    field = voxels_from(_unit_box(), FieldSettings(resolution=40), torch.Generator().manual_seed(0), CPU)
    raw = field.parameters()["densities"].detach()
    assert raw[20, 20, 20] == raw.max()
    assert raw[0, 0, 0] < raw.max() - 5
    assert field.parameters()["color_logits"][20, 20, 20, 0] > 2
    volume = (raw == raw.max()).float().mean().item() * 2.1**3
    # In the unit ball its sides are 0.524, 1.048 and 1.571 (0.86), and its shell adds up to 0.6 of a cell of 0.054 on
    # every side (1.07).
    assert 0.8 < volume < 1.1
