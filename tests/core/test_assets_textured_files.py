# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Textured assets as files, read back by libraries that we did not write, and the pictures drawn of them."""

import errno
import io
import json
import os
import shutil
import struct
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import plyfile
import pytest
import trimesh
from PIL import Image

from limbeck.assets.bake import dilated, on_faces, rasterize_uvs, textured
from limbeck.assets.contact_sheet import contact_sheet
from limbeck.assets.export import write_asset
from limbeck.assets.gltf import encode_glb, y_up
from limbeck.assets.render import render_mesh
from limbeck.assets.texture import Texture
from limbeck.assets.turntable import FILM_FRAMES, save_turntable, turntable_format
from limbeck.assets.unwrap import unwrap
from limbeck.assets.wavefront import companions, write_obj
from limbeck.cameras import ring_cameras
from limbeck.errors import LimbeckError
from oracles.shapes import ball_mesh, random_cloud

METADATA = {"prompt": "a ball", "seed": 3, "weights_licence": "Apache-2.0"}
NORTH, SOUTH = (220, 40, 30), (20, 60, 200)


def painted_ball(size=128, radius=0.6):
    """A ball whose texture alone is red above and blue below: its vertex colours are green."""
    ball = ball_mesh(radius, color=(0, 255, 0), subdivisions=3)
    unwrapping = unwrap(ball, size)
    picture = np.zeros((size, size, 3), np.uint8)
    texels = rasterize_uvs(unwrapping, size)
    is_surface = texels.faces >= 0
    points = on_faces(ball.vertices, ball.faces[texels.faces[is_surface]], texels.weights[is_surface])
    picture[is_surface] = np.where(points[:, 2:] > 0, NORTH, SOUTH)
    texture = Texture(unwrapping.uvs, unwrapping.uv_faces, dilated(picture, is_surface))
    return replace(ball, texture=texture)


BALL = painted_ball()


def colors_of(read, picture):
    """The picture's colour at each of trimesh's vertices; its v points up."""
    uvs = np.asarray(read.visual.uv)
    column = np.clip((uvs[:, 0] * len(picture)).astype(int), 0, len(picture) - 1)
    row = np.clip(((1 - uvs[:, 1]) * len(picture)).astype(int), 0, len(picture) - 1)
    return picture[row, column].astype(int)


def document_of(glb):
    (size,) = struct.unpack_from("<I", glb, 12)
    return json.loads(glb[20 : 20 + size])


def check_halves(heights, colors):
    is_clear = np.abs(heights) > 0.06
    expected = np.where(heights[:, None] > 0, NORTH, SOUTH)
    assert np.abs(colors - expected)[is_clear].max() <= 2


def test_trimesh_reads_a_textured_glb_with_its_picture_where_it_belongs():
    scene = trimesh.load(io.BytesIO(encode_glb(BALL, metadata=METADATA)), file_type="glb", process=False)
    (read,) = scene.geometry.values()
    picture = np.asarray(read.visual.material.baseColorTexture.convert("RGB"))
    np.testing.assert_array_equal(picture, BALL.texture.base_color_srgb)
    check_halves(read.vertices[:, 1], colors_of(read, picture))
    assert (read.visual.material.metallicFactor, read.visual.material.roughnessFactor) == (0.0, 0.8)
    # Seams double vertices; the surface between them is the same.
    assert len(read.vertices) > len(BALL.vertices)
    assert read.volume == pytest.approx(trimesh.Trimesh(BALL.vertices, BALL.faces).volume, rel=1e-5)
    np.testing.assert_allclose(read.vertices[read.faces], y_up(BALL.vertices)[BALL.faces], atol=1e-7)


def test_a_textured_glb_has_no_vertex_colours_that_would_tint_it():
    found = document_of(encode_glb(BALL, metadata=METADATA))
    attributes = found["meshes"][0]["primitives"][0]["attributes"]
    assert set(attributes) == {"POSITION", "NORMAL", "TEXCOORD_0"}
    assert len({found["accessors"][number]["count"] for number in attributes.values()}) == 1
    assert found["images"][0]["mimeType"] == "image/png"
    assert found["asset"]["extras"] == {"limbeck": METADATA}


