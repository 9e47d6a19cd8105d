# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
import time

import numpy as np
import pytest

from limbeck.assets.blend import ColorView, blend_views, prepare_views, straight_colors
from limbeck.assets.mesh import empty_mesh, make_mesh, vertex_normals
from limbeck.assets.render import render_mesh
from limbeck.assets.vertex_colors import nearest_colors, project_colors, with_colors
from limbeck.cameras import ring_cameras
from oracles.shapes import ball_cloud, ball_mesh, joined, joined_meshes

RED, BLUE = (230, 20, 10), (10, 40, 220)
GREEN_SCREEN = (0.0, 1.0, 0.0)


def two_coloured_ball(radius=0.6):
    """Red for x < 0, blue for x > 0."""
    ball = ball_mesh(radius, subdivisions=5)
    return with_colors(ball, np.where(ball.vertices[:, :1] < 0, RED, BLUE) / 255)


def views_of(mesh, count=12, *, elevation_deg=15.0, size=192, background=GREEN_SCREEN, known=False):
    cameras = ring_cameras(count, elevation_deg=elevation_deg, fov_y_deg=40, distance=2.5, size=size)
    viewmats, Ks = cameras.viewmats.numpy(), cameras.Ks.numpy()
    renders = render_mesh(mesh, viewmats, Ks, size, size, background_srgb=background)
    return [
        ColorView(renders.rgb_srgb[i], renders.alpha[i], viewmats[i], Ks[i], background if known else None)
        for i in range(count)
    ]


def painted_from(mesh, views):
    return project_colors(mesh, prepare_views(mesh, views))


def weights_of(mesh, view):
    """How well one view knows each vertex, whatever the angle."""
    return blend_views(mesh.vertices, vertex_normals(mesh), prepare_views(mesh, [view]), facing_power=0.0).weights


def unpainted(mesh):
    return make_mesh(mesh.vertices, mesh.faces)


@pytest.mark.parametrize("known", [False, True])
def test_a_two_coloured_ball_gets_its_two_colours_and_no_background(known):
    ball = two_coloured_ball()
    views = views_of(ball, known=known) + views_of(ball, elevation_deg=60.0, known=known)
    painted = painted_from(unpainted(ball), views)
    # An edge of the ball's faces is 0.02 long; the bottom, seen at grazing angles only, is filled from afar.
    is_beside_the_seam = np.abs(ball.vertices[:, 0]) < 0.08
    difference = np.abs(painted.colors_srgb.astype(int) - ball.colors_srgb).max(axis=1)
    assert difference[~is_beside_the_seam].max() <= 2
    assert painted.colors_srgb[:, 1].max() <= 42


def test_a_hidden_surface_is_not_painted_in_the_colour_of_what_hides_it():
    front, back = ball_mesh(0.5, (0, -0.6, 0), RED, 4), ball_mesh(0.3, (0, 0.6, 0), BLUE, 4)
    mesh = joined_meshes(front, back)
    (view,) = views_of(mesh, 1, elevation_deg=0.0)
    weights = weights_of(mesh, view)
    assert weights[len(front.vertices) :].max() == 0
    is_facing = front.vertices[:, 1] < -0.9
    assert weights[: len(front.vertices)][is_facing].min() > 0.9


def test_a_part_before_another_does_not_stain_it():
    mesh = joined_meshes(ball_mesh(0.15, (0, -0.75, 0.1), RED, 4), ball_mesh(0.5, (0, 0, 0), BLUE, 5))
    painted = painted_from(unpainted(mesh), views_of(mesh, 16))
    difference = np.abs(painted.colors_srgb.astype(int) - mesh.colors_srgb).max(axis=1)
    assert np.quantile(difference, 0.99) <= 2
    assert difference.max() < 40


def test_what_no_view_sees_takes_its_neighbours_colour():
    ball = two_coloured_ball()
    painted = painted_from(unpainted(ball), views_of(ball, 1))
    is_far_from_the_seam = np.abs(ball.vertices[:, 0]) > 0.3
    difference = np.abs(painted.colors_srgb.astype(int) - ball.colors_srgb).max(axis=1)
    assert difference[is_far_from_the_seam].max() <= 3


def test_without_any_view_the_mesh_is_grey():
    painted = painted_from(two_coloured_ball(), [])
    assert (painted.colors_srgb == [128, 128, 128, 255]).all()


def test_pixels_of_low_alpha_are_never_sampled():
    ball = two_coloured_ball()
    (view,) = views_of(ball, 1)
    faint = ColorView(view.rgb_srgb, view.alpha * np.float32(0.45), view.viewmat, view.K)
    assert weights_of(ball, faint).max() == 0


def test_a_known_background_is_taken_out_again():
    alpha = np.full((2, 2), 0.6, np.float32)
    color, background = np.array([0.8, 0.3, 0.1], np.float32), (0.0, 1.0, 0.0)
    rgb = np.broadcast_to(0.6 * color + 0.4 * np.float32(background), (2, 2, 3)).astype(np.float32)
    view = ColorView(rgb, alpha, np.eye(4), np.eye(3), background)
    np.testing.assert_allclose(straight_colors(view), np.broadcast_to(color, (2, 2, 3)), atol=1e-6)


def test_the_same_views_give_the_same_bytes():
    ball = two_coloured_ball()
    views = views_of(ball, 4)
    assert painted_from(ball, views).colors_srgb.tobytes() == painted_from(ball, views).colors_srgb.tobytes()


def test_a_preview_takes_the_colours_of_the_nearest_gaussians():
    cloud = joined(
        ball_cloud(0.3, (-0.5, 0, 0), color=np.array(RED) / 255),
        ball_cloud(0.3, (0.5, 0, 0), color=np.array(BLUE) / 255),
    )
    mesh = joined_meshes(ball_mesh(0.31, (-0.5, 0, 0)), ball_mesh(0.31, (0.5, 0, 0)))
    colors = nearest_colors(mesh, cloud).colors_srgb[:, :3]
    np.testing.assert_array_equal(colors, np.where(mesh.vertices[:, :1] < 0, RED, BLUE))
    assert nearest_colors(empty_mesh(), cloud).is_empty


def test_twenty_thousand_faces_and_24_views_take_two_seconds():
    ball = two_coloured_ball()
    views = views_of(ball, 24)
    assert len(ball.faces) == 20480
    start_s = time.process_time()
    painted_from(ball, views)
    assert time.process_time() - start_s < 2
