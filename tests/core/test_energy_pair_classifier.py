# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""C(I): the gradient of a classifier's logits, through the decoder."""

from dataclasses import replace

import pytest
import torch

from limbeck.distillation.energies.energy import (
    Critics,
)
from limbeck.distillation.energies.pair_classifier import PairClassifierEnergy
from limbeck.priors.prior import PriorSpec
from oracles.analytic_prior import AnalyticPrior
from oracles.energies import Patched, random_context, random_denoised, tiny_classifier


def test_the_gradient_of_c1_is_the_finite_difference_of_its_logits():
    context = random_context(3, size=8)
    prior = Patched(means={"": 0.0}, spec=PriorSpec("patched", image_size=16))
    denoised = random_denoised(context, t=200, channels=4, prior=prior, dtype=torch.float64)
    critics, energy = Critics(pair_classifier=tiny_classifier()), PairClassifierEnergy(mask="none")
    found = energy(denoised, critics, context)
    assert found.gradient.abs().max() > 1e-3
    step = 1e-5
    for _ in range(5):
        direction = torch.randn_like(denoised.noised.xt)
        direction /= direction.norm()
        moved = [
            energy(
                replace(denoised, noised=replace(denoised.noised, xt=denoised.noised.xt + sign * step * direction)),
                critics,
                context,
            ).values.sum()
            for sign in (1, -1)
        ]
        # Central differences in float64: step^2 of truncation and 1e-16 / step of rounding, both below 1e-9.
        assert ((moved[0] - moved[1]) / (2 * step)).item() == pytest.approx(
            (found.gradient * direction).sum().item(), rel=1e-5, abs=1e-8
        )


def test_c1_masks_its_gradient_by_opacity_and_leaves_the_classifier_alone():
    context = random_context(3, size=8)
    prior = Patched(means={"": 0.0}, spec=PriorSpec("patched", image_size=16))
    denoised = random_denoised(context, t=200, channels=4, prior=prior, dtype=torch.float64)
    classifier = tiny_classifier()
    bare, masked = (
        PairClassifierEnergy(mask=mask)(denoised, Critics(pair_classifier=classifier), context)
        for mask in ("none", "gradient")
    )
    torch.testing.assert_close(masked.gradient, bare.gradient * denoised.opacity)
    assert all(parameter.grad is None for parameter in classifier.parameters())
    assert not masked.gradient.requires_grad


def test_c1_works_where_gradients_are_off():
    context = random_context(2)
    prior = Patched(means={"": 0.0}, spec=PriorSpec("patched", image_size=16))
    denoised = random_denoised(context, channels=4, prior=prior, dtype=torch.float64)
    with torch.no_grad():
        found = PairClassifierEnergy()(denoised, Critics(pair_classifier=tiny_classifier()), context)
    assert found.gradient.any()


def test_a_decoder_that_passes_no_gradient_is_refused():
    class Blind(AnalyticPrior):
        @torch.no_grad()
        def decode(self, latents):
            return latents * 1

    context = random_context(2)
    blind = Blind(spec=PriorSpec("blind", image_size=8))
    denoised, critics = random_denoised(context, prior=blind), Critics(pair_classifier=tiny_classifier())
    with pytest.raises(ValueError, match="passes gradients, got that of blind"):
        PairClassifierEnergy()(denoised, critics, context)
