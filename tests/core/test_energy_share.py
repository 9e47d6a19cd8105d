# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""How much of a step an energy may take: max_share."""

from dataclasses import replace

import pytest
import torch

from limbeck.config import override, recipe_to_plain
from limbeck.distillation.conditioning import condition
from limbeck.distillation.energies.energy import MAX_SHARE, correction, limited
from limbeck.distillation.energies.multiview import MultiViewEnergy
from limbeck.distillation.residual import Helpers, residual
from limbeck.distillation.term import Term
from limbeck.distillation.timesteps import Timesteps
from limbeck.errors import LimbeckError
from limbeck.recipes import load_recipe
from limbeck.schedules import constant
from oracles.energies import BASE, all_critics, random_context, random_denoised


def _gradients(t, max_share, *, energy_weight=1.0):
    """The residual with C(III) and without, at one timestep of 1000, from the same draws."""
    energy = MultiViewEnergy(max_share=max_share)
    term = Term(
        timesteps=Timesteps(t_min=constant(t), t_max=constant(t + 0.001), is_shared=True),
        weighting="uniform",
        energies=(energy,),
        energy_weight=constant(energy_weight),
    )
    latents = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    pair = (term, replace(term, energies=()))
    speaker, helpers = condition(BASE, "a", ""), Helpers(all_critics())
    return [residual(one, speaker, latents, random_context(), helpers).gradient for one in pair]


def _norms(gradient):
    return gradient.flatten(1).norm(dim=1)


@pytest.mark.parametrize("share", [0.1, 1.0])
@pytest.mark.parametrize("energy_weight", [1.0, -0.5])
def test_where_the_energy_would_swamp_the_residual_it_is_just_its_share_of_it(share, energy_weight):
    both, alone = _gradients(0.98, share, energy_weight=energy_weight)
    unlimited, _ = _gradients(0.98, None, energy_weight=energy_weight)
    assert (_norms(unlimited - alone) > 5 * _norms(alone)).all()
    torch.testing.assert_close(_norms(both - alone), share * _norms(alone), rtol=1e-4, atol=0)
    directions = [torch.nn.functional.normalize((one - alone).flatten(1)) for one in (both, unlimited)]
    torch.testing.assert_close(*directions, atol=1e-4, rtol=0)


def test_where_it_would_not_it_is_untouched_to_the_bit():
    both, _ = _gradients(0.02, MAX_SHARE)
    unlimited, _ = _gradients(0.02, None)
    assert torch.equal(both, unlimited)


def test_each_view_has_its_own_limit():
    gradient = torch.ones(3, 1, 2, 2) * torch.tensor([1.0, 10.0, 0.0])[:, None, None, None]
    found = limited(gradient, 0.5, torch.tensor([4.0, 4.0, 4.0]))
    torch.testing.assert_close(found[:, 0, 0, 0], torch.tensor([1.0, 1.0, 0.0]))
    assert torch.equal(limited(gradient, None, torch.ones(3)), gradient)
    assert torch.equal(limited(gradient, 0.5, None), gradient)


def test_a_residual_of_zero_leaves_no_room_for_an_energy():
    assert not limited(torch.ones(2, 1, 2, 2), 1.0, torch.zeros(2)).any()


def test_energies_are_limited_one_by_one():
    here = random_context()
    both = [MultiViewEnergy(weight=constant(w), max_share=0.1) for w in (1.0, 7.0)]
    norms = torch.ones(4)
    found = correction(both, random_denoised(here, t=900), all_critics(), here, norms)
    assert (_norms(found.gradient) <= 0.2 + 1e-5).all()


def test_the_share_is_a_setting_that_can_be_switched_off():
    recipe = load_recipe("jointdreamer")
    assert recipe.terms[0].energies[0].max_share == MAX_SHARE
    for off in (None, "off", "none"):
        changed = override(recipe, {"energies.0.max_share": off})
        assert recipe_to_plain(changed)["terms"][0]["energies"][0]["max_share"] is None
    assert override(recipe, {"energies.0.max_share": 0.3}).terms[0].energies[0].max_share == 0.3
    for bad in (0, -1, "-1", "much"):
        with pytest.raises(LimbeckError, match="max_share"):
            override(recipe, {"energies.0.max_share": bad})