def test_a_textured_glb_is_the_same_bytes_twice():
    assert encode_glb(BALL) == encode_glb(painted_ball())


@pytest.fixture(scope="module")
def validate():
    """The Khronos glTF validator, a package of node's; not everyone has node, and nobody needs it to run Limbeck."""
    folder = os.environ.get("LIMBECK_GLTF_VALIDATOR")
    if folder is None or shutil.which("node") is None:
        pytest.skip("needs node, and LIMBECK_GLTF_VALIDATOR: a folder where 'npm install gltf-validator' was run")
    script = (
        "const fs=require('fs'),v=require('gltf-validator');"
        "v.validateBytes(new Uint8Array(fs.readFileSync(process.argv[1]))).then(r=>console.log(JSON.stringify(r)))"
    )

    def run(path):
        found = subprocess.run(
            ["node", "-e", script, str(path)], cwd=folder, capture_output=True, text=True, check=True, timeout=60
        )
        return json.loads(found.stdout)["issues"]

    return run


@pytest.mark.parametrize("kind", ["textured", "vertex colours", "large", "normal map"])
def test_the_khronos_validator_finds_nothing(validate, tmp_path, kind):
    mesh = {
        "textured": BALL,
        "vertex colours": replace(BALL, texture=None),
        "large": textured(ball_mesh(subdivisions=6), [], 512),
        "normal map": replace(BALL, texture=replace(BALL.texture, normal_map=BALL.texture.base_color_srgb)),
    }[kind]
    (tmp_path / "ball.glb").write_bytes(encode_glb(mesh, metadata=METADATA))
    issues = validate((tmp_path / "ball.glb").resolve())
    assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), issues["messages"]


def test_trimesh_reads_a_textured_obj_with_its_companions(tmp_path):
    path = tmp_path / "a red ball.obj"
    write_obj(path, BALL, name="a red ball", metadata=METADATA)
    beside = companions(path)
    assert sorted(tmp_path.iterdir()) == sorted([path, beside.material, beside.base_color])
    read = trimesh.load(path, process=False)
    picture = np.asarray(read.visual.material.image.convert("RGB"))
    np.testing.assert_array_equal(picture, BALL.texture.base_color_srgb)
    check_halves(read.vertices[:, 1], colors_of(read, picture))
    assert len(read.faces) == len(BALL.faces)


def test_plyfile_reads_a_mesh_and_splats(tmp_path):
    cloud = random_cloud(20)
    for file_format in ("ply", "splats"):
        write_asset(tmp_path / f"{file_format}.ply", BALL, cloud, METADATA, file_format)
    mesh = plyfile.PlyData.read(tmp_path / "ply.ply")
    np.testing.assert_array_equal(np.stack([mesh["vertex"][axis] for axis in "xyz"], 1), BALL.vertices)
    np.testing.assert_array_equal(np.stack(mesh["face"]["vertex_indices"]), BALL.faces)
    assert (mesh["vertex"]["green"] == 255).all()
    splats = plyfile.PlyData.read(tmp_path / "splats.ply")["vertex"]
    np.testing.assert_array_equal(np.stack([splats[axis] for axis in "xyz"], 1), cloud.means)
    np.testing.assert_allclose(1 / (1 + np.exp(-splats["opacity"])), cloud.opacities, atol=2e-6)
    np.testing.assert_allclose(np.exp(np.stack([splats[f"scale_{i}"] for i in range(3)], 1)), cloud.scales, rtol=1e-5)


