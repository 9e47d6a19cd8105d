# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Writing files whole or not at all, and the formats beside GLB."""

import errno
import os

import numpy as np
import pytest
import trimesh

from limbeck.assets.atomic import require_writable, write_bytes_atomically
from limbeck.assets.export import write_asset
from limbeck.assets.gltf import write_glb, y_up
from limbeck.assets.mesh import ground_point
from limbeck.assets.ply import encode_splats, write_ply, write_splats
from limbeck.assets.wavefront import write_obj
from limbeck.errors import LimbeckError
from oracles.shapes import ball_mesh, random_cloud


@pytest.fixture
def full_disk(monkeypatch):
    def no_room(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", no_room)


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "asset.glb"
    write_bytes_atomically(path, b"old")
    write_bytes_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file_and_no_litter(tmp_path, full_disk):
    path = tmp_path / "asset.glb"
    path.write_bytes(b"old")
    with pytest.raises(LimbeckError) as refused:
        write_bytes_atomically(path, b"new")
    assert refused.value.code == "E_DISK_FULL"
    assert refused.value.remedy
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def bad_paths(folder):
    (folder / "file").write_bytes(b"")
    (folder / "folder").mkdir()
    return [folder / name for name in ("missing/a.glb", "file/a.glb", "folder", "long" * 100 + ".glb")]


@pytest.mark.parametrize("which", range(3))
def test_a_path_that_cannot_be_written_is_refused_before_and_after(tmp_path, which):
    path = bad_paths(tmp_path)[which]
    before = sorted(tmp_path.rglob("*"))
    for attempt in (lambda: require_writable(path), lambda: write_bytes_atomically(path, b"new")):
        with pytest.raises(LimbeckError) as refused:
            attempt()
        assert refused.value.code == "E_OUTPUT_UNWRITABLE"
        assert str(path) in refused.value.message
    assert sorted(tmp_path.rglob("*")) == before


def test_a_name_that_is_too_long_is_refused(tmp_path):
    with pytest.raises(LimbeckError) as refused:
        write_bytes_atomically(bad_paths(tmp_path)[3], b"new")
    assert refused.value.code == "E_OUTPUT_UNWRITABLE"


def test_asking_whether_a_path_is_writable_changes_nothing(tmp_path):
    path = tmp_path / "asset.glb"
    path.write_bytes(b"old")
    require_writable(path)
    require_writable(tmp_path / "other.glb")
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b"old"


@pytest.mark.skipif(os.name == "nt", reason="symbolic links need a privilege on Windows")
def test_a_symbolic_link_stays_a_link(tmp_path):
    target, link = tmp_path / "target.glb", tmp_path / "link.glb"
    target.write_bytes(b"old")
    link.symlink_to(target)
    write_bytes_atomically(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
def test_a_file_gets_the_users_usual_permissions(tmp_path):
    path = tmp_path / "asset.glb"
    write_bytes_atomically(path, b"new")
    (tmp_path / "usual").write_bytes(b"")
    assert path.stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_glb_is_written_whole(tmp_path):
    write_glb(tmp_path / "ball.glb", ball_mesh(subdivisions=2))
    assert trimesh.load(tmp_path / "ball.glb").volume > 0


@pytest.mark.parametrize(("suffix", "turn"), [("obj", y_up), ("ply", lambda vertices: vertices)])
def test_trimesh_reads_obj_y_up_and_ply_z_up_with_colours(tmp_path, suffix, turn):
    mesh = ball_mesh(0.5, (1.0, 2.0, 3.0), (200, 100, 50), subdivisions=2)
    path = tmp_path / f"ball.{suffix}"
    (write_obj if suffix == "obj" else write_ply)(path, mesh)
    read = trimesh.load(path, process=False, maintain_order=True)
    np.testing.assert_array_equal(read.vertices.astype(np.float32), turn(mesh.vertices))
    np.testing.assert_array_equal(read.faces, mesh.faces)
    np.testing.assert_array_equal(read.visual.vertex_colors, mesh.colors_srgb)


def test_obj_and_ply_are_the_same_bytes_twice(tmp_path):
    for write, name in ((write_obj, "a.obj"), (write_ply, "a.ply")):
        paths = [tmp_path / f"{number}{name}" for number in range(2)]
        for path in paths:
            write(path, ball_mesh(subdivisions=2))
        assert paths[0].read_bytes() == paths[1].read_bytes()


def test_splats_have_the_attributes_of_the_reference_code_and_can_be_decoded(tmp_path):
    cloud = random_cloud(50)
    write_splats(tmp_path / "splats.ply", cloud)
    header, body = (tmp_path / "splats.ply").read_bytes().split(b"end_header\n", 1)
    names = [line.split()[2].decode() for line in header.splitlines() if line.startswith(b"property float")]
    assert " ".join(names) == (
        "x y z nx ny nz f_dc_0 f_dc_1 f_dc_2 opacity scale_0 scale_1 scale_2 rot_0 rot_1 rot_2 rot_3"
    )
    table = np.frombuffer(body, "<f4").reshape(50, 17)
    quats = cloud.quats / np.linalg.norm(cloud.quats, axis=1, keepdims=True)
    np.testing.assert_array_equal(table[:, :3], cloud.means)
    np.testing.assert_allclose(table[:, 6:9] * 0.28209479177387814 + 0.5, cloud.colors_srgb, atol=1e-6)
    np.testing.assert_allclose(1 / (1 + np.exp(-table[:, 9])), cloud.opacities, atol=2e-6)
    np.testing.assert_allclose(np.exp(table[:, 10:13]), cloud.scales, rtol=1e-6)
    np.testing.assert_allclose(table[:, 13:], quats, atol=1e-6)


def test_splats_of_full_and_no_opacity_stay_finite():
    cloud = random_cloud(2)
    cloud.opacities[:] = (0, 1)
    body = encode_splats(cloud).split(b"end_header\n", 1)[1]
    assert np.isfinite(np.frombuffer(body, "<f4")).all()


@pytest.mark.parametrize(("centre", "stands"), [([0.0, 0.0, 0.0], True), ([0.0, 0.0, 2.0], False)])
@pytest.mark.parametrize("file_format", ["obj", "ply"])
def test_an_asset_without_nodes_stands_in_the_origin_unless_it_was_placed(tmp_path, file_format, centre, stands):
    mesh = ball_mesh(0.5, (0.1, 0.2, 0.3), subdivisions=2)
    metadata = {"pivot": list(ground_point(mesh)), "placement": {"centre": centre, "radius": 1.0}}
    path = tmp_path / f"ball.{file_format}"
    write_asset(path, mesh, random_cloud(5), metadata, file_format)
    found = np.asarray(trimesh.load(path, process=False).vertices)
    found = np.stack([found[:, 0], -found[:, 2], found[:, 1]], 1) if file_format == "obj" else found
    expected = mesh.vertices - np.array(ground_point(mesh)) if stands else mesh.vertices
    np.testing.assert_allclose(np.sort(found, axis=0), np.sort(expected, axis=0), atol=1e-5)
