# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""ControlNet on a tiny Stable Diffusion: gates, copies of UNets, refusals."""

import json

import pytest
import torch
from diffusers import ControlNetModel, UNet2DConditionModel

from limbeck.errors import LimbeckError
from limbeck.priors.control import controlnet_like, depth_control
from limbeck.priors.loading import load_prior
from limbeck.priors.prior import Cond
from tiny_models import CPU, write_text_to_image


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    write_text_to_image(root / "text_to_image")
    unet = UNet2DConditionModel.from_pretrained(root / "text_to_image" / "unet")
    controlnet = controlnet_like(unet, 8)
    for parameter in controlnet.parameters():  # the zero layers would hide every mistake
        torch.nn.init.normal_(parameter, std=0.1)
    controlnet.save_pretrained(root / "structure" / "controlnet")
    return root


@pytest.fixture(scope="module")
def base(folder):
    return load_prior(str(folder), "text_to_image", CPU)


@pytest.fixture(scope="module")
def controlled(folder):
    return load_prior(str(folder), "structure", CPU)


def _inputs(prior, batch=4):
    text = prior.encode_text(["a blue penguin"]).expand(batch, -1, -1)
    return torch.randn(batch, 4, 8, 8), torch.arange(batch) * 200 + 50, text, torch.rand(batch, 3, 64, 64)


def test_gate_0_is_the_base_model_bit_for_bit_and_gate_1_the_ungated_control(base, controlled):
    xt, t, text, control = _inputs(base)
    gates = torch.tensor([0.0, 1.0, 0.0, 1.0])
    mixed = controlled.eps(xt, t, Cond(text, control=control, control_scale=gates))
    full = controlled.eps(xt, t, Cond(text, control=control))
    without = base.eps(xt, t, Cond(text))
    assert torch.equal(mixed[[0, 2]], without[[0, 2]])
    assert torch.equal(mixed[[1, 3]], full[[1, 3]])
    assert (full - without).abs().amax((1, 2, 3)).min() > 1e-3
    assert torch.equal(controlled.eps(xt, t, Cond(text)), without)


def test_the_gate_is_diffusers_conditioning_scale(controlled):
    xt, t, text, control = _inputs(controlled)
    down, middle = controlled.controlnet(xt, t, text, control, conditioning_scale=0.25, return_dict=False)
    theirs = controlled.unet(
        xt, t, text, down_block_additional_residuals=down, mid_block_additional_residual=middle, return_dict=False
    )[0]
    ours = controlled.eps(xt, t, Cond(text, control=control, control_scale=torch.full((4,), 0.25)))
    assert torch.equal(controlled.schedule.eps(theirs, xt, t), ours)


def test_a_fresh_controlnet_is_the_unets_encoder_and_changes_nothing(base):
    xt, t, text, control = _inputs(base)
    controlnet = controlnet_like(base.unet, 8)
    assert torch.equal(controlnet.add_embedding(text), base.unet.add_embedding(text))
    down, middle = controlnet(xt, t, text, control, return_dict=False)
    assert max(residual.abs().max() for residual in (*down, middle)) == 0


def test_diffusers_own_copy_of_a_small_unet_fails(base):
    """The reason for ``controlnet_like``; should this fail one day, diffusers was mended and it can go."""
    xt, t, text, control = _inputs(base)
    copy = ControlNetModel.from_unet(base.unet)
    with pytest.raises(RuntimeError, match="invalid for input"):
        copy(xt, t, text, control)


def test_depth_is_inverted_and_scaled_per_image():
    depth = torch.tensor([[[2.0, 4.0], [0.0, 8.0]], [[1.0, 3.0], [3.0, 9.0]]])
    is_object = torch.tensor([[[True, True], [False, True]], [[False, True], [True, False]]])
    expected = torch.tensor([[[1.0, 0.5], [0.0, 0.25]], [[0.0, 1.0], [1.0, 0.0]]])
    torch.testing.assert_close(depth_control(depth, is_object), expected[:, None].repeat(1, 3, 1, 1))


def test_nothing_in_sight_is_all_background():
    nothing = depth_control(torch.zeros(1, 2, 2), torch.zeros(1, 2, 2, dtype=torch.bool))
    assert torch.equal(nothing, torch.zeros(1, 3, 2, 2))


def test_a_control_of_another_size_or_for_another_model_is_refused(base, controlled):
    xt, t, text, control = _inputs(base)
    with pytest.raises(ValueError, match=r"\(64, 64\) pixels"):
        controlled.eps(xt, t, Cond(text, control=control[..., :32]))
    with pytest.raises(ValueError, match="no ControlNet"):
        base.eps(xt, t, Cond(text, control=control))


@pytest.mark.parametrize("damage", ["missing", "truncated", "a pickle", "another UNet's", "no config"])
def test_a_damaged_or_foreign_controlnet_is_refused(folder, tmp_path, controlled, damage):
    adapter = tmp_path / "adapter"
    controlled.controlnet.save_pretrained(adapter / "controlnet")
    weights = adapter / "controlnet" / "diffusion_pytorch_model.safetensors"
    config = adapter / "controlnet" / "config.json"
    if damage == "missing":
        weights.unlink()
    elif damage == "truncated":
        weights.write_bytes(weights.read_bytes()[:5000])
    elif damage == "a pickle":
        weights.rename(weights.with_suffix(".bin"))
    elif damage == "no config":
        config.unlink()
    else:
        other = dict(json.loads(config.read_text())) | {"cross_attention_dim": 64}
        ControlNetModel.from_config(other).save_pretrained(adapter / "controlnet")
    with pytest.raises(LimbeckError, match="could not load the structure adapter") as refused:
        load_prior(str(folder), "structure", CPU, adapter)
    assert refused.value.code == "E_MODEL_INCOMPLETE"
