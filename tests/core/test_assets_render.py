# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from PIL import Image

from limbeck.assets.contact_sheet import contact_sheet, save_image_atomically, tile, to_uint8
from limbeck.assets.mesh import empty_mesh, make_mesh
from limbeck.assets.render import interpolate, rasterize_view, render_mesh
from limbeck.cameras import ring_cameras
from oracles.shapes import ball_mesh, joined_meshes

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
SIZE = 96
DISTANCE = 3.0


def front_camera(size=SIZE):
    cameras = ring_cameras(1, elevation_deg=0, fov_y_deg=45, distance=DISTANCE, size=size)
    return cameras.viewmats.numpy().astype(np.float64), cameras.Ks.numpy().astype(np.float64)


def rays(K, size):
    """Directions [size, size, 3] of the pixel centres in OpenCV camera axes, z = 1."""
    pixels = np.stack(np.meshgrid(np.arange(size) + 0.5, np.arange(size) + 0.5), axis=-1)
    return np.concatenate([(pixels - K[:2, 2]) / np.diag(K)[:2], np.ones((size, size, 1))], axis=-1)


def sphere_depth(K, size, radius):
    """Camera z where the rays meet a sphere round the world's origin; NaN where they miss."""
    directions = rays(K, size)
    squared = (directions**2).sum(-1)
    discriminant = DISTANCE**2 - squared * (DISTANCE**2 - radius**2)
    return (DISTANCE - np.sqrt(np.where(discriminant > 0, discriminant, np.nan))) / squared


def test_a_sphere_has_its_analytic_depth():
    viewmats, Ks = front_camera()
    depth = rasterize_view(ball_mesh(0.8, subdivisions=5), viewmats[0], Ks[0], SIZE, SIZE).depth
    expected = sphere_depth(Ks[0], SIZE, 0.8)
    is_inside = np.isfinite(sphere_depth(Ks[0], SIZE, 0.79))
    # The icosphere's faces lie at most 0.8 (1 - cos(half an edge)) = 3e-4 inside; on slanted rays four times as far.
    assert np.abs(depth - expected)[is_inside].max() < 4e-3
    assert np.abs(depth - expected)[is_inside].mean() < 5e-4
    assert (depth[np.isnan(expected)] == 0).all()


def test_a_sphere_covers_its_analytic_silhouette():
    viewmats, Ks = front_camera()
    alpha = render_mesh(ball_mesh(0.8, subdivisions=5), viewmats, Ks, SIZE, SIZE, supersampling=4).alpha
    radius_px = Ks[0, 0, 0] * 0.8 / np.sqrt(DISTANCE**2 - 0.8**2)
    assert alpha.sum() == pytest.approx(np.pi * radius_px**2, rel=3e-3)


