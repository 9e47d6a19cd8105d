# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The CPU rasteriser survives scenes that no one wants, and refuses what makes no sense."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from limbeck.representations.rasterize.inputs import check_inputs
from oracles.splat_scenes import INPUTS, ball, front_view, run


def _assert_shows_background_only(scene):
    result = run(scene)
    assert result.alphas.eq(0).all()
    assert torch.equal(result.render[..., :3], scene.backgrounds[:, None, None].expand(-1, 48, 48, -1))
    assert result.render[..., 3].eq(0).all()
    for name in INPUTS[:-1]:
        assert result.gradients[name].eq(0).all(), name


def test_no_gaussians_show_the_background():
    _assert_shows_background_only(ball(0))


def test_gaussians_behind_the_camera_show_the_background():
    scene = ball(50)
    _assert_shows_background_only(replace(scene, viewmats=scene.viewmats * torch.tensor([1, 1, -1, 1.0])[:, None]))


def test_gaussians_off_screen_show_the_background():
    scene = ball(50)
    _assert_shows_background_only(replace(scene, means=scene.means + torch.tensor([0.0, 0.0, 100.0])))


def test_transparent_gaussians_show_the_background():
    _assert_shows_background_only(replace(ball(50), opacities=torch.full((50,), 1 / 256)))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), 1e30])
@pytest.mark.parametrize("field", ["means", "quats", "scales"])
def test_a_broken_gaussian_leaves_the_others_alone(field, bad):
    scene = ball(50)
    values = getattr(scene, field).clone()
    values[7] = bad
    broken = run(replace(scene, **{field: values}))
    assert broken.render.isfinite().all()
    for name in INPUTS:
        healthy = torch.arange(len(broken.gradients[name])) != 7
        assert broken.gradients[name][healthy].isfinite().all(), name


def test_a_gaussian_of_nan_opacity_is_not_seen():
    scene = ball(50)
    opacities = scene.opacities.clone()
    opacities[7] = float("nan")
    without = torch.arange(50) != 7
    expected = replace(scene, **{name: getattr(scene, name)[without] for name in INPUTS[:-1]}).render()
    assert torch.equal(replace(scene, opacities=opacities).render()[0], expected[0])


def test_a_huge_gaussian_covers_the_image_evenly():
    scene = front_view(ball(1), means=torch.tensor([[0.0, 0.0, 2.0]]), scales=torch.full((1, 3), 1e6))
    result = run(replace(scene, opacities=torch.tensor([0.5])))
    torch.testing.assert_close(result.alphas, torch.full((1, 48, 48, 1), 0.5))
    assert all(gradient.isfinite().all() for gradient in result.gradients.values())


def test_a_gaussian_of_no_size_is_as_large_as_the_blur():
    scene = front_view(ball(1, size=(9, 9)), means=torch.tensor([[0.0, 0.0, 2.0]]), scales=torch.zeros(1, 3))
    result = run(replace(scene, opacities=torch.tensor([1.0])))
    assert result.alphas[0, 4, 4, 0] == pytest.approx(0.999)
    assert result.alphas[0, 4, 5, 0].item() == pytest.approx(torch.tensor(-1 / 0.6).exp().item(), rel=1e-5)
    assert result.gradients["means"].isfinite().all()


def test_a_zero_quaternion_is_no_rotation():
    scene = ball(20)
    still = torch.tensor([1.0, 0.0, 0.0, 0.0]).repeat(20, 1)
    result = run(replace(scene, quats=torch.zeros(20, 4)))
    assert torch.equal(result.render, replace(scene, quats=still).render()[0])
    assert result.gradients["quats"].isfinite().all()


def test_light_stops_before_the_splat_that_would_end_it():
    # Transmittances 1, 0.1, 0.01, 0.001, then 1e-4: the fourth splat is not drawn, nor is any behind it.
    means = torch.tensor([[0.0, 0.0, 2.0]]).repeat(6, 1) + 0.1 * torch.arange(6)[:, None] * torch.tensor(
        [0.0, 0.0, 1.0]
    )
    scene = front_view(ball(6, size=(1, 1)), means=means, scales=torch.full((6, 3), 1e3))
    result = run(replace(scene, opacities=torch.full((6,), 0.9001)))
    torch.testing.assert_close(result.alphas.item(), 1 - 0.0999**3, rtol=1e-6, atol=0.0)
    assert result.gradients["colors"][:3].ne(0).all()
    assert result.gradients["colors"][3:].eq(0).all()


