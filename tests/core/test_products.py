# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Identities between methods, on a prior in closed form and in float64: tolerances are a few of its roundings."""

from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
import torch

from limbeck.cameras import ring_cameras
from limbeck.distillation.conditioning import condition
from limbeck.distillation.context import StepContext
from limbeck.distillation.energies.energy import Critics
from limbeck.distillation.energies.multiview import MultiViewEnergy
from limbeck.distillation.guidance import ClassifierFreeGuidance, predict_x0
from limbeck.distillation.inversion import DDIMInversion
from limbeck.distillation.multi_step import MultiStep, gamma, scaled
from limbeck.distillation.noise import GaussianNoise
from limbeck.distillation.perp_neg import PerpNeg, orthogonal_part, perpendicular, view_mixture
from limbeck.distillation.residual import Helpers, residual
from limbeck.distillation.term import Term
from limbeck.distillation.timesteps import Timesteps
from limbeck.distillation.variates import BaseScore, InjectedNoise, PathScore, ShiftedBaseScore, Unconditional
from limbeck.priors.prior import Cond
from limbeck.representations.representation import Rendering
from limbeck.schedules import constant
from oracles.analytic_prior import STANDARD, AnalyticPrior

PRIOR = AnalyticPrior(means={"": 0.0, "a": 2.0, "b": -1.0}, alphas_cumprod=STANDARD.cumprod(0))
TIGHT = {"atol": 1e-12, "rtol": 1e-12}


def _guided(scale=7.5, **rest):
    return ClassifierFreeGuidance(scale=constant(scale), **rest)


def _context(views=4, seed=0, size=4):
    alpha = torch.ones(views, 1, size, size)
    rendering = Rendering(alpha.repeat(1, 3, 1, 1), alpha, alpha, torch.zeros(views, 1, 2), alpha[:, 0, 0, :1] > 0)
    cameras = ring_cameras(views, elevation_deg=10, fov_y_deg=45, distance=3, size=size, start_deg=20)
    return StepContext(0.5, cameras, rendering, torch.Generator().manual_seed(seed))


def _latents(views=4):
    return torch.randn(views, 3, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(5))


def _gradient(term, speaker=None, *, seed=0, helpers=None):
    speaker = condition(PRIOR, "a", "") if speaker is None else speaker
    return residual(term, speaker, _latents(), _context(seed=seed), helpers or Helpers()).gradient


def _noised(term, seed=0):
    """The same draws as ``_gradient`` makes."""
    generator = torch.Generator().manual_seed(seed)
    t = replace(term.timesteps, is_shared=term.shares_timestep)(0.5, 4, 1000, generator)
    return GaussianNoise()(_latents(), t, PRIOR.alphas_cumprod, generator)


def _eps(xt, t, mean):
    return PRIOR.eps(xt, t, Cond(torch.full((len(xt), 1, 1), mean)))


def test_sjc_is_sds_with_a_weight_of_one():
    term = Term(guidance=_guided(), weighting="uniform")
    noised = _noised(term)
    text, uncond = (_eps(noised.xt, noised.t, mean) for mean in (2.0, 0.0))
    sigma = noised.sigma / noised.alpha
    denoised = noised.xt / noised.alpha - sigma * (uncond + 7.5 * (text - uncond))
    torch.testing.assert_close(_gradient(term), -(denoised - _latents()) / sigma, atol=1e-11, rtol=1e-11)


@pytest.mark.parametrize("rescale", [0.0, 0.5])
def test_mvdreams_reconstruction_loss_is_sds_weighted_by_gamma(rescale):
    prior = replace(PRIOR, spec=replace(PRIOR.spec, views_per_group=4))
    guidance = _guided(50.0, rescale=constant(rescale))
    term = Term(guidance=guidance, weighting="gamma", timesteps=Timesteps(is_shared=True))
    found = _gradient(term, condition(prior, "a", ""))
    noised = _noised(term)
    preds = {"text": _eps(noised.xt, noised.t, 2.0), "uncond": _eps(noised.xt, noised.t, 0.0)}
    x0 = predict_x0(term.guidance(preds, noised, 0.5, 4), noised)
    latents = _latents().requires_grad_(True)
    (0.5 * (latents - x0).square().sum()).backward()
    torch.testing.assert_close(found, latents.grad, atol=1e-10, rtol=1e-10)


def test_guidance_of_one_is_the_conditional_score():
    noised = _noised(Term())
    expected = noised.sigma**2 * (_eps(noised.xt, noised.t, 2.0) - noised.noise)
    torch.testing.assert_close(_gradient(Term(guidance=_guided(1.0))), expected, **TIGHT)


def test_perp_neg_without_weight_is_plain_guidance():
    plain, perp = Term(guidance=_guided()), Term(guidance=_guided(perp_neg=PerpNeg(strength=constant(0.0))))
    speaker = condition(PRIOR, "a", "")  # it hears no view words, so interpolated prompts are the same
    torch.testing.assert_close(_gradient(perp, speaker), _gradient(plain, speaker), **TIGHT)


