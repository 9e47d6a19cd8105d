# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Textures: unwrapping, baking, filling, encoding, and how they look."""

import io
import time
from dataclasses import replace

import numpy as np
import psutil
import pytest
from PIL import Image

import limbeck.assets.unwrap
from limbeck.assets.bake import bake_base_color, dilated, rasterize_uvs, textured
from limbeck.assets.blend import BlendedColors, ColorView, fill_unseen, prepare_views
from limbeck.assets.mesh import face_area_vectors, is_closed, make_mesh, transform_positions
from limbeck.assets.render import render_mesh
from limbeck.assets.texture import Texture, encode_picture, require_texture_memory, sample_bilinear
from limbeck.assets.unwrap import PADDING_TEXELS, unwrap
from limbeck.assets.vertex_colors import with_colors
from limbeck.cameras import ring_cameras
from limbeck.errors import LimbeckError
from oracles.shapes import ball_mesh, joined_meshes, torus_mesh

SIZE = 256
SHAPES = {
    "ball": ball_mesh(0.6, subdivisions=4),
    "torus": torus_mesh(),
    "two parts": joined_meshes(ball_mesh(0.3, (-0.5, 0, 0)), ball_mesh(0.2, (0.5, 0, 0))),
}


def cameras_of(size, rings=((-50.0, 6), (-10.0, 8), (35.0, 8), (80.0, 4))):
    for elevation_deg, count in rings:
        yield ring_cameras(count, elevation_deg=elevation_deg, fov_y_deg=40, distance=2.5, size=size)


def views_of(mesh, size=256, rings=((-50.0, 6), (-10.0, 8), (35.0, 8), (80.0, 4))):
    views = []
    for cameras in cameras_of(size, rings):
        viewmats, Ks = cameras.viewmats.numpy(), cameras.Ks.numpy()
        renders = render_mesh(mesh, viewmats, Ks, size, size, background_srgb=(0.0, 0.0, 0.0))
        views += [
            ColorView(renders.rgb_srgb[i], renders.alpha[i], viewmats[i], Ks[i], (0.0, 0.0, 0.0))
            for i in range(len(viewmats))
        ]
    return prepare_views(mesh, views)


def checkered_ball():
    """Eight octants in different colours: edges that vertex colours of a coarse mesh could not show."""
    ball = ball_mesh(0.6, subdivisions=6)
    return with_colors(ball, 0.15 + 0.7 * (ball.vertices > 0))


@pytest.mark.parametrize("shape", SHAPES)
def test_no_two_faces_share_a_texel_and_none_is_mirrored(shape):
    unwrapping = unwrap(SHAPES[shape], SIZE)
    corners = unwrapping.uvs.astype(np.float64)[unwrapping.uv_faces]
    area = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    # v points down, so what is counter-clockwise on the surface is clockwise in the picture.
    assert (area < 0).all()
    assert 0 <= unwrapping.uvs.min() <= unwrapping.uvs.max() <= 1
    covered = np.abs(area).sum() / 2 * (8 * SIZE) ** 2
    # The union can only be as large as the sum if nothing overlaps; counted on a grid eight times as fine.
    union = (rasterize_uvs(unwrapping, 8 * SIZE).faces >= 0).sum()
    assert union == pytest.approx(covered, rel=2e-3)


def test_texels_are_equally_dense_everywhere():
    mesh = SHAPES["torus"]
    unwrapping = unwrap(mesh, SIZE)
    corners = unwrapping.uvs.astype(np.float64)[unwrapping.uv_faces]
    flat = -np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]) / 2
    share = flat / np.linalg.norm(face_area_vectors(mesh.vertices, mesh.faces), axis=1)
    assert np.quantile(share, 0.95) / np.quantile(share, 0.05) < 2.5