def test_of_equal_depths_the_lower_index_is_in_front():
    means = torch.tensor([[0.0, 0.0, 2.0]]).repeat(3, 1)
    scene = front_view(ball(3, size=(1, 1)), means=means, scales=torch.full((3, 3), 1e3), colors=torch.eye(3))
    render, _, _ = replace(scene, opacities=torch.full((3,), 0.5), backgrounds=torch.zeros(1, 3)).render()
    torch.testing.assert_close(render[0, 0, 0, :3], torch.tensor([0.5, 0.25, 0.125]))


def test_only_the_direction_of_a_quaternion_matters():
    scene = ball(100)
    torch.testing.assert_close(replace(scene, quats=-3 * scene.quats).render()[0], scene.render()[0])


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 2**31), st.integers(1, 60))
def test_the_order_of_gaussians_changes_no_bit(seed, points):
    scene = ball(points, 2, (20, 20), seed=seed)
    shuffle = torch.randperm(points, generator=torch.Generator().manual_seed(seed))
    shuffled = run(replace(scene, **{name: getattr(scene, name)[shuffle] for name in INPUTS[:-1]}))
    plain = run(scene)
    assert torch.equal(shuffled.render, plain.render)
    for name in INPUTS[:-1]:
        assert torch.equal(shuffled.gradients[name], plain.gradients[name][shuffle]), name


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_other_floating_types_are_rendered_in_float32(dtype):
    scene = ball(30).to(dtype)
    result = run(scene)
    assert result.render.dtype == torch.float32
    assert result.gradients["means"].dtype == dtype


REFUSALS = {
    "quats": (torch.zeros(5, 3), r"expected quats \[5, 4\], got \[5, 3\]"),
    "scales": (torch.zeros(4, 3), r"expected scales \[5, 3\], got \[4, 3\]"),
    "opacities": (torch.zeros(5, 1), r"expected opacities \[5\], got \[5, 1\]"),
    "colors": (torch.zeros(2, 5, 3), r"expected colors \[5, D\] or \[1, 5, D\], got \[2, 5, 3\]"),
    "viewmats": (torch.zeros(1, 3, 4), r"expected viewmats \[1, 4, 4\], got \[1, 3, 4\]"),
    "Ks": (torch.zeros(2, 3, 3), r"expected Ks \[1, 3, 3\], got \[2, 3, 3\]"),
    "means": (torch.zeros(5, 3, dtype=torch.int64), "expected floating-point tensors, got torch.int64"),
    "width": (0, "expected an image of at least 1 x 1 pixels, got width 0, height 8"),
    "backgrounds": (torch.zeros(1, 4), r"expected backgrounds \[1, 3\], got \[1, 4\]"),
    "render_mode": ("RGBD", "expected render_mode to be one of RGB, D, ED, RGB\\+D, RGB\\+ED, got 'RGBD'"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_makes_no_sense_is_refused_by_name(name):
    scene = front_view(ball(5, 1, (8, 8)))
    arguments = {**vars(scene), "render_mode": "RGB"}
    arguments[name], message = REFUSALS[name]
    # Not through rasterization: in tests, the run-time type checker would speak first.
    with pytest.raises(ValueError, match=message):
        check_inputs(**arguments)


def test_opacities_above_one_are_refused():
    scene = ball(5)
    with pytest.raises(ValueError, match=r"expected opacities in \[0, 1\], got up to 1.5"):
        replace(scene, opacities=torch.full((5,), 1.5)).render()


def test_gradients_for_cameras_are_refused():
    scene = ball(5)
    with pytest.raises(ValueError, match="expected viewmats and Ks without gradient"):
        replace(scene, viewmats=scene.viewmats.requires_grad_()).render()
