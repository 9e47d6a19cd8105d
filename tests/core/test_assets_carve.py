# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np

from limbeck.assets.blend import ColorView
from limbeck.assets.carve import alpha_ceiling
from limbeck.assets.density import DensityGrid
from limbeck.assets.extract import mesh_from_density
from limbeck.assets.mesh import bounds, is_closed
from limbeck.assets.render import render_mesh
from limbeck.cameras import ring_cameras
from oracles.shapes import ball_mesh

SPACING = 0.05
NODES = 41
GRID = DensityGrid(np.full((NODES,) * 3, 5.0, np.float32), np.full(3, -1.0), SPACING)
POINTS = np.stack(np.meshgrid(*[-1 + SPACING * np.arange(NODES)] * 3, indexing="ij"), -1)


def silhouettes(mesh, size=128):
    views = []
    for elevation_deg in (-60.0, -20.0, 20.0, 60.0):
        cameras = ring_cameras(8, elevation_deg=elevation_deg, fov_y_deg=50.0, distance=3.5, size=size)
        viewmats, Ks = cameras.viewmats.numpy(), cameras.Ks.numpy()
        renders = render_mesh(mesh, viewmats, Ks, size, size)
        views += [ColorView(renders.rgb_srgb[i], renders.alpha[i], viewmats[i], Ks[i]) for i in range(8)]
    return views


def test_the_ceiling_is_one_half_on_the_outline_of_a_ball():
    ceiling = alpha_ceiling(GRID, silhouettes(ball_mesh(0.6, (0.1, 0, 0))))
    distance = np.linalg.norm(POINTS - (0.1, 0, 0), axis=-1)
    # A pixel is 0.025 wide there, and 32 views see a polyhedron that is nowhere more than a twentieth larger.
    assert ceiling[distance < 0.57].min() > 0.5
    assert ceiling[distance > 0.66].max() < 0.5


def test_what_is_too_dense_everywhere_is_carved_to_its_silhouettes():
    mesh = mesh_from_density(GRID, 0.3, views=silhouettes(ball_mesh(0.6, (0.1, 0, 0))))
    assert is_closed(mesh)
    distance = np.linalg.norm(mesh.vertices - np.array([0.1, 0, 0]), axis=1)
    assert 0.57 < distance.min() < distance.max() < 0.66
    np.testing.assert_allclose(np.mean(bounds(mesh), axis=0), [0.1, 0, 0], atol=0.02)


def test_views_that_look_elsewhere_carve_nothing():
    (view, *_) = silhouettes(ball_mesh(0.6))
    behind = np.eye(4)
    behind[2, 3] = -9.0
    assert (alpha_ceiling(GRID, [ColorView(view.rgb_srgb, view.alpha * 0, behind, view.K)]) == 1).all()