def test_charts_keep_their_distance():
    unwrapping = unwrap(SHAPES["torus"], 512)
    faces = rasterize_uvs(unwrapping, 512).faces
    chart = chart_of_faces(unwrapping)
    labels = np.where(faces >= 0, chart[np.maximum(faces, 0)], -1)
    reach = PADDING_TEXELS // 2
    for row_step, column_step in ((0, reach), (reach, 0), (reach, reach)):
        one = labels[: 512 - row_step, : 512 - column_step]
        other = labels[row_step:, column_step:]
        is_foreign = (one >= 0) & (other >= 0) & (one != other)
        assert not is_foreign.any()


def chart_of_faces(unwrapping):
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components

    a, b, c = unwrapping.uv_faces.T
    links = csr_matrix((np.ones(2 * len(a)), (np.r_[a, b], np.r_[b, c])), shape=[len(unwrapping.uvs)] * 2)
    return connected_components(links, directed=False)[1][a]


def test_a_mesh_on_which_xatlas_crashes_is_unwrapped_in_pieces():
    # A sphere of 81,920 faces ends xatlas 0.0.11 with a segmentation fault.
    unwrapping = unwrap(ball_mesh(subdivisions=6), 512)
    assert len(unwrapping.uv_faces) == 81920
    assert (rasterize_uvs(unwrapping, 512).faces >= 0).mean() > 0.3


def test_an_unwrapping_that_always_fails_is_a_typed_error(monkeypatch, tmp_path):
    (tmp_path / "crash.py").write_text("raise SystemExit('the child ended')")
    monkeypatch.setattr(limbeck.assets.unwrap, "CHILD", tmp_path / "crash.py")
    with pytest.raises(LimbeckError, match="the child ended") as refused:
        unwrap(SHAPES["ball"], SIZE)
    assert refused.value.code == "E_UNWRAP"


def test_unwrapping_is_the_same_twice():
    first, second = (unwrap(SHAPES["torus"], SIZE) for _ in range(2))
    assert first.uvs.tobytes() == second.uvs.tobytes()
    assert first.uv_faces.tobytes() == second.uv_faces.tobytes()


def test_a_baked_texture_renders_as_the_views_that_it_came_from():
    painted = checkered_ball()
    coarse = ball_mesh(0.6, subdivisions=4)
    result = textured(coarse, views_of(painted), 512)
    cameras = ring_cameras(5, elevation_deg=20.0, fov_y_deg=40, distance=2.5, size=128, start_deg=30.0)
    look = {"viewmats": cameras.viewmats.numpy(), "Ks": cameras.Ks.numpy(), "width": 128, "height": 128}
    expected, found = render_mesh(painted, **look).rgb_srgb, render_mesh(result, **look).rgb_srgb
    assert -10 * np.log10(((expected - found) ** 2).mean()) > 32
    by_vertex = render_mesh(with_colors(coarse, 0.15 + 0.7 * (coarse.vertices > 0)), **look).rgb_srgb
    assert ((expected - found) ** 2).mean() < 0.5 * ((expected - by_vertex) ** 2).mean()


def test_a_textured_mesh_stays_closed_and_keeps_its_texture_where_it_is_moved():
    result = textured(SHAPES["two parts"], views_of(SHAPES["two parts"], 96), 128)
    assert is_closed(result)
    moved = transform_positions(result, lambda vertices: vertices * 2 + 1)
    assert moved.texture is result.texture


def test_what_no_view_sees_is_filled_from_its_neighbours():
    ball = ball_mesh(0.6, color=(200, 30, 40), subdivisions=4)
    seen_from_above = views_of(ball, 128, rings=((60.0, 4),))
    picture = bake_base_color(ball, unwrap(ball, SIZE), seen_from_above, SIZE)
    assert np.abs(picture.astype(int) - (200, 30, 40)).max() <= 3


def test_without_any_view_a_texture_is_grey():
    ball = SHAPES["ball"]
    assert (bake_base_color(ball, unwrap(ball, 64), [], 64) == 128).all()


