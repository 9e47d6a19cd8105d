# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import pytest
import torch

from limbeck.cameras import ring_cameras
from limbeck.optimisation.state import initial_state, state_from_tensors, state_to_tensors
from limbeck.recipes import load_recipe
from limbeck.representations.densify import (
    DensifySettings,
    GradientStatistics,
    densify_and_prune,
    is_due,
    is_reset_due,
)
from limbeck.representations.gaussians import Gaussians, GaussianSettings, initial_gaussians
from limbeck.representations.normals import normals_from_depth, unprojected
from limbeck.representations.relocate import relocate, reset_opacities, shared
from limbeck.representations.representation import Moment

CPU = torch.device("cpu")
RECIPE = replace(load_recipe("mvdream"), gaussians=GaussianSettings(count=60))


def _state(seed=0):
    return initial_state(RECIPE, seed, CPU)


def _step_adam(state):
    for index, parameter in enumerate(state.representation.gaussians.parameters().values()):
        parameter.grad = torch.full_like(parameter, 0.1 * (index + 1))
    for group in state.optimizer.param_groups:
        group["lr"] = 0.01
    state.optimizer.step()


def _statistics(points):
    """Point i has seen a mean gradient of i."""
    return GradientStatistics(torch.arange(points, dtype=torch.float32), torch.ones(points))


def test_the_start_is_a_ball_of_the_radius_asked_for():
    gaussians = initial_gaussians(GaussianSettings(count=2000, radius=0.6), torch.Generator().manual_seed(0), CPU)
    distances = gaussians.activated().means.norm(dim=-1)
    assert distances.max() <= 0.6
    # Uniform in a ball: half of the points lie within 0.5^(1/3) of the radius; 2,000 draws, 4 standard errors.
    assert (distances < 0.6 * 0.5 ** (1 / 3)).float().mean().item() == pytest.approx(0.5, abs=0.045)


def test_the_start_has_the_opacity_asked_for():
    gaussians = initial_gaussians(GaussianSettings(count=5, opacity=0.25), torch.Generator(), CPU)
    torch.testing.assert_close(gaussians.activated().opacities, torch.full((5,), 0.25))


def test_a_render_shows_the_background_where_nothing_is():
    gaussians = initial_gaussians(GaussianSettings(count=50, radius=0.1), torch.Generator().manual_seed(0), CPU)
    rendering = gaussians.render(ring_cameras(2, elevation_deg=10, fov_y_deg=45, distance=3, size=32), 0.7)
    assert rendering.alpha[:, :, 0, 0].max() == 0
    torch.testing.assert_close(rendering.rgb[:, :, 0, 0], torch.full((2, 3), 0.7))


def test_a_render_passes_gradients_to_every_parameter():
    gaussians = initial_gaussians(GaussianSettings(count=50), torch.Generator().manual_seed(0), CPU)
    rendering = gaussians.render(ring_cameras(2, elevation_deg=10, fov_y_deg=45, distance=3, size=32), 0.7)
    (rendering.rgb.square().sum() + rendering.depth.sum()).backward()
    for name, parameter in gaussians.parameters().items():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


def test_missing_parameters_are_named():
    with pytest.raises(ValueError, match="means"):
        Gaussians({"means": torch.zeros(1, 3)})


def test_densifying_adds_the_share_with_the_largest_gradients():
    state = _state()
    before = state.representation.gaussians.activated().means
    settings = DensifySettings(share=0.1, split_scale=10.0)
    densify_and_prune(state.representation.gaussians, state.optimizer, _statistics(60), settings, torch.Generator())
    after = state.representation.gaussians.activated().means
    torch.testing.assert_close(after[:60], before)
    torch.testing.assert_close(after[60:], before[54:])


def test_splitting_shrinks_both_halves_and_moves_them_apart():
    state = _state()
    before = state.representation.gaussians.activated()
    settings = DensifySettings(share=0.1, split_scale=1e-6)
    densify_and_prune(
        state.representation.gaussians, state.optimizer, _statistics(60), settings, torch.Generator().manual_seed(1)
    )
    after = state.representation.gaussians.activated()
    torch.testing.assert_close(after.scales[54:60], before.scales[54:] / 1.6)
    torch.testing.assert_close(after.scales[60:], before.scales[54:] / 1.6)
    assert (after.means[54:60] - after.means[60:]).norm(dim=-1).min() > 0


