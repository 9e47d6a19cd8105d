# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""C(III): the closed form is what autograd finds, and what was released."""

from dataclasses import replace

import pytest
import torch

from limbeck.distillation.conditioning import condition
from limbeck.distillation.context import StepContext
from limbeck.distillation.energies.energy import (
    Critics,
    Denoised,
    correction,
)
from limbeck.distillation.energies.multiview import MultiViewEnergy
from limbeck.distillation.noise import add_noise
from limbeck.distillation.residual import Helpers, residual
from limbeck.distillation.term import Term
from limbeck.priors.prior import Cond
from limbeck.representations.representation import Rendering
from limbeck.schedules import Schedule, constant
from oracles.energies import BASE, MULTI, all_critics, masked_x0, random_context, random_denoised


@pytest.mark.parametrize("mask", ["latents", "none"])
def test_the_closed_form_of_c3_is_what_autograd_finds(mask):
    context = random_context()
    denoised = random_denoised(context)
    found = MultiViewEnergy(mask=mask)(denoised, all_critics(), context)

    context = random_context()  # the same draws again
    uncond_text = [Cond(torch.full((4, 1, 1), mean)) for mean in (0.7, 0.0)]
    small = torch.nn.functional.interpolate(context.rendering.rgb, (4, 4), mode="bilinear", antialias=True)
    noised = add_noise(
        small, torch.randn(small.shape, generator=context.generator), denoised.noised.t, MULTI.alphas_cumprod
    )
    text, uncond = (MULTI.eps(noised.xt, noised.t, cond) for cond in uncond_text)
    x0_text, x0 = ((noised.xt - noised.sigma * eps) / noised.alpha for eps in (text, uncond + 50 * (text - uncond)))
    x0 = 0.5 * x0 * x0_text.std() / x0.std() + 0.5 * x0
    target = torch.nn.functional.interpolate(x0, (8, 8), mode="bilinear", align_corners=False)
    xt = denoised.noised.xt.clone().requires_grad_(True)
    energy = -0.5 * (masked_x0(denoised, xt, mask) - target).square().sum()
    energy.backward()
    # Values are of size 10; float32 rounds each of a few dozen operations to 1e-7 of that.
    torch.testing.assert_close(found.gradient, xt.grad, atol=1e-6 * xt.grad.abs().max().item(), rtol=1e-6)
    torch.testing.assert_close(found.values.sum(), energy.detach(), rtol=1e-6, atol=0.0)


def test_c3_is_the_released_closed_form_once_its_batch_average_is_undone():
    context = random_context()
    denoised = random_denoised(context)
    noised, released_lambda, views = denoised.noised, 5.0, 4
    energy = MultiViewEnergy(guidance_scale=constant(3.0), rescale=0.0)
    added = -noised.sigma * correction([energy], denoised, all_critics(), context).gradient
    # eps <- eps + lambda sigma_t (o / alpha_t) (x0 of the term's prior - x0 of the multi-view prior) / B
    x0_mvd = _guided_x0_of_the_multi_view_prior(noised.t, scale=3.0)
    x0_sd = (denoised.opacity * noised.xt - noised.sigma * denoised.noise_pred_uncond) / noised.alpha
    released = released_lambda * noised.sigma * (denoised.opacity / noised.alpha) * (x0_sd - x0_mvd) / views
    # Float32: a few dozen operations on numbers of this size.
    torch.testing.assert_close(added, released, atol=1e-6 * released.abs().max().item(), rtol=1e-5)


def _guided_x0_of_the_multi_view_prior(t, *, scale, uncond=0.0):
    """From the definition: MULTI draws its images from N(mean, std^2) of a prompt, 0.7 for "a"."""
    context = random_context()  # the same draws as the energy's
    small = torch.nn.functional.interpolate(context.rendering.rgb, (4, 4), mode="bilinear", antialias=True)
    noised = add_noise(small, torch.randn(small.shape, generator=context.generator), t, MULTI.alphas_cumprod)
    text, none = (MULTI.eps(noised.xt, t, Cond(torch.full((4, 1, 1), mean))) for mean in (0.7, uncond))
    x0 = (noised.xt - noised.sigma * (none + scale * (text - none))) / noised.alpha
    return torch.nn.functional.interpolate(x0, (8, 8), mode="bilinear", align_corners=False)


