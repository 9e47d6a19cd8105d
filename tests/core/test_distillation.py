# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import pytest
import torch

from limbeck.cameras import ring_cameras
from limbeck.distillation.conditioning import condition
from limbeck.distillation.context import StepContext
from limbeck.distillation.guidance import ClassifierFreeGuidance, predict_x0
from limbeck.distillation.noise import GaussianNoise, add_noise
from limbeck.distillation.residual import residual, surrogate_loss
from limbeck.distillation.term import Term
from limbeck.distillation.timesteps import Timesteps
from limbeck.distillation.variates import BaseScore, InjectedNoise, Unconditional
from limbeck.distillation.weighting import weight_of
from limbeck.priors.prior import Cond, stack_conds
from limbeck.representations.representation import Rendering
from limbeck.schedules import constant, parse_schedule
from oracles.analytic_prior import AnalyticPrior

PRIOR = AnalyticPrior(means={"": 0.0, "a": 2.0})


def _conditioned(prior=PRIOR):
    return condition(prior, "a", "")


def _cameras(views=3):
    return ring_cameras(views, elevation_deg=10, fov_y_deg=45, distance=3, size=4)


def _context(views=3, seed=0, generator=None):
    generator = torch.Generator().manual_seed(seed) if generator is None else generator
    seen = torch.ones(views, 1, 4, 4)
    rendering = Rendering(seen.expand(-1, 3, -1, -1), seen, seen, torch.zeros(views, 1, 2), seen[:, 0, 0, :1] > 0)
    return StepContext(0.5, _cameras(views), rendering, generator)


def _residual(term, latents, seed=0):
    return residual(term, _conditioned(), latents, _context(len(latents), seed))


def _at(t, views=3):
    generator = torch.Generator().manual_seed(7)
    latents = torch.randn(views, 3, 4, 4, generator=generator)
    return latents, GaussianNoise()(latents, torch.full((views,), t), PRIOR.alphas_cumprod, generator)


def test_guidance_of_one_is_no_guidance():
    _, noised = _at(400)
    preds = {"text": torch.randn(3, 3, 4, 4), "uncond": torch.randn(3, 3, 4, 4)}
    torch.testing.assert_close(ClassifierFreeGuidance(scale=constant(1.0))(preds, noised, 0.0), preds["text"])


def test_guidance_is_linear_in_its_scale():
    _, noised = _at(400)
    preds = {"text": torch.randn(3, 3, 4, 4), "uncond": torch.randn(3, 3, 4, 4)}
    at = [ClassifierFreeGuidance(scale=constant(s))(preds, noised, 0.0) for s in (0.0, 3.0, 6.0)]
    torch.testing.assert_close(at[0] + at[2], 2 * at[1], atol=1e-5, rtol=1e-5)


def test_a_full_rescale_gives_x0_the_spread_of_the_text_branch():
    _, noised = _at(400)
    preds = {"text": torch.randn(3, 3, 4, 4), "uncond": torch.randn(3, 3, 4, 4)}
    guided = ClassifierFreeGuidance(scale=constant(20.0), rescale=constant(1.0))(preds, noised, 0.0, views_per_group=3)
    torch.testing.assert_close(predict_x0(guided, noised).std(), predict_x0(preds["text"], noised).std())


def test_x0_inverts_adding_noise():
    latents, noised = _at(700)
    torch.testing.assert_close(predict_x0(noised.noise, noised), latents, atol=1e-4, rtol=1e-4)


def test_noise_has_unit_variance_and_the_signal_and_noise_powers_sum_to_one():
    noised = add_noise(torch.zeros(1, 3, 64, 64), torch.randn(1, 3, 64, 64), torch.tensor([999]), PRIOR.alphas_cumprod)
    assert (noised.alpha**2 + noised.sigma**2).item() == pytest.approx(1.0)
    assert noised.noise.std().item() == pytest.approx(1.0, abs=0.03)  # 12,288 draws: 4 standard errors are 0.026


def test_no_gradient_flows_through_noising():
    latents = torch.randn(2, 3, 4, 4, requires_grad=True)
    noised = GaussianNoise()(latents, torch.tensor([10, 20]), PRIOR.alphas_cumprod, torch.Generator())
    assert not noised.xt.requires_grad


def test_csd_is_the_guidance_direction_alone():
    latents = torch.randn(3, 3, 4, 4)
    with_scale = [Term(variate=Unconditional(), guidance=ClassifierFreeGuidance(scale=constant(s))) for s in (1.0, 5.0)]
    one, five = (_residual(term, latents).gradient for term in with_scale)
    torch.testing.assert_close(five, 5 * one, atol=1e-5, rtol=1e-4)


def test_the_base_variate_vanishes_without_guidance():
    term = Term(variate=BaseScore(), guidance=ClassifierFreeGuidance(scale=constant(1.0)))
    # uncond + (text - uncond) rounds: a few float32 epsilons of noise predictions of size one.
    assert _residual(term, torch.randn(3, 3, 4, 4)).gradient.abs().max() < 1e-5


