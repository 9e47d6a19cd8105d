# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""C(II): what another view, or the reference picture, predicts of each."""

import pytest
import torch

from limbeck.distillation.energies.energy import (
    ReferenceView,
)
from limbeck.distillation.energies.novel_view import NovelViewEnergy, other_views
from limbeck.distillation.noise import add_noise
from limbeck.priors.novel_view import Viewpoints
from limbeck.priors.prior import Cond
from oracles.energies import NOVEL, all_critics, masked_x0, random_context, random_denoised


def test_the_novel_view_energy_asks_for_each_view_from_another_one():
    context = random_context()
    denoised = random_denoised(context)
    NOVEL.asked.clear()
    found = NovelViewEnergy()(denoised, all_critics(), context)
    ((_, source, target),) = NOVEL.asked
    assert (source.azimuth_deg != target.azimuth_deg).all()
    assert sorted(source.azimuth_deg.tolist()) == sorted(target.azimuth_deg.tolist())
    assert found.gradient.shape == denoised.noised.xt.shape


def test_the_novel_view_energy_is_an_attraction_to_the_guided_prediction():
    context = random_context()
    denoised = random_denoised(context)
    NOVEL.asked.clear()
    found = NovelViewEnergy(shown="render")(denoised, all_critics(), context)
    ((rgb, _, _),) = NOVEL.asked
    context = random_context()
    other_views(4, context.generator)
    small = torch.nn.functional.interpolate(context.rendering.rgb, (4, 4), mode="bilinear", antialias=True)
    noise = torch.randn(small.shape, generator=context.generator)
    noised = add_noise(small, noise, denoised.noised.t, NOVEL.alphas_cumprod)
    means = rgb.mean((1, 2, 3))[:, None, None]
    text, uncond = (NOVEL.eps(noised.xt, noised.t, Cond(mean)) for mean in (means, torch.zeros_like(means)))
    x0 = (noised.xt - noised.sigma * (uncond + 3 * (text - uncond))) / noised.alpha
    target = torch.nn.functional.interpolate(x0, (8, 8), mode="bilinear", align_corners=False)
    xt = denoised.noised.xt.clone().requires_grad_(True)
    (-0.5 * (masked_x0(denoised, xt, "latents") - target).square().sum()).backward()
    torch.testing.assert_close(found.gradient, xt.grad, atol=1e-4, rtol=1e-5)


def test_image_to_3d_takes_every_view_from_the_reference_picture():
    context = random_context()
    viewpoint = Viewpoints(torch.tensor([5.0]), torch.tensor([30.0]), torch.tensor([2.0]))
    reference = ReferenceView(torch.full((1, 3, 16, 16), 0.3), viewpoint)
    NOVEL.asked.clear()
    energy = NovelViewEnergy(source="reference")
    energy(random_denoised(context), all_critics(reference=reference), context)
    ((rgb, source, _),) = NOVEL.asked
    assert source.azimuth_deg.tolist() == [30.0] * 4
    torch.testing.assert_close(rgb, torch.full((4, 3, 4, 4), 0.3))
    assert energy.critics == ("novel_view", "reference")
    with pytest.raises(ValueError, match="expected a reference picture"):
        energy(random_denoised(context), all_critics(), context)


def test_every_other_view_is_drawn():
    generator = torch.Generator().manual_seed(0)
    drawn = torch.stack([other_views(4, generator) for _ in range(60)])
    assert (drawn != torch.arange(4)).all()
    assert set(drawn[:, 0].tolist()) == {1, 2, 3}
