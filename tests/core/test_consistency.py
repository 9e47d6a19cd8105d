# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""On a ball in closed form, in float64."""

from dataclasses import replace

import pytest
import torch

from limbeck.cameras import orbit_cameras
from limbeck.distillation.consistency import (
    Consistency,
    gradient_consistency_loss,
    occlusion_mask,
    pooled_depth,
    project_into,
    unproject,
    warp,
)
from limbeck.distillation.context import StepContext
from limbeck.representations.gaussians import GaussianSettings, initial_gaussians
from limbeck.representations.representation import Rendering
from limbeck.schedules import constant
from oracles.ball import ball_depth, ball_depth_at

RADIUS, TOLERANCE = 0.8, 0.05
PAIRS = torch.tensor([[0, 1], [1, 0]])


def _cameras(*azimuths_deg, size):
    ones = torch.ones(len(azimuths_deg), dtype=torch.float64)
    azimuths = torch.tensor(azimuths_deg, dtype=torch.float64)
    return orbit_cameras(ones * 10, azimuths, ones * 2.656, ones * 45, width=size, height=size)


def _field(points):
    """Four smooth functions of the place in the world, as gradient maps [views, 4, h, w]."""
    x, y, z = (3 * points).unbind(-1)
    return torch.stack([torch.sin(x + z), torch.cos(y - z), torch.sin(x - y), torch.cos(x + y + z)], 1)


def _scene(*azimuths_deg, size=32):
    cameras = _cameras(*azimuths_deg, size=size)
    depth = ball_depth(cameras, RADIUS)
    return cameras, depth, (depth > 0).double()


def test_pixels_unproject_onto_the_ball():
    cameras, depth, alpha = _scene(0.0, 40.0)
    radii = unproject(depth, cameras).norm(dim=-1)[alpha > 0]
    torch.testing.assert_close(radii, torch.full_like(radii, RADIUS), atol=1e-12, rtol=0)


def test_projecting_inverts_unprojecting():
    cameras, depth, _ = _scene(30.0, size=8)
    depth = depth.where(depth > 0, 3.0)
    places, z = project_into(unproject(depth, cameras), cameras, torch.tensor([0]))
    centres = (torch.arange(8, dtype=torch.float64) + 0.5) / 4 - 1
    torch.testing.assert_close(places[0, ..., 0], centres.expand(8, 8), atol=1e-12, rtol=0)
    torch.testing.assert_close(places[0, ..., 1], centres[:, None].expand(8, 8), atol=1e-12, rtol=0)
    torch.testing.assert_close(z, depth, atol=1e-12, rtol=0)


def test_going_to_the_other_view_and_back_ends_where_it_began():
    cameras, depth, alpha = _scene(0.0, 20.0)
    points = unproject(depth, cameras)
    places, z = project_into(points, cameras, torch.tensor([1, 0]))
    is_shared = occlusion_mask(places, z, depth[[1, 0]], alpha[[1, 0]], TOLERANCE) & (alpha > 0)
    other = replace(cameras, c2w=cameras.c2w[[1, 0]], Ks=cameras.Ks[[1, 0]])
    pixels = (places + 1) * cameras.width / 2
    seen_depth = ball_depth_at(other, pixels, RADIUS)
    torch.testing.assert_close(seen_depth[is_shared], z[is_shared], atol=1e-9, rtol=0)
    assert is_shared.float().sum() > 0.8 * alpha.sum()


def test_the_mask_is_what_both_views_see():
    cameras, depth, alpha = _scene(0.0, 60.0)
    points = unproject(depth, cameras)
    places, z = project_into(points, cameras, torch.tensor([1, 0]))
    found = occlusion_mask(places, z, depth[[1, 0]], alpha[[1, 0]], TOLERANCE)
    to_other = cameras.c2w[[1, 0], None, None, :3, 3] - points
    facing = (points * to_other).sum(-1) / (RADIUS * to_other.norm(dim=-1))
    is_object = alpha > 0
    assert found[is_object & (facing > 0.4)].all()
    assert not found[is_object & (facing < -0.2)].any()  # nearer the edge, both sides are within the tolerance
    assert (is_object & (facing < -0.2)).sum() > 20