def test_a_hidden_part_is_not_stained_by_what_hides_it():
    front, back = ball_mesh(0.5, (0, -0.6, 0), (230, 20, 10), 4), ball_mesh(0.3, (0, 0.6, 0), (10, 40, 220), 4)
    mesh = joined_meshes(front, back)
    picture = bake_base_color(mesh, unwrapping := unwrap(mesh, SIZE), views_of(mesh, 192), SIZE)
    faces = rasterize_uvs(unwrapping, SIZE).faces
    is_back = faces >= len(front.faces)
    assert np.median(picture[is_back][:, 2]) > 200
    assert np.quantile(picture[is_back][:, 0], 0.99) < 60


def test_fill_takes_the_nearest_known_colours():
    points = np.array([[0, 0, 0], [1, 0, 0], [0.1, 0, 0]], np.float32)
    blended = BlendedColors(np.array([[1, 0, 0], [0, 0, 1], [0, 0, 0]], np.float32), np.array([1, 1, 0], np.float32))
    filled = fill_unseen(points, blended)
    np.testing.assert_allclose(filled[2], [0.9, 0, 0.1], atol=1e-6)
    np.testing.assert_array_equal(filled[:2], blended.rgb_srgb[:2])


def test_dilation_spreads_the_nearest_texel():
    picture = np.zeros((4, 6, 3), np.uint8)
    picture[:, 0], picture[:, 5] = (9, 0, 0), (0, 7, 0)
    is_surface = np.zeros((4, 6), bool)
    is_surface[:, [0, 5]] = True
    spread = dilated(picture, is_surface)
    assert (spread[:, :3] == (9, 0, 0)).all()
    assert (spread[:, 3:] == (0, 7, 0)).all()


def test_bilinear_reads_agree_with_the_definition():
    picture = np.arange(4 * 4 * 3, dtype=np.uint8).reshape(4, 4, 3)
    uvs = np.array([[0.125, 0.125], [0.25, 0.125], [0.125, 0.25], [0.0, 1.0], [1.0, 0.0]])
    centre, right, below = 1.0 * picture[0, 0], picture[0, 1], picture[1, 0]
    expected = np.stack([centre, (centre + right) / 2, (centre + below) / 2, picture[3, 0], picture[0, 3]])
    np.testing.assert_allclose(sample_bilinear(picture, uvs) * 255, expected, atol=1e-4)


def test_pictures_are_png_unless_that_is_too_large():
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    content, mime_type = encode_picture(picture)
    assert mime_type == "image/png"
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(content))), picture)
    content, mime_type = encode_picture(picture, max_png_bytes=1000)
    assert (mime_type, Image.open(io.BytesIO(content)).format) == ("image/jpeg", "JPEG")


def test_a_texture_that_memory_cannot_hold_is_refused(monkeypatch):
    class Full:
        available = 100_000_000

    monkeypatch.setattr(psutil, "virtual_memory", Full)
    require_texture_memory(512)
    with pytest.raises(LimbeckError, match="4096 x 4096") as refused:
        require_texture_memory(4096)
    assert refused.value.code == "E_OUT_OF_MEMORY"


def test_a_texture_of_other_faces_is_refused():
    picture, uvs = np.zeros((16, 16, 3), np.uint8), np.zeros((3, 2), np.float32)
    texture = Texture(uvs, np.zeros((1, 3), np.int32), picture)
    with pytest.raises(ValueError, match="uvs of 2 faces"):
        replace(make_mesh(np.eye(3), np.array([[0, 1, 2], [2, 1, 0]])), texture=texture)
    with pytest.raises(ValueError, match="uv indices"):
        Texture(uvs, np.full((1, 3), 3, np.int32), picture)
    with pytest.raises(ValueError, match=r"0\.\.1"):
        Texture(uvs + 2, np.zeros((1, 3), np.int32), picture)


def test_twenty_thousand_faces_are_unwrapped_and_baked_in_time():
    ball = checkered_ball()
    mesh = ball_mesh(0.6, subdivisions=5)
    assert len(mesh.faces) == 20480
    views = views_of(ball, 512)
    textured(ball_mesh(0.6, subdivisions=1), views[:1], 64)
    start_s = time.process_time()
    textured(mesh, views, 1024)
    # A final mesh may take 15 s in all; this is the part that textures add, beside the views.
    assert time.process_time() - start_s < 10