def test_normals_are_the_spheres_and_have_unit_length():
    viewmats, Ks = front_camera()
    renders = render_mesh(ball_mesh(0.8, subdivisions=5), viewmats, Ks, SIZE, SIZE)
    depth = sphere_depth(Ks[0], SIZE, 0.8)
    points = (rays(Ks[0], SIZE) * depth[..., None] - viewmats[0, :3, 3]) @ viewmats[0, :3, :3]
    is_inside = np.isfinite(sphere_depth(Ks[0], SIZE, 0.75))
    np.testing.assert_allclose(np.linalg.norm(renders.normals[0][is_inside], axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(renders.normals[0][is_inside], points[is_inside] / 0.8, atol=0.03)


def test_interpolation_is_perspective_correct():
    viewmats, Ks = front_camera()
    slanted = make_mesh(np.array([[-2.0, -1.5, -1], [2, 2, -1], [0, 1, 1.5]]), np.array([[0, 1, 2]]))
    fragments = rasterize_view(slanted, viewmats[0], Ks[0], SIZE, SIZE)
    is_seen = fragments.faces == 0
    assert is_seen.mean() > 0.1
    positions = interpolate(fragments, slanted, slanted.vertices)[is_seen]
    camera_points = positions @ viewmats[0, :3, :3].T + viewmats[0, :3, 3]
    np.testing.assert_allclose(camera_points, rays(Ks[0], SIZE)[is_seen] * fragments.depth[is_seen, None], atol=1e-5)


def test_the_nearer_surface_hides_the_farther():
    viewmats, Ks = front_camera()
    near, far = ball_mesh(0.3, (0, -1, 0), RED), ball_mesh(0.8, (0, 0.5, 0), GREEN)
    for mesh in (joined_meshes(near, far), joined_meshes(far, near)):
        middle = render_mesh(mesh, viewmats, Ks, SIZE, SIZE).rgb_srgb[0, SIZE // 2, SIZE // 2]
        np.testing.assert_allclose(middle, [1, 0, 0], atol=1e-5)


def test_faces_seen_from_behind_are_not_drawn():
    viewmats, Ks = front_camera()
    corners = np.array([[-1.0, 0, -1], [1, 0, -1], [0, 0, 1]])
    towards = make_mesh(corners, np.array([[0, 1, 2]]))
    away = make_mesh(corners, np.array([[0, 2, 1]]))
    assert render_mesh(towards, viewmats, Ks, SIZE, SIZE).alpha.any()
    assert not render_mesh(away, viewmats, Ks, SIZE, SIZE).alpha.any()


def test_a_closed_mesh_has_no_cracks():
    viewmats, Ks = front_camera(129)
    alpha = render_mesh(ball_mesh(0.8, subdivisions=3), viewmats, Ks, 129, 129, supersampling=1).alpha[0]
    is_well_inside = np.isfinite(sphere_depth(Ks[0], 129, 0.77))
    assert (alpha[is_well_inside] == 1).all()


def test_what_lies_behind_the_camera_is_not_drawn():
    viewmats, Ks = front_camera()
    assert not render_mesh(ball_mesh(0.5, (0, -2 * DISTANCE, 0)), viewmats, Ks, SIZE, SIZE).alpha.any()
    assert not render_mesh(empty_mesh(), viewmats, Ks, SIZE, SIZE).alpha.any()


def test_flat_shading_shows_the_colours_and_the_background_as_they_are():
    viewmats, Ks = front_camera()
    mesh = ball_mesh(0.5, color=(200, 100, 50))
    flat, lit = (
        render_mesh(mesh, viewmats, Ks, SIZE, SIZE, background_srgb=(0.1, 0.2, 0.3), shading=shading).rgb_srgb[0]
        for shading in ("flat", "lit")
    )
    np.testing.assert_allclose(flat[SIZE // 2, SIZE // 2] * 255, [200, 100, 50], atol=1e-3)
    np.testing.assert_allclose(flat[0, 0], [0.1, 0.2, 0.3], atol=1e-6)
    assert lit[SIZE // 2, SIZE // 2].sum() < flat[SIZE // 2, SIZE // 2].sum()
    np.testing.assert_allclose(lit[0, 0], flat[0, 0])


def dominant(pixels):
    return int(np.asarray(pixels, float).reshape(-1, 3).mean(0).argmax())


def test_the_sheet_starts_at_the_front_and_goes_counter_clockwise():
    # Red looks to the front (-Y), green to +X, blue to the back (+Y), white to -X.
    sides = [((0, -1, 0), RED), ((1, 0, 0), GREEN), ((0, 1, 0), BLUE), ((-1, 0, 0), (255, 255, 255))]
    mesh = joined_meshes(*(ball_mesh(0.4, centre, color, 3) for centre, color in sides))
    sheet = np.asarray(contact_sheet(mesh, elevation_deg=0, size=64, background_srgb=(0, 0, 0)))
    assert sheet.shape == (128, 256, 3)
    middles = [sheet[y + 30 : y + 34, x + 30 : x + 34] for y in (0, 64) for x in range(0, 256, 64)]
    assert [dominant(middles[view]) for view in (0, 2, 4)] == [0, 1, 2]
    assert middles[6].min() > 200
    # In the front view +X is on the right.
    front = sheet[:64, :64]
    right, left = front[31:33].max(0)[-20:].astype(int), front[31:33].max(0)[:20].astype(int)
    assert right[:, 1].max() > 200
    assert right[:, 0].max() < 50
    assert left.min(1).max() > 200


def test_the_sheet_frames_a_mesh_wherever_and_however_large_it_is():
    small = np.asarray(contact_sheet(ball_mesh(0.01, (5, 6, 7), RED), size=48))
    large = np.asarray(contact_sheet(ball_mesh(100.0, (0, 0, 0), RED), size=48))
    assert np.abs(small.astype(int) - large).mean() < 2
    assert 0.4 < (small[:48, :48, 1] < 50).mean() < 0.78


def test_an_empty_mesh_gives_an_empty_sheet():
    sheet = np.asarray(contact_sheet(empty_mesh(), size=16, azimuths=5, background_srgb=(0, 0, 0)))
    assert sheet.shape == (32, 64, 3)
    assert not sheet[:16].any()


def test_tiles_stand_in_rows():
    images = np.zeros((3, 2, 2, 3), np.uint8) + np.arange(3, dtype=np.uint8)[:, None, None, None]
    assert tile(images, 2)[::2, ::2, 0].tolist() == [[0, 1], [2, 255]]


def test_a_picture_is_saved_and_read_back(tmp_path):
    image = Image.fromarray(to_uint8(np.random.default_rng(0).random((8, 8, 3))))
    for _ in range(2):
        save_image_atomically(image, tmp_path / "sheet.png")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "sheet.png")), np.asarray(image))
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.png"]