def test_a_map_survives_the_way_to_the_other_view_and_back():
    cameras, depth, alpha = _scene(0.0, 10.0, size=64)
    points = unproject(depth, cameras)
    places, z = project_into(points, cameras, torch.tensor([1, 0]))
    maps = _field(points) * alpha[:, None]
    is_shared = occlusion_mask(places, z, depth[[1, 0]], alpha[[1, 0]], TOLERANCE) & (alpha > 0)
    towards = cameras.c2w[:, None, None, :3, 3] - points
    is_facing = (points * towards).sum(-1) / (RADIUS * towards.norm(dim=-1)) > 0.5
    there = warp(maps[[1, 0]], places)
    back = warp(there[[1, 0]], places)
    kept = (is_shared & is_facing)[:, None].expand_as(maps)
    # Bilinear interpolation errs by at most f'' / 8 times the squared pixel along each axis: f'' is at most 9 x 3, a
    # pixel covers 0.034, seen at 60 degrees 0.068. So 0.02 for one way, twice that for both.
    assert (there - maps)[kept].abs().max() < 0.02
    assert (back - maps)[kept].abs().max() < 0.04


def test_pooling_ignores_what_is_not_there():
    depth = torch.tensor([[[2.0, 9.0], [4.0, 9.0]]])
    alpha = torch.tensor([[[1.0, 0.0], [1.0, 0.0]]])
    assert pooled_depth(depth, alpha, 1, 1).item() == pytest.approx(3.0)
    assert pooled_depth(depth, torch.zeros_like(alpha), 1, 1).item() == 0.0