def test_pruning_removes_what_cannot_be_seen():
    state = _state()
    with torch.no_grad():
        state.representation.gaussians.parameters()["opacity_logits"][:20] = -10.0
    densify_and_prune(
        state.representation.gaussians, state.optimizer, _statistics(60), DensifySettings(share=0.0), torch.Generator()
    )
    assert len(state.representation.gaussians) == 40


def test_pruning_never_removes_everything():
    state = _state()
    with torch.no_grad():
        state.representation.gaussians.parameters()["opacity_logits"][:] = -10.0
    densify_and_prune(
        state.representation.gaussians, state.optimizer, _statistics(60), DensifySettings(share=0.0), torch.Generator()
    )
    assert len(state.representation.gaussians) == 60


def test_densifying_stops_at_the_limit():
    state = _state()
    settings = DensifySettings(share=1.0, max_count=63)
    densify_and_prune(state.representation.gaussians, state.optimizer, _statistics(60), settings, torch.Generator())
    assert len(state.representation.gaussians) == 63


def test_moments_follow_their_gaussians_and_new_ones_start_at_zero():
    state = _state()
    _step_adam(state)
    with torch.no_grad():
        state.representation.gaussians.parameters()["opacity_logits"][:1] = -10.0
    densify_and_prune(
        state.representation.gaussians, state.optimizer, _statistics(60), DensifySettings(share=0.1), torch.Generator()
    )
    means = state.representation.gaussians.parameters()["means"]
    moment = state.optimizer.state[means]["exp_avg"]
    assert moment.shape == means.shape
    assert moment[:59].abs().min() > 0
    assert moment[59:].abs().max() == 0


def test_optimisation_goes_on_after_densifying():
    state = _state()
    _step_adam(state)
    densify_and_prune(
        state.representation.gaussians, state.optimizer, _statistics(60), DensifySettings(share=0.5), torch.Generator()
    )
    before = state.representation.gaussians.activated().means
    _step_adam(state)
    assert (state.representation.gaussians.activated().means != before).all()


def test_the_scale_of_the_loss_does_not_matter_to_densification():
    counts = []
    for factor in (1e-9, 1.0, 1e9):
        state = _state()
        statistics = GradientStatistics(torch.arange(60.0) * factor, torch.ones(60))
        densify_and_prune(
            state.representation.gaussians, state.optimizer, statistics, DensifySettings(share=0.2), torch.Generator()
        )
        counts.append(state.representation.gaussians.activated().means)
    torch.testing.assert_close(counts[0], counts[1])
    torch.testing.assert_close(counts[2], counts[1])


def test_rounds_come_at_the_same_progress_whatever_the_number_of_steps():
    settings = DensifySettings(every=0.1, begin=0.1, end=0.7)
    for steps in (10, 100, 1000):
        rounds = [step / steps for step in range(steps + 1) if is_due(settings, step, steps)]
        assert rounds == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7])


def test_a_saved_state_is_restored_bit_for_bit():
    state = _state()
    _step_adam(state)
    state.step = 7
    torch.rand(3, generator=state.generators["cameras"])
    restored = state_from_tensors(state_to_tensors(state), RECIPE, CPU)
    saved, again = state_to_tensors(state), state_to_tensors(restored)
    assert saved.keys() == again.keys()
    assert all(torch.equal(saved[name], again[name]) for name in saved)


def _stacked(shares, opacity=0.8):
    """Render one Gaussian, and what ``shared`` puts in its place."""
    camera = ring_cameras(1, elevation_deg=0, fov_y_deg=40, distance=3, size=64)
    found = []
    opacities, factors = shared(torch.tensor([opacity]), torch.tensor([shares]))
    for count, peak, scale in ((1, opacity, 0.3), (shares, opacities.item(), 0.3 * factors.item())):
        parameters = {
            "means": torch.zeros(count, 3),
            "log_scales": torch.full((count, 3), scale).log(),
            "quats": torch.tensor([1.0, 0, 0, 0]).repeat(count, 1),
            "opacity_logits": torch.logit(torch.full((count,), peak)),
            "color_logits": torch.zeros(count, 3),
        }
        found.append(Gaussians(parameters).render(camera, 0.0).alpha.detach())
    return found


@pytest.mark.parametrize("shares", [2, 5])
def test_gaussians_that_share_a_place_look_like_the_one_that_had_it(shares):
    one, many = _stacked(shares)
    # Eq. 9 keeps the integral along a line through the centre: the profile itself changes a little.
    assert (one - many).abs().max() < 0.12
    assert many.sum().item() == pytest.approx(one.sum().item(), rel=0.1)
    assert many.max().item() == pytest.approx(0.8, abs=0.01)


