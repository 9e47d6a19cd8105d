# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import pytest
import torch

from limbeck.cameras import mvdream_camera, ring_cameras
from limbeck.priors.loading import load_prior
from limbeck.priors.lora import TrainedCopy, TrainingRule
from limbeck.priors.prior import Cond
from tiny_models import CPU, write_ip_adapter, write_text_to_image

RULE = TrainingRule(rank=2, learning_rate=1e-2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prior")
    write_text_to_image(folder)
    write_ip_adapter(folder / "image_prompt")
    return str(folder)


@pytest.fixture(scope="module")
def prior(folder):
    return load_prior(folder, "text_to_image", CPU)


def _copy(prior, rule=RULE):
    return TrainedCopy(prior, rule, torch.Generator().manual_seed(1))


def _question(seed=0):
    generator = torch.Generator().manual_seed(seed)
    xt = torch.randn(4, 4, 8, 8, generator=generator)
    cameras = ring_cameras(4, elevation_deg=10, fov_y_deg=45, distance=3, size=64)
    text = torch.randn(1, 16, 96, generator=generator).expand(4, -1, -1)
    return xt, torch.tensor([20, 300, 600, 900]), Cond(text, mvdream_camera(cameras.c2w))


def _fit(copied, latents, cond, generator):
    loss = copied.loss(latents, cond, generator)
    copied.descend(loss)
    copied.step()
    return float(loss.detach())


def test_an_untrained_copy_answers_as_the_prior_does(prior):
    xt, t, cond = _question()
    assert torch.equal(_copy(prior).eps(xt, t, cond), prior.eps(xt, t, replace(cond, camera=None)))


def test_a_copy_of_a_prior_with_adapter_answers_as_the_prior_without(folder, prior):
    xt, t, cond = _question()
    adapted = load_prior(folder, "image_prompt", CPU)
    assert torch.equal(_copy(adapted).eps(xt, t, cond), prior.eps(xt, t, replace(cond, camera=None)))


def test_training_lowers_the_loss_and_leaves_the_prior_alone(prior):
    xt, t, cond = _question()
    before = prior.eps(xt, t, replace(cond, camera=None))
    copied, generator = _copy(prior), torch.Generator().manual_seed(2)
    losses = [_fit(copied, xt * 0.1, cond, generator) for _ in range(60)]
    assert sum(losses[-10:]) < 0.9 * sum(losses[:10])
    assert torch.equal(prior.eps(xt, t, replace(cond, camera=None)), before)


def test_a_trained_copy_hears_the_camera(prior):
    xt, t, cond = _question()
    copied, generator = _copy(prior), torch.Generator().manual_seed(2)
    for _ in range(3):
        _fit(copied, xt, cond, generator)
    turned = replace(cond, camera=cond.camera.flip(0))
    assert not torch.allclose(copied.eps(xt, t, cond), copied.eps(xt, t, turned))


def test_only_low_rank_layers_and_the_camera_are_trained(prior):
    names = _copy(prior).parameters
    assert all(name.endswith((".up", ".down")) or name.startswith("class_embedding.") for name in names)
    projections = sum(name.endswith((".attn1", ".attn2")) for name, _ in prior.unet.named_modules()) * 4
    assert sum(name.endswith(".up") for name in names) == projections > 0


def test_state_restores_the_copy_bit_for_bit(prior):
    xt, t, cond = _question()
    first, generator = _copy(prior), torch.Generator().manual_seed(2)
    _fit(first, xt, cond, generator)
    saved = {name: value.detach().clone() for name, value in first.tensors().items()}
    at = generator.get_state()
    _fit(first, xt, cond, generator)
    second = TrainedCopy(prior, RULE, torch.Generator().manual_seed(99))
    second.load(saved)
    generator.set_state(at)
    _fit(second, xt, cond, generator)
    assert torch.equal(first.eps(xt, t, cond), second.eps(xt, t, cond))


def test_a_copy_without_camera_is_refused(prior):
    xt, t, cond = _question()
    with pytest.raises(ValueError, match="expected a camera"):
        _copy(prior).eps(xt, t, replace(cond, camera=None))
