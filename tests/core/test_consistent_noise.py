# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Moments over 1,000 draws: channels are draws, given where the children fall; a few placements are drawn as well.

Everything is seeded, so no test fails by chance; bounds are what independent normal numbers keep to.
"""

import math
from statistics import NormalDist

import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from limbeck.cameras import orbit_cameras
from limbeck.distillation.consistent_noise import (
    ConsistentNoise,
    integral_noise,
    integrate,
    place_children,
    surface_depth,
    upsample_noise,
)
from limbeck.distillation.context import StepContext
from limbeck.distillation.placing import (
    Placed,
    PointCloud,
    background_sphere,
    fibonacci_lattice,
    scatter,
    shared_children,
    spacing_sigmas,
)
from limbeck.representations.representation import Rendering
from oracles.analytic_prior import STANDARD
from oracles.ball import ball_depth

SIDE, RADIUS, DRAWS = 10, 0.8, 1000
SIZE = SIDE * SIDE
NOISE = ConsistentNoise()


def _generator(seed=0):
    return torch.Generator().manual_seed(seed)


def _cameras(*azimuths_deg, side=SIDE, elevation_deg=10.0):
    ones = torch.ones(len(azimuths_deg))
    return orbit_cameras(
        ones * elevation_deg, torch.tensor(azimuths_deg), ones * 2.656, ones * 45, width=side, height=side
    )


def _cloud(points=400):
    return PointCloud(RADIUS * fibonacci_lattice(points), torch.full((points,), 0.05))


def _depth(cameras, side=64):
    return ball_depth(cameras.resized(side, side), RADIUS)


def _noise(cameras, channels, seed=0, *, cloud=None, settings=NOISE):
    return integral_noise(cloud or _cloud(), cameras, _depth(cameras), channels, settings, _generator(seed))


def _two_sided(alpha, tests):
    """Bonferroni: the standard score that none of so many normal numbers passes with probability 1 - alpha."""
    return NormalDist().inv_cdf(1 - alpha / (2 * tests))


NEIGHBOURS = _cameras(0.0, 5.0)


@pytest.fixture(scope="module")
def draws():
    """1,000 draws of two views 5 degrees apart: [views, draws, h, w]."""
    return _noise(NEIGHBOURS, DRAWS)


def test_pooled_over_pixels_the_noise_is_standard_normal():
    # Fresh placements: 20 of 50 channels, 200,000 numbers. Standard errors, views counted once: mean 0.003, variance
    # 0.0045, kurtosis 0.015.
    pooled = torch.cat([_noise(NEIGHBOURS, 50, seed) for seed in range(20)], 1).double()
    assert abs(pooled.mean()) < 0.01
    assert abs(pooled.var() - 1) < 0.01
    standardised = (pooled - pooled.mean()) / pooled.std()
    assert abs((standardised**4).mean() - 3) < 0.1


def test_every_pixel_is_standard_normal(draws):
    pixels = draws.double().transpose(0, 1).flatten(1)
    bound = _two_sided(0.01, pixels.shape[1])
    # Of n normal numbers the mean has variance 1/n; the variance has 2/n about 1, and its cube root is nearly normal.
    assert (pixels.mean(0).abs() * math.sqrt(DRAWS)).max() < bound
    cube = 2 / (9 * (DRAWS - 1))
    assert ((pixels.var(0) ** (1 / 3) - (1 - cube)).abs() / math.sqrt(cube)).max() < bound


def test_neighbouring_pixels_are_uncorrelated(draws):
    right = (draws[..., :-1] * draws[..., 1:]).double().mean(1)
    below = (draws[..., :-1, :] * draws[..., 1:, :]).double().mean(1)
    found = torch.cat([right.flatten(), below.flatten()])
    # The product of two independent standard normal numbers has variance 1.
    assert (found.abs() * math.sqrt(DRAWS)).max() < _two_sided(0.01, len(found))


def test_no_two_pixels_of_a_view_are_correlated(draws):
    pixels = draws[0].flatten(1).double()
    correlation = torch.corrcoef(pixels.T)
    apart = correlation[~torch.eye(SIZE, dtype=torch.bool)]
    assert (torch.atanh(apart).abs() * math.sqrt(DRAWS - 3)).max() < _two_sided(0.01, len(apart) / 2)


def _expected_correlation(placed, first, second):
    counts = torch.bincount(placed.pixels, minlength=2 * SIZE).view(2, SIZE).double()
    shared = shared_children(placed, SIZE, first, second).double()
    return shared / (counts[first][:, None] * counts[second][None]).sqrt().clamp_min(1)


def test_views_correlate_by_the_children_they_share(draws):
    # Placement draws first, so the same seed gives the placement of ``draws``.
    placed = place_children(_cloud(), NEIGHBOURS, _depth(NEIGHBOURS), NOISE, _generator())
    expected = _expected_correlation(placed, 0, 1)
    first, second = (view.flatten(1).double() for view in draws)
    found = torch.corrcoef(torch.cat([first, second], 1).T)[:SIZE, SIZE:]
    # Fisher: atanh of a sample correlation is normal about atanh of the true one with variance 1 / (n - 3).
    is_same = expected > 1 - 1e-9
    score = (torch.atanh(found) - torch.atanh(expected))[~is_same].abs() * math.sqrt(DRAWS - 3)
    assert (found[is_same] > 1 - 1e-6).all()
    assert score.max() < _two_sided(0.01, SIZE * SIZE)
    same_pixel = expected.diagonal()
    assert same_pixel.mean() > 0.3  # what the method is for; independent noise has 0


def test_a_view_shares_every_child_with_itself_and_none_between_pixels():
    placed = place_children(_cloud(), NEIGHBOURS, _depth(NEIGHBOURS), NOISE, _generator())
    expected = _expected_correlation(placed, 0, 0)
    seen = torch.bincount(placed.pixels, minlength=2 * SIZE)[:SIZE] > 0
    torch.testing.assert_close(expected, torch.diag(seen.double()))


def test_children_are_independent_and_sum_to_their_point():
    generator = _generator()
    point_noise = torch.randn(1, 20_000, generator=generator)
    children = upsample_noise(point_noise, 9, generator)
    torch.testing.assert_close(children.sum(0) / 3, point_noise[0], atol=1e-5, rtol=0)
    covariance = torch.cov(children.double())
    # 81 covariances of 20,000 numbers, standard errors 0.007 and 0.01 on the diagonal.
    assert (covariance - torch.eye(9, dtype=torch.float64)).abs().max() < 0.04


def test_a_pixel_with_all_children_of_one_point_shows_its_noise():
    point_noise = torch.randn(2, 4)
    placed = Placed(torch.tensor([3] * 9), torch.arange(9, 18), 18)
    own = torch.zeros(4, 4)
    found = integrate(upsample_noise(point_noise, 9, _generator()), placed, own)
    torch.testing.assert_close(found[3], point_noise[1], atol=1e-5, rtol=1e-5)
    assert not found[:3].any()


def test_the_sides_of_an_object_share_no_surface():
    cameras = _cameras(0.0, 180.0)
    cloud = _cloud()
    front = scatter(cloud, cameras, _depth(cameras), 0.05, 9, _generator())
    assert not shared_children(front, SIZE, 0, 1).any()
    through = scatter(cloud, cameras, None, 0.05, 9, _generator())
    assert shared_children(through, SIZE, 0, 1).any()


def test_a_point_shares_its_pixel_with_the_camera_that_sees_it():
    cameras = _cameras(0.0, elevation_deg=0.0)
    one = PointCloud(torch.tensor([[0.3, -0.5, 0.2]]), torch.tensor([1e-6]))
    focal, z = 5 / math.tan(math.radians(22.5)), 2.656 - 0.5
    column, row = math.floor(5 + focal * 0.3 / z), math.floor(5 - focal * 0.2 / z)
    placed = scatter(one, cameras, None, 0.0, 9, _generator())
    assert set(placed.pixels.tolist()) == {row * SIDE + column}
    assert placed.children.tolist() == list(range(9))


def test_points_behind_or_beside_a_camera_are_not_seen():
    cameras = _cameras(0.0)
    beside = PointCloud(torch.tensor([[0.0, -8.0, 0.0], [5.0, 0.0, 0.0]]), torch.full((2,), 0.01))
    assert not len(scatter(beside, cameras, None, 0.0, 9, _generator()).pixels)


def test_leaving_out_what_is_out_of_reach_changes_nothing(monkeypatch):
    cameras, cloud = _cameras(0.0, 90.0), _cloud()
    quick = scatter(cloud, cameras, None, 0.0, 9, _generator())
    monkeypatch.setattr("limbeck.distillation.placing.REACH", 100.0)
    thorough = scatter(cloud, cameras, None, 0.0, 9, _generator())
    assert torch.equal(quick.pixels, thorough.pixels)


def test_the_background_fills_about_every_pixel_from_any_camera_distance():
    for distance in (2.656, 30.0):
        cameras = _cameras(0.0, 120.0)
        cameras.c2w[:, :3, 3] *= distance / 2.656
        sphere = background_sphere(cameras, 10.0, 8.0, 9)
        counts = torch.bincount(scatter(sphere, cameras, None, 0.0, 9, _generator()).pixels, minlength=2 * SIZE)
        # Poisson numbers with a mean of 5 at least, in the corners, are 0 in one of 150 pixels.
        assert (counts == 0).float().mean() < 0.02
        assert counts.float().mean() > 5


def test_empty_pixels_get_noise_of_their_own():
    nothing = PointCloud(torch.zeros(0, 3), torch.zeros(0))
    noise = _noise(NEIGHBOURS, DRAWS, cloud=nothing, settings=ConsistentNoise(background_per_pixel=0.0))
    assert abs(noise.var() - 1) < 0.01  # 200,000 numbers: 0.003
    assert abs((noise[0] * noise[1]).mean()) < 0.01


def test_the_object_hides_the_background():
    cameras = _cameras(0.0)
    depth = _depth(cameras)
    placed = place_children(_cloud(), cameras, depth, NOISE, _generator())
    is_object = placed.children < 400 * 9
    assert not set(placed.pixels[is_object].tolist()) & set(placed.pixels[~is_object].tolist())
    inside = torch.nn.functional.adaptive_avg_pool2d((depth > 0).float()[:, None], SIDE).flatten() == 1
    counts = torch.bincount(placed.pixels[is_object], minlength=SIZE)
    assert (counts[inside] > 0).all()


def test_the_generator_decides_the_noise_alone():
    torch.manual_seed(1)
    one = _noise(NEIGHBOURS, 3)
    torch.manual_seed(2)
    assert torch.equal(one, _noise(NEIGHBOURS, 3))
    assert not torch.equal(one, _noise(NEIGHBOURS, 3, seed=1))


def test_points_that_are_no_gaussians_spread_by_their_spacing():
    grid = torch.cartesian_prod(*[torch.arange(5.0)] * 3)
    torch.testing.assert_close(spacing_sigmas(grid), torch.full((125,), 0.5))


def _context(points=True):
    depth = _depth(NEIGHBOURS, side=20)[:, None].requires_grad_(True)
    alpha = (depth.detach() > 0).float()
    rendering = Rendering(alpha.expand(-1, 3, -1, -1), alpha, depth, torch.zeros(2, 1, 2), torch.ones(2, 1) > 0)
    cloud = _cloud()
    given = {"points": cloud.points, "point_sigmas": cloud.sigmas} if points else {}
    return StepContext(0.0, NEIGHBOURS.resized(20, 20), rendering, _generator(), **given)


def test_it_noises_latents_as_gaussian_noise_does():
    latents, t = torch.randn(2, 4, SIDE, SIDE, requires_grad=True), torch.tensor([500, 500])
    noised = NOISE(latents, t, STANDARD.cumprod(0).float(), _generator(), context=_context())
    torch.testing.assert_close(noised.xt, noised.alpha * latents.detach() + noised.sigma * noised.noise)
    assert not noised.xt.requires_grad
    assert not noised.noise.requires_grad
    assert noised.noise.is_contiguous()
    assert (noised.noise[0] * noised.noise[1]).mean() > 0.2


def test_thin_fog_is_no_surface():
    context = _context()
    fog = Rendering(**{**vars(context.rendering), "alpha": context.rendering.alpha * 0.4})
    assert not surface_depth(StepContext(0.0, context.cameras, fog, _generator())).any()
    assert surface_depth(context).any()


def test_noise_without_points_is_refused():
    latents, t = torch.randn(2, 4, SIDE, SIDE), torch.tensor([500, 500])
    for context in (None, _context(points=False)):
        with pytest.raises(ValueError, match="expected points for consistent noise"):
            NOISE(latents, t, STANDARD.cumprod(0).float(), _generator(), context=context)


@pytest.mark.parametrize("wrong", [{"children": 0}, {"depth_tolerance": 0.0}, {"background_per_pixel": -1.0}, {"n": 9}])
def test_settings_that_make_no_noise_are_refused(wrong):
    with pytest.raises(ValidationError):
        TypeAdapter(ConsistentNoise).validate_python(wrong)