def _scores(cameras, depth, size=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(len(depth), 4, size, size, generator=generator, dtype=torch.float64)


def test_the_gradient_of_depth_is_the_finite_difference():
    cameras, depth, alpha = _scene(0.0, 5.0, size=16)
    scores = _scores(cameras, depth)
    depth = depth.clone().requires_grad_(True)
    gradient_consistency_loss(scores, depth, alpha, cameras, PAIRS, TOLERANCE).backward()
    assert depth.grad.abs().max() > 1e-3
    step = 1e-6
    for seed in range(8):
        generator = torch.Generator().manual_seed(seed)
        direction = torch.randn(depth.shape, generator=generator, dtype=torch.float64)
        up, down = (
            gradient_consistency_loss(
                scores, depth.detach() + sign * step * direction, alpha, cameras, PAIRS, TOLERANCE
            )
            for sign in (1, -1)
        )
        # Central differences: step^2 of truncation, 1e-16 / step = 1e-10 of rounding.
        expected = ((up - down) / (2 * step)).item()
        assert (depth.grad * direction).sum().item() == pytest.approx(expected, rel=1e-5, abs=1e-8)


def test_the_papers_nearest_sampling_has_no_gradient_at_all():
    cameras, depth, alpha = _scene(0.0, 5.0, size=16)
    depth = depth.clone().requires_grad_(True)
    scores = _scores(cameras, depth)
    loss = gradient_consistency_loss(scores, depth, alpha, cameras, PAIRS, TOLERANCE, "nearest")
    loss.backward()
    assert loss > 0.1
    assert torch.equal(depth.grad, torch.zeros_like(depth))


def test_the_gradient_reaches_nothing_but_depth():
    cameras, depth, alpha = _scene(0.0, 5.0, size=16)
    c2w, Ks = (tensor.clone().requires_grad_(True) for tensor in (cameras.c2w, cameras.Ks))
    depth, alpha = (tensor.clone().requires_grad_(True) for tensor in (depth, alpha))
    scores = _scores(cameras, depth).requires_grad_(True)
    loss = gradient_consistency_loss(scores, depth, alpha, cameras, PAIRS, TOLERANCE)
    loss.backward()
    assert depth.grad.any()
    assert all(tensor.grad is None for tensor in (scores, alpha, c2w, Ks))


def test_each_view_moves_its_own_depth():
    cameras, depth, alpha = _scene(0.0, 5.0, size=16)
    depth = depth.clone().requires_grad_(True)
    scores = _scores(cameras, depth)
    gradient_consistency_loss(scores, depth, alpha, cameras, torch.tensor([[0, 1]]), TOLERANCE).backward()
    assert depth.grad[0].any()
    assert not depth.grad[1].any()


def test_scores_of_one_surface_agree_best_at_its_own_depth():
    cameras, depth, alpha = _scene(0.0, 10.0, size=32)
    scores = _field(unproject(depth.where(depth > 0, 2.656), cameras))
    losses = [
        gradient_consistency_loss(scores, depth + offset * alpha, alpha, cameras, PAIRS, 1.0).item()
        for offset in (-0.2, -0.1, 0.0, 0.1, 0.2)
    ]
    assert min(losses) == losses[2]
    assert losses[2] < 0.5 * min(losses[1], losses[3])  # not 0: bilinear sampling, and the edge


def test_descending_the_loss_mends_a_wrong_depth():
    cameras, right, alpha = _scene(0.0, 10.0, size=32)
    scores = _field(unproject(right, cameras)) * alpha[:, None]
    offset = torch.tensor(0.1, dtype=torch.float64, requires_grad=True)
    for _ in range(40):
        loss = gradient_consistency_loss(scores, right + offset * alpha, alpha, cameras, PAIRS, 1.0)
        (gradient,) = torch.autograd.grad(loss, offset)
        offset = (offset - 2e-4 * gradient).detach().requires_grad_(True)
    assert abs(offset.item()) < 0.02


def test_views_from_opposite_sides_have_nothing_to_compare():
    cameras, depth, alpha = _scene(0.0, 180.0, size=16)
    depth = depth.clone().requires_grad_(True)
    loss = gradient_consistency_loss(_scores(cameras, depth), depth, alpha, cameras, PAIRS, TOLERANCE)
    loss.backward()
    assert loss.item() == 0.0
    assert torch.equal(depth.grad, torch.zeros_like(depth))


def test_only_the_direction_of_a_score_counts():
    cameras, depth, alpha = _scene(0.0, 5.0, size=16)
    scores = _scores(cameras, depth)
    losses = [
        gradient_consistency_loss(scale * scores, depth, alpha, cameras, PAIRS, TOLERANCE) for scale in (1.0, -7.0)
    ]
    torch.testing.assert_close(*losses)


def _context(cameras, rendering, pairs):
    return StepContext(0.5, cameras, rendering, torch.Generator(), pairs=pairs)


def _rendering(depth, alpha):
    views, size = len(depth), depth.shape[-1]
    rgb = torch.zeros(views, 3, size, size)
    return Rendering(rgb, alpha[:, None], depth[:, None], torch.zeros(views, 1, 2), torch.ones(views, 1) > 0)


def test_the_part_of_a_term_is_the_weighted_loss_both_ways():
    cameras, depth, alpha = _scene(0.0, 5.0, size=16)
    scores = _scores(cameras, depth)
    context = _context(cameras, _rendering(depth, alpha), torch.tensor([[0, 1]]))
    found = Consistency(weight=constant(0.3))(scores, context)
    torch.testing.assert_close(found, 0.3 * gradient_consistency_loss(scores, depth, alpha, cameras, PAIRS, TOLERANCE))


def test_without_pairs_there_is_nothing_to_agree_on():
    cameras, depth, alpha = _scene(0.0, 5.0, size=16)
    with pytest.raises(ValueError, match="expected pairs of neighbouring views"):
        Consistency()(_scores(cameras, depth), _context(cameras, _rendering(depth, alpha), None))
    with pytest.raises(ValueError, match="depth_tolerance above 0"):
        Consistency(depth_tolerance=0.0)


def test_on_rendered_gaussians_it_moves_their_geometry_and_not_their_colours():
    settings = GaussianSettings(count=300, opacity=0.9)
    gaussians = initial_gaussians(settings, torch.Generator().manual_seed(0), torch.device("cpu"))
    ones = torch.ones(2)
    cameras = orbit_cameras(ones * 10, torch.tensor([0.0, 5.0]), ones * 2.656, ones * 45, width=32, height=32)
    rendering = gaussians.render(cameras, 0.8)
    scores = torch.randn(2, 4, 8, 8)
    Consistency()(scores, _context(cameras, rendering, torch.tensor([[0, 1]]))).backward()
    parameters = gaussians.parameters()
    assert parameters["means"].grad.any()
    assert parameters["color_logits"].grad is None or not parameters["color_logits"].grad.any()