def test_perp_neg_adds_only_what_is_orthogonal_to_the_prompt():
    preds = {
        branch: torch.randn(4, 3, 4, 4, dtype=torch.float64)
        for branch in ("text", "uncond", "negative:0", "negative:1")
    }
    direction = preds["text"] - preds["uncond"]
    added = perpendicular(preds, torch.rand(2, 4).double() - 0.5) - direction
    assert (added * direction).flatten(1).sum(1).abs().max() < 1e-12
    assert added.abs().max() > 0.1
    assert orthogonal_part(3.0 * direction, direction).abs().max() < 1e-12


@pytest.mark.parametrize(
    ("family", "azimuth", "expected"),
    [
        ("threestudio", 0.0, (0.0, 2.426 - 4.0)),  # 4 e^(-1/2) = 2.426 to four digits
        ("threestudio", 90.0, (0.606 - 0.60653, -0.967 - 0.60653)),
        ("threestudio", 180.0, (0.606 - 1.0, -0.967 - 1.0)),
        ("luciddreamer", 0.0, (0.0, -2.0)),
        ("luciddreamer", 45.0, (-2 * 0.367879, -2 * 0.0067379)),
        ("luciddreamer", 135.0, (-0.0067379, -2.0)),
    ],
)
def test_perp_neg_weights_are_the_familys(family, azimuth, expected):
    cameras = ring_cameras(1, elevation_deg=0, fov_y_deg=45, distance=3, size=4, start_deg=azimuth)
    found = PerpNeg(family=family).weights(cameras, 0.0)[:, 0]
    torch.testing.assert_close(found, torch.tensor(expected), atol=2e-3, rtol=0)


def test_interpolated_prompts_turn_from_front_to_side_to_back():
    cameras = ring_cameras(8, elevation_deg=0, fov_y_deg=45, distance=3, size=4)
    mixture = view_mixture(cameras)
    torch.testing.assert_close(mixture.sum(1), torch.ones(8))
    assert mixture[:5, 1:4].tolist() == [[1, 0, 0], [0.5, 0.5, 0], [0, 1, 0], [0, 0.5, 0.5], [0, 0, 1]]


@dataclass(frozen=True)
class WithImage(AnalyticPrior):
    """A prior whose mean moves by the image's embedding times its gate."""

    def eps(self, xt, t, cond):
        moved = cond.text + cond.image * cond.image_scale[:, None, None]
        return AnalyticPrior.eps(self, xt, t, Cond(moved))


def _with_image():
    prior = WithImage(means=PRIOR.means, alphas_cumprod=PRIOR.alphas_cumprod)
    return replace(condition(prior, "a", ""), image=torch.full((1, 1, 1), 3.0))


def test_isd_at_image_scale_zero_is_csd_scaled_by_guidance_less_one():
    isd = Term(prior="image_prompt", guidance=_guided(7.5), variate=BaseScore(), image_scale=constant(0.0))
    csd = Term(guidance=_guided(1.0), variate=Unconditional())
    torch.testing.assert_close(_gradient(isd, _with_image()), 6.5 * _gradient(csd), **TIGHT)


def test_isd_sees_the_image_in_the_target_alone():
    term = Term(prior="image_prompt", guidance=_guided(1.0), variate=BaseScore(), image_scale=constant(0.5))
    noised = _noised(term)
    expected = noised.sigma**2 * (_eps(noised.xt, noised.t, 2.0 + 1.5) - _eps(noised.xt, noised.t, 2.0))
    torch.testing.assert_close(_gradient(term, _with_image()), expected, **TIGHT)


def test_jsd_without_energy_is_sds():
    multi_view = condition(replace(PRIOR, spec=replace(PRIOR.spec, views_per_group=4)), "a", "")
    helpers = Helpers(Critics(multi_view=multi_view))
    sds = Term(timesteps=Timesteps(is_shared=True))
    assert torch.equal(
        _gradient(replace(sds, energies=(MultiViewEnergy(weight=constant(0.0)),)), helpers=helpers), _gradient(sds)
    )
    off = replace(sds, energies=(MultiViewEnergy(),), energy_weight=constant(0.0))
    assert torch.equal(_gradient(off, helpers=helpers), _gradient(sds))
    on = replace(off, energy_weight=constant(1.0))
    assert not torch.equal(_gradient(on, helpers=helpers), _gradient(sds))


def test_asd_without_shift_is_the_base_variate():
    torch.testing.assert_close(
        _gradient(Term(variate=ShiftedBaseScore(eta=0.0))), _gradient(Term(variate=BaseScore())), **TIGHT
    )