@pytest.mark.parametrize("failing_write", [1, 2, 3])
def test_a_full_disk_leaves_all_three_old_files_of_an_obj(tmp_path, monkeypatch, failing_write):
    path = tmp_path / "ball.obj"
    write_obj(path, BALL, name="old")
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    calls = []

    def fsync(descriptor):
        calls.append(descriptor)
        if len(calls) == failing_write:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(LimbeckError) as refused:
        write_obj(path, painted_ball(64, 0.3), name="new")
    assert refused.value.code == "E_DISK_FULL"
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_pictures_show_the_texture_and_not_the_vertex_colours():
    sheet = np.asarray(contact_sheet(BALL, size=64)).astype(int)
    viewmats, Ks = front_camera(64)
    (turned,) = render_mesh(BALL, viewmats, Ks, 64, 64, background_srgb=(1.0, 1.0, 1.0)).rgb_srgb
    for picture in (sheet, (turned * 255).astype(int)):
        is_green = (picture[..., 1] > picture[..., 0] + 60) & (picture[..., 1] > picture[..., 2] + 60)
        assert not is_green.any()
        assert (np.abs(picture - NORTH).max(-1) < 12).any()
        assert (np.abs(picture - SOUTH).max(-1) < 12).any()


def front_camera(size):
    cameras = ring_cameras(1, elevation_deg=0.0, fov_y_deg=40.0, distance=2.5, size=size)
    return cameras.viewmats.numpy(), cameras.Ks.numpy()


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_a_turntable_is_a_picture_of_36_frames(tmp_path, suffix):
    path = tmp_path / f"ball{suffix}"
    save_turntable(BALL, path, size=32)
    with Image.open(path) as picture:
        frames = getattr(picture, "n_frames", 1)
        assert (frames, picture.size) == ((1, (9 * 32, 4 * 32)) if suffix == ".png" else (36, (32, 32)))
    assert list(tmp_path.iterdir()) == [path]


def test_a_turntable_is_a_film_that_plays_three_seconds(tmp_path):
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg", reason="films need the extra 'video'")
    path = tmp_path / "ball.mp4"
    save_turntable(BALL, path, size=64)
    frames, seconds = imageio_ffmpeg.count_frames_and_secs(str(path))
    assert (frames, round(seconds)) == (FILM_FRAMES, 3)
    reader = imageio_ffmpeg.read_frames(str(path))
    width, height = next(reader)["size"]
    first = np.frombuffer(next(reader), np.uint8).reshape(height, width, 3).astype(int)
    reader.close()
    # Video halves the colours' resolution and keeps 16 to 235: only roughly the same.
    assert (np.abs(first - NORTH).max(-1) < 40).sum() > 100
    assert (np.abs(first - SOUTH).max(-1) < 40).sum() > 100


def test_a_film_without_its_library_is_refused_before_any_work(monkeypatch):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(LimbeckError) as refused:
        turntable_format(Path("ball.mp4"))
    assert refused.value.code == "E_VIDEO_MISSING"
    assert turntable_format(Path("ball.gif")) == "GIF"
    with pytest.raises(LimbeckError) as refused:
        turntable_format(Path("ball.avi"))
    assert refused.value.code == "E_FORMAT"


def test_a_film_that_cannot_be_encoded_leaves_the_old_one(tmp_path, monkeypatch):
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg", reason="films need the extra 'video'")

    def broken(*args, **kwargs):
        def frames():
            yield None
            raise OSError("the encoder ended")

        return frames()

    monkeypatch.setattr(imageio_ffmpeg, "write_frames", broken)
    path = tmp_path / "ball.mp4"
    path.write_bytes(b"old")
    with pytest.raises(LimbeckError) as refused:
        save_turntable(BALL, path, size=32)
    assert refused.value.code == "E_VIDEO"
    assert path.read_bytes() == b"old"


def test_a_glb_of_a_thousand_pixels_and_20_000_faces_is_small():
    ball = ball_mesh(subdivisions=5)
    unwrapping = unwrap(ball, 1024)
    noise = np.random.default_rng(0).integers(0, 256, (1024, 1024, 3), dtype=np.uint8)
    # Noise is the worst picture there is: PNG cannot make it smaller.
    assert len(encode_glb(replace(ball, texture=Texture(unwrapping.uvs, unwrapping.uv_faces, noise)))) < 8e6
