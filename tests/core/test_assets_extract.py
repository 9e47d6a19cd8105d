# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses
import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limbeck.assets.cloud import rotation_matrices
from limbeck.assets.density import MIN_SCALE_IN_CELLS, DensityGrid, density_grid
from limbeck.assets.extract import extract_mesh, mesh_from_density
from limbeck.assets.mesh import face_components, is_closed, signed_volume
from limbeck.errors import LimbeckError
from oracles.shapes import (
    THICKNESS,
    as_trimesh,
    ball_cloud,
    ball_surface,
    joined,
    random_cloud,
    surface_cloud,
    torus_cloud,
)

LOW, HIGH = np.full(3, -0.8), np.full(3, 0.8)


def reference_density(cloud, grid):
    """Evaluate the formula at the top of density.py node by node, in float64."""
    axes = [grid.origin[axis] + grid.spacing * np.arange(grid.values.shape[axis]) for axis in range(3)]
    nodes = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    density = np.zeros(grid.values.shape)
    rotations = rotation_matrices(cloud.quats)
    for n in range(len(cloud.means)):
        scales = np.maximum(cloud.scales[n].astype(np.float64), MIN_SCALE_IN_CELLS * grid.spacing)
        local = (nodes - cloud.means[n].astype(np.float64)) @ rotations[n] / scales
        squared = (local**2).sum(-1)
        density += np.where(squared <= 9, cloud.opacities[n] * np.exp(-0.5 * squared), 0)
    return density


def radius_bounds(radius, spacing):
    """Where the surface of a ball of flat Gaussians may lie.

    Density 0.3 lies within three deviations of the sphere, and the smallest deviation is half a cell; interpolation and
    blur add at most a cell.
    """
    reach = 3 * max(THICKNESS, MIN_SCALE_IN_CELLS * spacing) + spacing
    return radius - spacing, radius + reach


def test_the_density_is_the_sum_of_gaussians_within_three_sigmas():
    cloud = random_cloud(60)
    grid = density_grid(cloud, 30, LOW, HIGH)
    # Nodes just at three sigmas may fall on either side: one Gaussian's exp(-9/2) = 0.011 is the largest honest error.
    difference = np.abs(grid.values - reference_density(cloud, grid))
    assert np.quantile(difference, 0.999) < 1e-5
    assert difference.max() < 0.012


def test_the_same_cloud_gives_the_same_bits():
    first, second = (density_grid(random_cloud(200), 40, LOW, HIGH).values for _ in range(2))
    assert first.tobytes() == second.tobytes()


def test_a_box_that_is_flat_still_has_a_grid():
    assert density_grid(random_cloud(5), 8, np.zeros(3), np.array([1.0, 0.5, 0.0])).values.shape == (9, 5, 1)


@pytest.mark.parametrize("resolution", [48, 96])
def test_a_hollow_ball_becomes_solid_and_watertight(resolution):
    mesh = extract_mesh(ball_cloud(0.5), resolution=resolution)
    checked = as_trimesh(mesh)
    assert checked.is_watertight
    assert checked.is_winding_consistent
    assert checked.euler_number == 2
    low, high = radius_bounds(0.5, 1.1 / resolution)
    assert 4 / 3 * math.pi * low**3 < signed_volume(mesh) < 4 / 3 * math.pi * high**3


def test_a_torus_keeps_its_hole():
    checked = as_trimesh(extract_mesh(torus_cloud(0.5, 0.2), resolution=80))
    assert checked.is_watertight
    assert checked.euler_number == 0
    low, high = radius_bounds(0.2, 1.5 / 80)
    assert 2 * math.pi**2 * 0.5 * low**2 < checked.volume < 2 * math.pi**2 * 0.5 * high**2


def test_a_shell_with_holes_becomes_solid():
    points, normals, area = ball_surface(1500, 0.5)
    # Three openings of 0.05 across, a twentieth of the object.
    is_kept = np.all([np.linalg.norm(points - 0.5 * np.eye(3)[axis], axis=1) > 0.045 for axis in range(3)], axis=0)
    mesh = extract_mesh(surface_cloud(points[is_kept], normals[is_kept], area), resolution=128)
    assert face_components(mesh).max() == 0
    assert signed_volume(mesh) > 0.95 * 4 / 3 * math.pi * 0.5**3


def test_a_bowl_stays_open():
    points, normals, area = ball_surface(1500, 0.5)
    is_bowl = points[:, 2] < 0.3
    mesh = extract_mesh(surface_cloud(points[is_bowl], normals[is_bowl], area), resolution=96)
    assert 0 < signed_volume(mesh) < 0.3 * 4 / 3 * math.pi * 0.5**3


