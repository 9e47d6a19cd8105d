# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from limbeck.distillation.conditioning import condition
from limbeck.distillation.references import DrawnReferences, draw_references, photometric_loss
from limbeck.distillation.sampling import Sampler
from limbeck.priors.loading import load_prior

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def priors():
    roles = ("multi_view", "text_to_image")
    return {role: condition(load_prior("embedded", role, CPU), "a blue penguin", "") for role in roles}


def _draw(priors, seed, steps=12):
    settings = DrawnReferences(sampler=Sampler(steps=steps))
    return draw_references(settings, priors, torch.Generator().manual_seed(seed), CPU)


def test_four_sides_of_a_blue_object_are_drawn_and_their_backgrounds_found(priors):
    drawn = _draw(priors, seed=0)
    assert drawn.cameras.azimuth_deg.tolist() == [0.0, 90.0, 180.0, 270.0]
    middle = drawn.rgb[:, :, 24:40, 24:40].mean((2, 3))
    assert (middle[:, 2] > middle[:, 0] + 0.1).all()
    torch.testing.assert_close(drawn.rgb[:, :, :4].mean((2, 3)), drawn.background, atol=0.05, rtol=0)


def test_the_seed_decides_what_is_drawn(priors):
    assert torch.equal(_draw(priors, 3, steps=2).rgb, _draw(priors, 3, steps=2).rgb)
    assert not torch.equal(_draw(priors, 3, steps=2).rgb, _draw(priors, 4, steps=2).rgb)


def test_the_photometric_loss_is_the_squared_error_per_view():
    images = torch.zeros(2, 3, 4, 4)
    assert photometric_loss(images + 0.5, images).item() == pytest.approx(0.25 * 48)
