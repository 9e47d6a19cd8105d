# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A texture of triangles on the polygons that they were cut from, and the GLB that it comes in; without Blender."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blender.addon import module
from limbeck.assets.gltf import write_glb
from limbeck.assets.mesh import Mesh, make_mesh
from limbeck.assets.texture import Texture

glb = module("glb")
uv_transfer = module("uv_transfer")

QUAD = np.array([(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)], np.float32)
LOOPS = np.array([(0, 1, 2), (0, 2, 3)], np.int32)
CUT = uv_transfer.Cut(LOOPS, np.zeros(2, np.int32), QUAD[LOOPS])
GRADIENT = np.stack(np.meshgrid(np.linspace(0, 1, 64), np.linspace(0, 1, 64)), -1).astype(np.float32)


def test_corners_that_agree_are_copied() -> None:
    uvs = QUAD[LOOPS][..., :2]
    assert not len(uv_transfer.torn_polygons(CUT, uvs, 4))
    found, picture = uv_transfer.transfer(CUT, uvs, 4, GRADIENT)
    assert np.array_equal(found, QUAD[:, :2])
    assert picture is GRADIENT


def test_a_torn_polygon_gets_a_patch_that_shows_the_same() -> None:
    """The picture's colours are its coordinates, so what a point of the polygon shows says where it was read."""
    uvs = np.array([[(0.1, 0.1), (0.4, 0.1), (0.4, 0.4)], [(0.6, 0.6), (0.9, 0.9), (0.6, 0.9)]], np.float32)
    assert uv_transfer.torn_polygons(CUT, uvs, 4).tolist() == [0]
    found, picture = uv_transfer.transfer(CUT, uvs, 4, GRADIENT)
    assert np.array_equal(picture[:64], GRADIENT), "what other polygons read stays"
    assert len(picture) > 64
    for triangle in range(2):
        for weights in ((0.6, 0.2, 0.2), (0.2, 0.6, 0.2), (0.2, 0.2, 0.6), (1 / 3, 1 / 3, 1 / 3)):
            shown = uv_transfer.sampled(picture, np.array([weights @ found[LOOPS[triangle]]]))
            wanted = uv_transfer.sampled(GRADIENT, np.array([weights @ uvs[triangle]]))
            assert np.abs(shown - wanted).max() < 0.03, "two texels of the gradient"


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 60), st.integers(0, 9))
def test_patches_do_not_overlap(count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    loops = np.arange(count * 4, dtype=np.int32).reshape(-1, 4)[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3)
    polygons = np.repeat(np.arange(count, dtype=np.int32), 2)
    cut = uv_transfer.Cut(loops, polygons, np.tile(QUAD[LOOPS], (count, 1, 1)))
    uvs = random.random((count * 2, 3, 2)).astype(np.float32) * random.uniform(0.05, 1)
    found, picture = uv_transfer.transfer(cut, uvs, count * 4, GRADIENT)
    pixels = found.reshape(count, 4, 2) * (picture.shape[1], picture.shape[0])
    assert (pixels[..., 1] > 64).all()
    low, high = pixels.min(1) - uv_transfer.MARGIN, pixels.max(1) + uv_transfer.MARGIN
    assert low.min() >= 0
    assert (high <= (picture.shape[1], picture.shape[0])).all()
    for one in range(count):
        apart = (low[one] >= high - 1e-3).any(1) | (high[one] <= low + 1e-3).any(1)
        assert apart[np.arange(count) != one].all()


def test_other_polygons_keep_their_place_when_the_picture_grows() -> None:
    whole = np.array([[(0.1, 0.1), (0.4, 0.1), (0.4, 0.4)], [(0.1, 0.1), (0.4, 0.4), (0.1, 0.4)]], np.float32)
    torn = whole + np.array([0.0, 0.5])[:, None, None].astype(np.float32)
    cut = uv_transfer.Cut(
        np.concatenate([LOOPS, LOOPS + 4]), np.array([0, 0, 1, 1], np.int32), np.tile(QUAD[LOOPS], (2, 1, 1))
    )
    found, picture = uv_transfer.transfer(cut, np.concatenate([whole, torn]), 8, GRADIENT)
    before = uv_transfer.sampled(GRADIENT, whole[0].astype(float))
    assert np.allclose(uv_transfer.sampled(picture, found[:3].astype(float)), before, atol=1e-4)


def test_degenerate_polygons_do_no_harm() -> None:
    cut = uv_transfer.Cut(LOOPS, np.zeros(2, np.int32), np.zeros((2, 3, 3), np.float32))
    found, picture = uv_transfer.transfer(
        cut, np.random.default_rng(0).random((2, 3, 2)).astype(np.float32), 4, GRADIENT
    )
    assert np.isfinite(found).all()
    assert np.isfinite(picture).all()


def textured(faces: int = 40) -> Mesh:
    random = np.random.default_rng(1)
    vertices = random.normal(size=(faces + 2, 3))
    triangles = np.stack([np.arange(faces), np.arange(faces) + 1, np.arange(faces) + 2], 1)
    mesh = make_mesh(vertices, triangles)
    uvs = random.random((faces * 3, 2)).astype(np.float32)
    texture = Texture(
        uvs, np.arange(faces * 3, dtype=np.int32).reshape(-1, 3), random.integers(0, 255, (16, 16, 3), np.uint8)
    )
    return Mesh(mesh.vertices, mesh.faces, mesh.colors_srgb, texture)


@pytest.mark.parametrize("pivot", [None, (1.0, 2.0, 3.0)])
def test_corners_of_a_written_glb_come_back_in_order(tmp_path: Path, pivot: tuple[float, float, float] | None) -> None:
    mesh, file = textured(), tmp_path / "it.glb"
    write_glb(file, mesh, pivot=pivot)
    found = glb.read_corners(file)
    assert np.allclose(found.positions, mesh.vertices[mesh.faces], atol=1e-6)
    uvs = mesh.texture.uvs[mesh.texture.uv_faces]
    assert np.allclose(found.uvs, np.stack([uvs[..., 0], 1 - uvs[..., 1]], -1), atol=1e-6)
    assert found.picture.startswith(b"\x89PNG")
    assert found.colors is None


def test_colors_of_a_glb_without_texture_come_back(tmp_path: Path) -> None:
    plain, file = make_mesh(textured().vertices, textured().faces), tmp_path / "it.glb"
    write_glb(file, plain)
    found = glb.read_corners(file)
    assert found.uvs is None
    assert found.picture is None
    assert found.colors.shape == (40, 3, 4)
    assert found.colors[..., :3].mean() == pytest.approx(((186 / 255 + 0.055) / 1.055) ** 2.4, abs=1e-3)


@settings(deadline=None)
@given(st.integers(0, 4000), st.integers(0, 255))
def test_damaged_files_are_refused_or_read(tmp_path_factory: pytest.TempPathFactory, place: int, value: int) -> None:
    file = tmp_path_factory.mktemp("glb") / "it.glb"
    write_glb(file, textured(4))
    content = bytearray(file.read_bytes())
    content[place % len(content)] = value
    file.write_bytes(content)
    with suppress(glb.GlbError):
        assert len(glb.read_corners(file).positions) > 0


@pytest.mark.parametrize("content", [b"", b"glTF", b"x" * 100])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "it.glb"
    file.write_bytes(content)
    with pytest.raises(glb.GlbError):
        glb.read_corners(file)