def test_two_parts_with_a_narrow_gap_stay_two():
    cloud = joined(ball_cloud(0.3, (-0.36, 0, 0)), ball_cloud(0.3, (0.36, 0, 0)))
    mesh = extract_mesh(cloud, resolution=128)
    assert face_components(mesh).max() == 1


def test_a_fuzzy_ball_below_the_threshold_still_has_a_preview():
    mesh = extract_mesh(ball_cloud(0.5, opacity=0.02), resolution=48)
    assert as_trimesh(mesh).is_watertight
    assert signed_volume(mesh) > 0


@pytest.mark.parametrize("cloud", [ball_cloud(opacity=0.0), random_cloud(0)], ids=["transparent", "none"])
def test_no_density_gives_an_empty_mesh(cloud):
    assert extract_mesh(cloud, resolution=32).is_empty


def test_gaussians_thinner_than_a_cell_are_not_lost():
    cloud = ball_cloud(0.5)
    thin = dataclasses.replace(cloud, scales=cloud.scales * np.array([1, 1, 0.01], np.float32))
    assert as_trimesh(extract_mesh(thin, resolution=32)).euler_number == 2


def test_a_far_small_part_is_extracted_too():
    cloud = joined(ball_cloud(0.5), ball_cloud(0.08, (3.0, 0, 0), count=60))
    assert face_components(extract_mesh(cloud, resolution=96)).max() == 1


@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(*[st.integers(2, 9)] * 3),
    threshold=st.floats(0.05, 0.95),
    blur_cells=st.sampled_from([0.0, 0.5, 0.7]),
    seal_cells=st.integers(0, 3),
)
@settings(max_examples=60, deadline=None)
def test_any_density_gives_a_closed_surface_with_a_positive_volume(seed, shape, threshold, blur_cells, seal_cells):
    values = np.random.default_rng(seed).random(shape).astype(np.float32)
    grid = DensityGrid(values, np.array([1.0, -2.0, 3.0]), 0.1)
    mesh = mesh_from_density(grid, threshold, blur_cells=blur_cells, seal_cells=seal_cells)
    if not mesh.is_empty:
        assert is_closed(mesh)
        assert signed_volume(mesh) > 0


@pytest.mark.parametrize(("place", "scale"), [(1e4, 0.1), (-50.0, 0.1), (0.5, 1e3)])
def test_an_exploded_gaussian_does_not_take_the_object_with_it(place, scale):
    ball = ball_cloud(0.5)
    stray = dataclasses.replace(random_cloud(1), means=np.full((1, 3), place, np.float32))
    stray = dataclasses.replace(stray, scales=np.full((1, 3), scale, np.float32), opacities=np.ones(1, np.float32))
    mesh, alone = (extract_mesh(cloud, resolution=48) for cloud in (joined(ball, stray), ball))
    np.testing.assert_array_equal(mesh.vertices, alone.vertices)
    assert extract_mesh(stray, resolution=48).is_empty


def test_a_grid_lies_where_its_origin_says():
    values = np.zeros((9, 9, 9), np.float32)
    values[3:6, 2:5, 4:7] = 1
    mesh = mesh_from_density(DensityGrid(values, np.array([1.0, 2.0, 3.0]), 0.5), 0.5, blur_cells=0)
    centre = mesh.vertices.mean(0)
    np.testing.assert_allclose(centre, [1 + 0.5 * 4, 2 + 0.5 * 3, 3 + 0.5 * 5], atol=1e-5)


def test_not_a_number_is_refused():
    values = np.full((4, 4, 4), np.nan, np.float32)
    with pytest.raises(LimbeckError) as refused:
        mesh_from_density(DensityGrid(values, np.zeros(3), 1.0), 0.5)
    assert refused.value.code == "E_NOT_FINITE"
    cloud = ball_cloud()
    with pytest.raises(LimbeckError, match="Gaussian scales"):
        dataclasses.replace(cloud, scales=cloud.scales * np.float32("inf"))


def test_a_preview_takes_a_tenth_of_a_second():
    cloud = ball_cloud(0.5, count=5000)
    extract_mesh(cloud, resolution=64)
    times_s = []
    for _ in range(5):
        start_s = time.process_time()
        extract_mesh(cloud, resolution=64)
        times_s.append(time.process_time() - start_s)
    assert min(times_s) < 0.1