def test_asd_shifts_later_by_a_share_and_keeps_the_noise():
    term = Term(variate=ShiftedBaseScore(eta=0.5), guidance=_guided(1.0), timesteps=Timesteps(t_max=constant(0.5)))
    noised = _noised(term)
    shifted = term.variate.shifted(_latents(), noised, PRIOR.alphas_cumprod, 20, torch.Generator().manual_seed(1))
    assert (shifted.t >= noised.t).all()
    assert (shifted.t - noised.t <= 0.5 * (noised.t - 20) + 0.5).all()
    assert torch.equal(shifted.noise, noised.noise)


ISM = Term(
    timesteps=Timesteps(is_shared=True),
    noise=DDIMInversion(),
    guidance=_guided(7.5),
    variate=PathScore(),
    weighting="gamma",
    view_prompts=False,
)


def _up(t):
    """Walk up as ISM does, keeping every point and prediction."""
    grid = ISM.noise.grid(t, 1000, 0.5)
    ys, preds = [_latents()], []
    for here, there in pairwise(grid):
        preds.append(_eps(scaled(ys[-1], here, PRIOR.alphas_cumprod), here, 0.0))
        ys.append(ys[-1] + (gamma(there, PRIOR.alphas_cumprod) - gamma(here, PRIOR.alphas_cumprod)) * preds[-1])
    return grid, ys, preds


def _target(xt, t):
    text, uncond = _eps(xt, t, 2.0), _eps(xt, t, 0.0)
    return uncond + 7.5 * (text - uncond)


def test_ism_compares_the_guided_score_with_the_paths_last():
    t = replace(ISM.timesteps, is_shared=True)(0.5, 4, 1000, torch.Generator().manual_seed(2))
    grid, ys, preds = _up(t)
    assert (grid[-1] - grid[-2]).tolist() == [80] * 4
    xt = scaled(ys[-1], t, PRIOR.alphas_cumprod)
    expected = gamma(t, PRIOR.alphas_cumprod) * (_target(xt, t) - preds[-1])
    torch.testing.assert_close(_gradient(ISM, seed=2), expected, **TIGHT)


def test_the_naive_objective_telescopes_into_differences_of_scores():
    naive = replace(ISM, guidance=_guided(7.5, multi_step=MultiStep()), variate=InjectedNoise())
    t = replace(ISM.timesteps, is_shared=True)(0.5, 4, 1000, torch.Generator().manual_seed(2))
    grid, ys, preds = _up(t)
    y, total = ys[-1], torch.zeros_like(ys[0])
    for k in range(len(grid) - 2, -1, -1):
        target = _target(scaled(y, grid[k + 1], PRIOR.alphas_cumprod), grid[k + 1])
        step = gamma(grid[k + 1], PRIOR.alphas_cumprod) - gamma(grid[k], PRIOR.alphas_cumprod)
        y = y - step * target
        total = total + step * (target - preds[k])
    assert len(grid) > 3
    torch.testing.assert_close(_latents() - y, total, **TIGHT)
    torch.testing.assert_close(_gradient(naive, seed=2), total, **TIGHT)


def test_inversion_of_views_with_different_timesteps_is_that_of_each_alone():
    t = torch.tensor([30, 250, 600, 950])
    context = replace(_context(), empty_eps=lambda xt, t: _eps(xt, t, 0.0))
    together = ISM.noise(_latents(), t, PRIOR.alphas_cumprod, context.generator, context)
    for view in range(4):
        one = slice(view, view + 1)
        alone = ISM.noise(_latents()[one], t[one], PRIOR.alphas_cumprod, context.generator, context)
        torch.testing.assert_close(together.xt[one], alone.xt, **TIGHT)
        torch.testing.assert_close(together.path[one], alone.path, **TIGHT)


def test_the_share_of_the_negative_prompt_mixes_two_unconditional_scores():
    csd = Term(variate=Unconditional(), guidance=_guided(1.0), view_prompts=False)
    speaker = condition(PRIOR, "a", "b")
    at = [_gradient(replace(csd, negative=constant(share)), speaker) for share in (0.0, 0.25, 1.0)]
    torch.testing.assert_close(at[1], 0.75 * at[0] + 0.25 * at[2], **TIGHT)
    torch.testing.assert_close(at[0], _gradient(csd), **TIGHT)
    assert not torch.allclose(at[0], at[2])


def test_neighbouring_views_share_their_timestep():
    t = []

    @dataclass(frozen=True)
    class Watching(AnalyticPrior):
        def eps(self, xt, at, cond):
            t.append(at[:4])
            return AnalyticPrior.eps(self, xt, at, cond)

    pairs = torch.tensor([[0, 2], [1, 3]])
    residual(
        Term(), condition(Watching(means=PRIOR.means), "a", ""), _latents().float(), replace(_context(), pairs=pairs)
    )
    assert t[0][:2].tolist() == t[0][2:].tolist()