@pytest.mark.parametrize(("share", "uncond"), [(0.0, 0.0), (0.25, -0.1), (1.0, -0.4)])
def test_the_critic_hears_as_much_of_the_negative_prompt_as_the_term(share, uncond):
    """Predictions of Gaussians are affine in the mean, so that a mixture of two is that of the mixed mean."""
    prior = replace(MULTI, means={"": 0.0, "a": 0.7, "ugly": -0.4})
    critics = Critics(multi_view=condition(prior, "a", "ugly"))
    context = random_context()
    denoised = random_denoised(context)
    energy = MultiViewEnergy(guidance_scale=constant(3.0), rescale=0.0, mask="none")
    found = energy(denoised, critics, replace(context, negative=share)).gradient
    target = _guided_x0_of_the_multi_view_prior(denoised.noised.t, scale=3.0, uncond=uncond)
    expected = (target - denoised.x0_pred()) / denoised.noised.alpha
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_a_negative_prompt_that_has_not_begun_does_not_reach_the_critic():
    late = Schedule(((0.0, 0.0), (0.6, 0.0), (0.6, 1.0)))  # the context is at 0.5
    gradients = []
    for negative_prompt in ("ugly", ""):
        prior = replace(MULTI, means={"": 0.0, "a": 0.7, "ugly": -0.4})
        helpers = Helpers(Critics(multi_view=condition(prior, "a", negative_prompt)))
        context = random_context()
        term = Term(energies=(MultiViewEnergy(),), negative=late)
        found = residual(term, condition(BASE, "a", ""), context.rendering.rgb, context, helpers)
        gradients.append(found.gradient)
    assert torch.equal(*gradients)


def test_a_view_is_pulled_alike_whether_one_object_or_two_are_in_the_step():
    context = random_context(8)
    denoised = random_denoised(context)
    energy = MultiViewEnergy(rescale=0.0)
    both = energy(denoised, all_critics(), context)
    first = _first_half(denoised)
    rendering = context.rendering
    halved = Rendering(*(getattr(rendering, name)[:4] for name in ("rgb", "alpha", "depth", "points2d", "is_visible")))
    cameras = context.cameras.select(torch.arange(8) < 4)
    alone = energy(first, all_critics(), StepContext(0.5, cameras, halved, random_context(8).generator))
    # The critic's fresh noise is the generator's first 4 views of draws in both.
    torch.testing.assert_close(both.gradient[:4], alone.gradient)


def _first_half(denoised):
    noised = denoised.noised
    half = replace(noised, **{name: getattr(noised, name)[:4] for name in ("xt", "t", "noise", "alpha", "sigma")})
    return Denoised(denoised.prior, half, denoised.noise_pred_uncond[:4], denoised.opacity[:4])


def test_ascending_c3_makes_it_grow():
    context = random_context()
    denoised = random_denoised(context, t=600)
    before = MultiViewEnergy(mask="none")(denoised, all_critics(), context)
    moved = replace(denoised.noised, xt=denoised.noised.xt + 1e-3 * before.gradient)
    after = MultiViewEnergy(mask="none")(replace(denoised, noised=moved), all_critics(), random_context())
    assert (after.values > before.values).all()


def test_nothing_is_pulled_where_nothing_is_rendered():
    context = random_context()
    empty = replace(random_denoised(context), opacity=torch.zeros(4, 1, 8, 8))
    for mask in ("latents", "gradient"):
        assert not MultiViewEnergy(mask=mask)(empty, all_critics(), context).gradient.any()


def test_views_with_different_timesteps_are_refused_by_the_multi_view_energy():
    context = random_context()
    denoised = random_denoised(context)
    mixed = replace(denoised.noised, t=torch.tensor([1, 2, 3, 4]))
    with pytest.raises(ValueError, match="share a timestep"):
        MultiViewEnergy()(replace(denoised, noised=mixed), all_critics(), context)
