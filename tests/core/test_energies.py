# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What all energies have in common, and their weighted sum."""

import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from limbeck.distillation.energies.critic import as_target
from limbeck.distillation.energies.energy import (
    Critics,
    Energy,
    correction,
)
from limbeck.distillation.energies.multiview import MultiViewEnergy
from limbeck.distillation.energies.novel_view import NovelViewEnergy
from limbeck.distillation.energies.pair_classifier import PairClassifierEnergy
from limbeck.schedules import constant
from oracles.energies import MULTI, all_critics, random_context, random_denoised, tiny_classifier


@pytest.mark.parametrize("energy", [MultiViewEnergy(), NovelViewEnergy(), PairClassifierEnergy()])
def test_every_energy_keeps_the_protocol_and_is_plain_data(energy):
    assert isinstance(energy, Energy)
    adapter = TypeAdapter(type(energy))
    assert adapter.validate_python(adapter.dump_python(energy, mode="json")) == energy
    with pytest.raises(ValidationError):
        adapter.validate_python({"strength": 1.0})


@pytest.mark.parametrize(
    ("energy", "name"),
    [
        (MultiViewEnergy(), "multi-view prior"),
        (NovelViewEnergy(), "novel-view prior"),
        (PairClassifierEnergy(), "pair classifier"),
    ],
)
def test_an_energy_without_its_critic_says_which(energy, name):
    context = random_context()
    with pytest.raises(ValueError, match=f"expected a {name}"):
        energy(random_denoised(context), Critics(), context)


def test_a_critic_in_another_latent_space_is_refused_unless_compared_as_images():
    context = random_context()
    with pytest.raises(ValueError, match="3 channels as base has, got 4 of multi"):
        as_target(torch.zeros(4, 4, 4, 4), MULTI, random_denoised(context), "latents")
    target = as_target(torch.full((4, 3, 4, 4), 0.25), MULTI, random_denoised(context), "images")
    torch.testing.assert_close(target, torch.full((4, 3, 8, 8), 0.25))


def test_a_single_view_has_no_pair():
    context = random_context(1)
    for energy in (NovelViewEnergy(), PairClassifierEnergy()):
        with pytest.raises(ValueError, match="at least two views"):
            energy(random_denoised(context), all_critics(pair_classifier=tiny_classifier()), context)


def test_energies_add_up_by_their_weights():
    energies = [MultiViewEnergy(weight=constant(2.0)), NovelViewEnergy(weight=constant(0.5))]
    context = random_context()
    denoised = random_denoised(context)
    found = correction(energies, denoised, all_critics(), context)
    context = random_context()
    alone = [energy(denoised, all_critics(), context) for energy in energies]
    torch.testing.assert_close(found.gradient, 2.0 * alone[0].gradient + 0.5 * alone[1].gradient)
    assert found.values == tuple(float(one.values.mean()) for one in alone)


def test_an_energy_of_weight_zero_neither_draws_nor_asks():
    context = random_context()
    before = context.generator.get_state()
    found = correction([MultiViewEnergy(weight=constant(0.0))], random_denoised(context), Critics(), context)
    assert not found.gradient.any()
    assert found.values == (0.0,)
    assert torch.equal(context.generator.get_state(), before)
