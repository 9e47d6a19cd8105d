# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Zero-1-to-3 in the layouts of its mirrors, tiny: conditions, loading, refusals."""

import math
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from limbeck.cameras import ring_cameras
from limbeck.errors import LimbeckError
from limbeck.priors.loading import load_prior
from limbeck.priors.novel_view import Viewpoints, relative_pose
from limbeck.priors.prior import Cond, Prior, TextPrior, stack_conds
from tiny_models import CPU, write_novel_view


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_novel_view(tmp_path_factory.mktemp("models") / "novel_view")


@pytest.fixture(scope="module")
def prior(folder):
    return load_prior(str(folder), "novel_view", CPU)


def _viewpoints(*angles):
    elevation, azimuth, distance = torch.tensor(angles).T.contiguous()
    return Viewpoints(elevation, azimuth, distance)


REFERENCE = _viewpoints((0.0, 0.0, 2.0), (0.0, 0.0, 2.0))
TARGET = _viewpoints((30.0, 90.0, 2.5), (0.0, -45.0, 2.0))


def test_the_pose_is_polar_angle_azimuth_and_distance():
    # The polar angle is 90 degrees minus the elevation: looking from higher up makes it smaller.
    expected = [[-math.pi / 6, 1.0, 0.0, 0.5], [0.0, -math.sqrt(0.5), math.sqrt(0.5), 0.0]]
    torch.testing.assert_close(relative_pose(REFERENCE, TARGET), torch.tensor(expected))


def test_only_the_difference_of_azimuths_counts():
    turned = [Viewpoints(v.elevation_deg, v.azimuth_deg + 200.0, v.distance) for v in (REFERENCE, TARGET)]
    torch.testing.assert_close(relative_pose(*turned), relative_pose(REFERENCE, TARGET), atol=1e-6, rtol=0)


def test_viewpoints_come_from_cameras():
    viewpoints = Viewpoints.of(ring_cameras(4, elevation_deg=10, fov_y_deg=45, distance=3, size=8))
    torch.testing.assert_close(viewpoints.distance, torch.full((4,), 3.0))
    torch.testing.assert_close(viewpoints.azimuth_deg, torch.tensor([0.0, 90.0, 180.0, 270.0]))


def test_the_condition_is_a_linear_token_and_latents_that_are_not_scaled(prior):
    rgb = torch.rand(2, 3, 64, 64)
    cond = prior.condition(rgb, REFERENCE, TARGET)
    joined = torch.cat([prior.image_encoder(rgb), relative_pose(REFERENCE, TARGET)], 1)
    torch.testing.assert_close(cond.text[:, 0], joined @ prior.projection.weight.T + prior.projection.bias)
    torch.testing.assert_close(cond.reference, prior.autoencoder.vae.encode(rgb * 2 - 1).latent_dist.mode())
    torch.testing.assert_close(cond.reference * 0.18215, prior.encode(rgb))


def test_without_condition_token_and_latents_are_zero(prior):
    uncond = prior.unconditional(prior.condition(torch.rand(2, 3, 64, 64), REFERENCE, TARGET))
    assert uncond.text.abs().max() == 0
    assert uncond.reference.abs().max() == 0


def test_eps_is_the_unets_v_on_joined_latents(prior):
    cond = prior.condition(torch.rand(2, 3, 64, 64), REFERENCE, TARGET)
    xt, t = torch.randn(2, 4, 8, 8), torch.tensor([100, 900])
    both = stack_conds([cond, prior.unconditional(cond)])
    eps = prior.eps(xt.repeat(2, 1, 1, 1), t.repeat(2), both)
    v = prior.unet(torch.cat([xt, cond.reference], 1), t, cond.text, return_dict=False)[0]
    alpha_bar = prior.alphas_cumprod[t][:, None, None, None]
    # Another batch size sums in another order.
    torch.testing.assert_close(eps[:2], alpha_bar.sqrt() * v + (1 - alpha_bar).sqrt() * xt, atol=1e-5, rtol=1e-5)
    assert (eps[:2] - eps[2:]).abs().max() > 1e-3


def test_it_is_a_prior_but_takes_no_text(prior):
    assert isinstance(prior, Prior)
    assert not isinstance(prior, TextPrior)
    assert prior.spec.name == "novel_view/novel_view"


def test_missing_reference_latents_are_refused(prior):
    with pytest.raises(ValueError, match="reference latents"):
        prior.eps(torch.randn(1, 4, 8, 8), torch.tensor([5]), Cond(torch.zeros(1, 1, 96)))


@pytest.mark.parametrize("name", ["camera", "image", "control"])
def test_conditions_that_it_cannot_see_are_refused(prior, name):
    cond = prior.condition(torch.rand(2, 3, 64, 64), REFERENCE, TARGET)
    values = {"camera": torch.rand(2, 16), "image": torch.rand(2, 1, 24), "control": torch.rand(2, 3, 64, 64)}
    with pytest.raises(ValueError, match=f"expected no {name}"):
        prior.eps(torch.randn(2, 4, 8, 8), torch.tensor([5, 500]), replace(cond, **{name: values[name]}))


@pytest.mark.parametrize(
    ("projection", "weight"), [("clip_camera_projection", "proj.weight"), ("cc_projection", "cc_projection.weight")]
)
def test_both_published_names_of_the_projection_load_alike(prior, tmp_path, projection, weight):
    other = load_prior(str(write_novel_view(tmp_path, projection=projection, weight=weight)), "novel_view", CPU)
    assert torch.equal(other.projection.weight, prior.projection.weight)
    assert torch.equal(other.projection.bias, prior.projection.bias)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ("no projection", "one folder with the projection"),
        ("another projection", "one weight of shape"),
        ("a truncated projection", "could not load the novel_view prior"),
        ("no image encoder", "could not load the novel_view prior"),
        ("a text-to-image UNet", "not twice"),
        ("a UNet that lacks a weight", "lacks 1 weights"),
        ("an image encoder that lacks a weight", "lacks 1 weights"),
    ],
)
def test_a_damaged_or_foreign_folder_is_refused(folder, tmp_path, damage, reason):
    copy = tmp_path / "model"
    shutil.copytree(folder, copy)
    projection = copy / "cc_projection" / "diffusion_pytorch_model.safetensors"
    unet = copy / "unet" / "diffusion_pytorch_model.safetensors"
    encoder = copy / "image_encoder" / "model.safetensors"
    if damage == "no projection":
        projection.unlink()
    elif damage == "another projection":
        save_file({"projection.weight": torch.zeros(96, 99)}, projection)
    elif damage == "a truncated projection":
        projection.write_bytes(projection.read_bytes()[:200])
    elif damage == "no image encoder":
        encoder.unlink()
    elif damage == "a text-to-image UNet":
        shutil.rmtree(copy / "unet")
        write_text_unet(copy)
    else:
        path = unet if "UNet" in damage else encoder
        tensors = load_file(path)
        tensors.pop(next(name for name in tensors if name.endswith("bias")))
        save_file(tensors, path, metadata={"format": "pt"})
    with pytest.raises(LimbeckError, match=reason) as refused:
        load_prior(str(copy), "novel_view", CPU)
    assert refused.value.code == "E_MODEL_INCOMPLETE"


def write_text_unet(folder):
    from tiny_models import write_unet

    write_unet(folder)