def test_relocation_keeps_the_count_of_a_full_cloud_and_leaves_nothing_dead():
    state = _state()
    _step_adam(state)
    gaussians = state.representation.gaussians
    with torch.no_grad():
        gaussians.parameters()["opacity_logits"][:20] = -10.0
    settings = DensifySettings(rule="relocate", max_count=60)
    untouched = gaussians.activated().means[20:]
    relocate(gaussians, state.optimizer, settings, torch.Generator().manual_seed(0))
    assert len(gaussians) == 60
    assert (gaussians.activated().opacities > 0.005).all()
    torch.testing.assert_close(gaussians.activated().means[20:], untouched)
    moments = state.optimizer.state[gaussians.parameters()["means"]]["exp_avg"]
    assert (moments[:20] == 0).all()
    assert moments[20:].abs().max() > 0


def test_relocation_does_not_look_at_gradients():
    counts = []
    for factor in (1.0, 1000.0):
        state = _state()
        splatting = state.representation
        splatting.densify = DensifySettings(rule="relocate", share=0.2)
        splatting.statistics = GradientStatistics(torch.arange(60.0) * factor, torch.ones(60))
        rendering = splatting.render(ring_cameras(1, elevation_deg=0, fov_y_deg=40, distance=3, size=8), 0.0)
        splatting.after_step(state.optimizer, rendering, Moment(10, 100, torch.Generator().manual_seed(0)))
        counts.append(splatting.gaussians.activated().means)
    assert len(counts[0]) == 72
    assert torch.equal(*counts)


def test_a_reset_lowers_opacities_and_forgets_their_moments():
    state = _state()
    _step_adam(state)
    gaussians = state.representation.gaussians
    with torch.no_grad():
        gaussians.parameters()["opacity_logits"][:5] = 3.0
    reset_opacities(gaussians, state.optimizer, 0.1)
    assert gaussians.activated().opacities.max().item() == pytest.approx(0.1)
    assert state.optimizer.state[gaussians.parameters()["opacity_logits"]]["exp_avg"].abs().max() == 0
    assert [step for step in range(101) if is_reset_due(DensifySettings(reset_every=0.3), step, 100)] == [30, 60]


def test_normals_from_depth_are_a_tilted_planes():
    camera = ring_cameras(1, elevation_deg=30, fov_y_deg=40, distance=3, size=16, start_deg=40)
    normal = torch.nn.functional.normalize(torch.tensor([0.2, -0.5, 0.9]), dim=0)
    rays = unprojected(torch.ones(1, 16, 16), camera)[0] - camera.c2w[0, :3, 3]
    depth = -(camera.c2w[0, :3, 3] @ normal) / (rays @ normal)  # camera z, as a ray of z = 1 meets n . x = 0
    found = normals_from_depth(depth[None, None], torch.ones(1, 1, 16, 16), camera)
    torch.testing.assert_close(found[0], normal[:, None, None].expand(3, 16, 16), atol=1e-4, rtol=0)


def test_a_balls_depth_and_normals_are_the_balls():
    direction = torch.nn.functional.normalize(torch.randn(6000, 3, generator=torch.Generator().manual_seed(0)), dim=-1)
    parameters = {
        "means": 0.6 * direction,
        "log_scales": torch.full((6000, 3), 0.02).log(),
        "quats": torch.tensor([1.0, 0, 0, 0]).repeat(6000, 1),
        "opacity_logits": torch.full((6000,), 3.0),
        "color_logits": torch.zeros(6000, 3),
    }
    camera = ring_cameras(1, elevation_deg=0, fov_y_deg=30, distance=3, size=33)
    rendering = Gaussians(parameters).render(camera, 0.0, with_normals=True)
    middle = (0, 0, 16, 16)
    assert rendering.depth[middle].item() == pytest.approx(2.4, abs=0.04)
    assert rendering.median_depth[middle].item() == pytest.approx(2.4, abs=0.04)
    mean_normal = torch.nn.functional.normalize(rendering.normals[0, :, 12:21, 12:21].mean((1, 2)), dim=0)
    assert mean_normal @ torch.tensor([0.0, -1.0, 0.0]) > 0.97
    assert rendering.normals[0, :, 0, 0].abs().max() == 0
