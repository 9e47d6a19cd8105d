# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A textured OBJ of a server: one ZIP on the way, the files that programs open at its end."""

import zipfile
from dataclasses import replace

import numpy as np
import pytest
import trimesh

from limbeck.assets.texture import Texture
from limbeck.assets.wavefront import write_packed_obj
from limbeck_protocol.errors import ProtocolError
from limbeck_server.packed_obj import unpack_obj
from oracles.shapes import ball_mesh


def textured_ball():
    ball = ball_mesh(0.5, subdivisions=1)
    uvs = np.random.default_rng(0).random((len(ball.faces) * 3, 2)).astype(np.float32)
    picture = np.random.default_rng(1).integers(0, 256, (16, 16, 3)).astype(np.uint8)
    uv_faces = np.arange(len(uvs), dtype=np.int32).reshape(-1, 3)
    return replace(ball, texture=Texture(uvs, uv_faces, picture, picture[::-1].copy()))


def test_the_same_mesh_packs_to_the_same_bytes(tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        write_packed_obj(tmp_path / name / "asset.zip", textured_ball())
    assert (tmp_path / "one" / "asset.zip").read_bytes() == (tmp_path / "other" / "asset.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one" / "asset.zip") as archive:
        found = set(archive.namelist())
    assert found == {"asset.obj", "asset.mtl", "asset_base_color.png", "asset_normal.png"}


def test_an_obj_that_was_fetched_opens_with_its_texture(tmp_path):
    ball, path = textured_ball(), tmp_path / "my mug.obj"
    write_packed_obj(tmp_path / "asset.zip", ball, metadata={"prompt": "map_Kd asset"})
    (tmp_path / "asset.zip").rename(path)
    unpack_obj(path)
    names = {"my mug.obj", "my_mug.mtl", "my_mug_base_color.png", "my_mug_normal.png"}
    assert {file.name for file in tmp_path.iterdir()} == names
    assert '"prompt": "map_Kd asset"' in path.read_text()
    found = trimesh.load(path, force="mesh", process=False)
    np.testing.assert_array_equal(np.asarray(found.visual.material.image.convert("RGB")), ball.texture.base_color_srgb)
    unpack_obj(path)
    assert path.read_text().startswith("# Limbeck")


def test_other_files_stay_as_they_are(tmp_path):
    write_packed_obj(tmp_path / "mug.zip", textured_ball())
    (tmp_path / "mug.glb").write_bytes((tmp_path / "mug.zip").read_bytes())
    for name in ("mug.zip", "mug.glb"):
        before = (tmp_path / name).read_bytes()
        unpack_obj(tmp_path / name)
        assert (tmp_path / name).read_bytes() == before


@pytest.mark.parametrize("names", [["../asset.obj"], ["a.obj", "b.obj"], ["a.mtl"], ["a.obj", "a.sh"], ["x/a.obj"]])
def test_a_zip_of_anything_else_is_refused_and_writes_nothing(tmp_path, names):
    folder = tmp_path / "inner"
    folder.mkdir()
    with zipfile.ZipFile(folder / "mug.obj", "w") as archive:
        for name in names:
            archive.writestr(name, b"v 0 0 0\n")
    if names in (["../asset.obj"], ["x/a.obj"]):
        unpack_obj(folder / "mug.obj")  # one member, which takes the name asked for and no other
        assert (folder / "mug.obj").read_bytes() == b"v 0 0 0\n"
    else:
        with pytest.raises(ProtocolError) as refused:
            unpack_obj(folder / "mug.obj")
        assert refused.value.code == "E_FILE"
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["mug.obj"]