def test_sds_with_the_noise_variate_has_the_papers_form():
    latents = torch.randn(3, 3, 4, 4)
    term = Term(guidance=ClassifierFreeGuidance(scale=constant(4.0)), weighting="sigma2", view_prompts=False)
    found = _residual(term, latents, seed=3)
    generator = torch.Generator().manual_seed(3)
    t = Timesteps()(0.5, 3, 1000, generator)
    noised = GaussianNoise()(latents, t, PRIOR.alphas_cumprod, generator)
    texts = [Cond(torch.full((3, 1, 1), mean)) for mean in (2.0, 0.0)]
    text, uncond = (PRIOR.eps(noised.xt, t, cond) for cond in texts)
    expected = noised.sigma**2 * (uncond + 4.0 * (text - uncond) - noised.noise)
    torch.testing.assert_close(found.gradient, expected)


def test_sds_pulls_latents_to_the_mode():
    latents = torch.zeros(8, 3, 4, 4, requires_grad=True)
    term = Term(guidance=ClassifierFreeGuidance(scale=constant(1.0)))
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam([latents], lr=0.05)
    for _ in range(200):
        found = residual(term, _conditioned(), latents, _context(8, generator=generator))
        optimizer.zero_grad()
        surrogate_loss(latents, found.gradient, 8).backward()
        optimizer.step()
    # One Gaussian's mode is its mean, 2; the rest is Adam's noise at this learning rate.
    assert latents.mean().item() == pytest.approx(2.0, abs=0.05)


def test_all_branches_share_one_forward_pass():
    calls = []

    class Counting(AnalyticPrior):
        def eps(self, xt, t, cond):
            calls.append(len(xt))
            return super().eps(xt, t, cond)

    counted = _conditioned(Counting(means=PRIOR.means))
    residual(Term(variate=Unconditional()), counted, torch.randn(3, 3, 4, 4), _context())
    assert calls == [6]


def test_the_surrogate_loss_has_the_gradient_it_is_given():
    latents = torch.randn(4, 3, 2, 2, requires_grad=True)
    gradient = torch.randn(4, 3, 2, 2)
    surrogate_loss(latents, gradient, 4).backward()
    torch.testing.assert_close(latents.grad, gradient / 4)


@pytest.mark.parametrize(
    ("weighting", "formula"),
    [
        ("sigma2", lambda a, s: s**2),
        ("uniform", lambda a, s: s / s),
        ("gamma", lambda a, s: s / a),
        ("fantasia3d", lambda a, s: a * s**2),
    ],
)
def test_each_weighting_is_its_formula(weighting, formula):
    _, noised = _at(300)
    torch.testing.assert_close(weight_of(weighting, noised), formula(noised.alpha, noised.sigma))


def test_timesteps_stay_in_their_range_and_shared_ones_are_equal():
    timesteps = Timesteps(t_min=constant(0.2), t_max=constant(0.4), is_shared=True)
    drawn = torch.stack([timesteps(0.0, 4, 1000, torch.Generator().manual_seed(seed)) for seed in range(200)])
    assert (drawn == drawn[:, :1]).all()
    assert 200 <= drawn.min() < 210
    assert 390 < drawn.max() <= 400


def test_timesteps_never_leave_the_priors():
    everything = Timesteps(t_min=constant(0.0), t_max=constant(1.0))
    drawn = everything(0.0, 100_000, 1000, torch.Generator().manual_seed(0))
    assert (drawn.min(), drawn.max()) == (1, 999)


@pytest.mark.parametrize(
    ("t_min", "t_max", "message"),
    [
        (0.02, 980, "expected t_max from 0 to 1, .* got .980"),
        (-1.0, 0.98, "expected t_min from 0 to 1, .* got .-1"),
        (0.5, 0.4, "expected t_max of at least t_min, got 0.4 and 0.5 at progress 0$"),
        ([[0, 0.5], [1, 0.1]], [[0, 0.9], [0.5, 0.2]], "got 0.2 and 0.3 at progress 0.5"),
        (0.3, [[0, 0.9], [0.5, 0.1], [0.5, 0.9]], "got 0.1 and 0.3 at progress 0.5"),
    ],
)
def test_a_range_of_timesteps_that_is_none_is_refused(t_min, t_max, message):
    with pytest.raises(ValueError, match=message):
        Timesteps(t_min=parse_schedule(t_min), t_max=parse_schedule(t_max))


def test_view_prompts_choose_the_text_by_azimuth():
    conditioned = replace(_conditioned(), by_view=torch.arange(5.0)[:, None, None])
    front_side_back_side = ring_cameras(4, elevation_deg=10, fov_y_deg=45, distance=3, size=4)
    chosen = conditioned.conds(front_side_back_side, "text", view_prompts=True).text.flatten()
    assert chosen.tolist() == [1.0, 2.0, 3.0, 2.0]


def test_conditions_with_and_without_cameras_do_not_mix():
    text = torch.zeros(1, 1, 1)
    with pytest.raises(ValueError, match="expected a camera"):
        stack_conds([Cond(text), Cond(text, torch.zeros(1, 16))])


def test_the_default_variate_is_the_noise():
    assert Term().variate == InjectedNoise()
