# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The CPU rasteriser renders what the torch oracle renders, and has its gradients."""

from dataclasses import replace

import pytest
import torch

from limbeck.representations.rasterize import rasterization, reference
from oracles.splat_scenes import Scene, ball, front_view, relative_error, run, run_oracle, surface

# Sums of hundreds of float32 terms of order 1.
ROUNDING = 2e-5
GRADIENT = 1e-4


def _assert_close_images(actual, expected):
    # An alpha within rounding of 1/255, or a transmittance of 1e-4, may fall on the other side in float32: a splat is
    # drawn or not, in at most one value of a thousand, and for no more than such a splat adds.
    difference = (actual - expected).abs()
    assert difference.max() <= 1 / 255
    assert (difference > ROUNDING).float().mean() <= 1e-3


def _assert_matches_oracle(scene: Scene, **options):
    actual = run(scene, **options)
    expected = run_oracle(scene, actual, **options)
    _assert_close_images(actual.render, expected.render)
    _assert_close_images(actual.alphas, expected.alphas)
    errors = {name: relative_error(actual.gradients[name], expected.gradients[name]) for name in expected.gradients}
    assert max(errors.values()) <= GRADIENT, errors


@pytest.mark.parametrize("points", [500, 2000])
@pytest.mark.parametrize("make", [ball, surface])
def test_images_and_gradients_match_the_float64_oracle(make, points):
    _assert_matches_oracle(make(points))


@pytest.mark.parametrize("mode", ["RGB", "D", "ED", "RGB+D"])
def test_every_render_mode_matches_the_oracle(mode):
    _assert_matches_oracle(ball(200, 2, (32, 32)), render_mode=mode)


@pytest.mark.parametrize("channels", [1, 4, 6, 11])
def test_any_number_of_channels_matches_the_oracle(channels):
    _assert_matches_oracle(ball(200, 2, (32, 32), channels=channels))


def test_colors_per_camera_match_the_oracle():
    scene = ball(200, 2, (32, 32))
    colors = torch.rand(2, 200, 3, generator=torch.Generator().manual_seed(2))
    _assert_matches_oracle(replace(scene, colors=colors))


@pytest.mark.parametrize("size", [(64, 20), (17, 50), (1, 1)])
def test_images_of_any_shape_match_the_oracle(size):
    _assert_matches_oracle(ball(200, 2, size))


def test_principal_point_off_centre_matches_the_oracle():
    _assert_matches_oracle(ball(300, 2, (48, 32), centre=(0.1, 0.95)))


def test_cameras_inside_the_scene_match_the_oracle():
    # Gaussians behind, beside and right in front of the camera; near_plane keeps what covers thousands of pixels out.
    scene = ball(300, 2, (32, 32))
    viewmats = scene.viewmats.clone()
    viewmats[:, 2, 3] = 0.2
    _assert_matches_oracle(replace(scene, viewmats=viewmats), near_plane=0.2)


def test_culling_options_match_the_oracle():
    _assert_matches_oracle(ball(300, 2, (32, 32)), near_plane=2.7, far_plane=3.4, radius_clip=3.0, eps2d=0.1)


def test_saturated_pixels_match_the_oracle():
    scene = ball(400, 2, (32, 32))
    _assert_matches_oracle(replace(scene, opacities=torch.ones(400), scales=scene.scales * 2))


def test_elongated_gaussians_match_the_oracle():
    scene = ball(100, 2, (32, 32))
    _assert_matches_oracle(replace(scene, scales=torch.tensor([1.0, 0.01, 1e-4]).repeat(100, 1)))


def test_meta_matches_the_oracle():
    scene = ball(300, 2)
    _, _, actual = scene.render()
    _, _, expected = scene.to(torch.float64).render(reference.rasterization)
    assert actual.keys() == expected.keys()
    assert torch.equal(actual["radii"], expected["radii"])
    for name in ("depths", "opacities"):
        torch.testing.assert_close(actual[name].double(), expected[name], rtol=1e-6, atol=1e-6)
    seen = (actual["radii"] > 0).all(-1)
    for name in ("means2d", "conics"):
        torch.testing.assert_close(actual[name][seen].double(), expected[name][seen], rtol=1e-5, atol=1e-5)
    sizes = [actual[name] for name in ("width", "height", "n_cameras")]
    assert sizes == [48, 48, 2]


def test_median_depth_matches_the_oracle():
    scene = surface(500, 2)
    _, _, actual = scene.render()
    _, _, expected = scene.to(torch.float64).render(reference.rasterization)
    # A transmittance within rounding of 0.5 may choose the neighbouring splat: in at most one pixel in a thousand.
    wrong = (actual["median_depth"] - expected["median_depth"]).abs() > 1e-5
    assert wrong.float().mean() <= 1e-3
    assert (actual["median_depth"] == 0).any()
    assert (actual["median_depth"] > 2).any()


def test_the_oracle_has_the_gradients_of_finite_differences():
    scene = front_view(ball(3, 1, (4, 4)).to(torch.float64)).to(torch.float64)
    means = torch.tensor([[0.0, 0.0, 2.0], [0.1, 0.2, 2.5], [-0.2, 0.1, 3.0]], dtype=torch.float64)
    leaves = [
        means,
        scene.quats,
        1.0 + 0.2 * scene.scales,
        0.3 + 0.4 * scene.opacities,
        scene.colors,
    ]  # so wide that every alpha is far above 1/255, where images jump

    def render(*inputs):
        return reference.rasterization(*inputs, scene.viewmats, scene.Ks, 4, 4)[:2]

    assert torch.autograd.gradcheck(render, [leaf.clone().requires_grad_() for leaf in leaves])


def test_one_gaussian_has_the_closed_form():
    one = ball(1, 1, (9, 9))
    means, scales = torch.tensor([[0.0, 0.0, 4.0]]), torch.full((1, 3), 0.5)
    scene = front_view(one, means=means, scales=scales, opacities=torch.tensor([0.8]))
    render, alphas, _ = scene.render()
    variance = (1.2 * 9 * 0.5 / 4) ** 2 + 0.3
    offsets = torch.arange(9) + 0.5 - 4.5
    expected = 0.8 * torch.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * variance))
    expected = torch.where(expected >= 1 / 255, expected, 0.0)
    torch.testing.assert_close(alphas[0, ..., 0], expected, rtol=1e-5, atol=1e-6)
    colors = expected[..., None] * scene.colors[0] + (1 - expected[..., None]) * scene.backgrounds[0]
    torch.testing.assert_close(render[0, ..., :3], colors, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(render[0, ..., 3], torch.where(expected > 0, 4.0, 0.0), rtol=1e-5, atol=0.0)


def test_gradients_for_means2d_can_be_retained():
    scene = ball(50)
    scene.means.requires_grad_()
    render, _, meta = scene.render(rasterization)
    meta["means2d"].retain_grad()
    render.sum().backward()
    assert meta["means2d"].grad.shape == (3, 50, 2)
    assert meta["means2d"].grad.abs().sum() > 0


@pytest.mark.gpu
def test_gsplat_and_the_cpu_kernel_agree():
    scene = ball(500)
    actual = run(scene)
    on_gpu = {name: value.cuda() for name, value in vars(scene).items() if isinstance(value, torch.Tensor)}
    expected = run(replace(scene, **on_gpu), rasterization)
    torch.testing.assert_close(actual.render, expected.render.cpu(), rtol=1e-3, atol=1e-3)
    for name, gradient in expected.gradients.items():
        assert relative_error(actual.gradients[name], gradient.cpu()) <= 1e-3, name
