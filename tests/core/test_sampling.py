# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""DDIM through diffusers against the paper's equation, and sheets of samples from tiny models in every layout."""

import math

import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel
from PIL import Image

from limbeck.distillation.sampling import Sampler, ddim_scheduler, draw, sampling_timesteps
from limbeck.priors.control import controlnet_like
from limbeck.priors.embedded import PRIORS, is_installed, require_installed
from limbeck.priors.prior import Cond
from limbeck.samples import SampleRequest, depth_picture, draw_sheet, picture
from oracles.analytic_prior import AnalyticPrior
from tiny_models import CPU, write_image_encoder, write_ip_adapter, write_novel_view, write_text_to_image

QUICK = Sampler(steps=2)


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    """Tiny models in the layout of the embedded folder; the multi-view one is not among them."""
    root = tmp_path_factory.mktemp("family")
    write_text_to_image(root / "text_to_image")
    write_ip_adapter(root / "image_prompt")
    write_novel_view(root / "novel_view")
    unet = UNet2DConditionModel.from_pretrained(root / "text_to_image" / "unet")
    controlnet = controlnet_like(unet, 8)
    for parameter in controlnet.parameters():  # the zero layers would hide the picture
        torch.nn.init.normal_(parameter, std=0.1)
    controlnet.save_pretrained(root / "structure" / "controlnet")
    return root


def _gradient(size=40):
    ramp = np.linspace(0, 255, size).astype(np.uint8)
    return Image.fromarray(np.stack([np.tile(ramp, (size, 1))] * 3, -1))


def test_draw_follows_equation_12_of_the_paper():
    prior = AnalyticPrior(means={"": 0.0, "a": 2.0})
    text, uncond = (Cond(row[None].expand(3, -1, -1)) for row in prior.encode_text(["a", ""]))
    noise, sampler = torch.randn(3, 2, 4, 4), Sampler(steps=20, guidance_scale=3.0, start=0.98)
    xt, stride = noise, 49  # 20 strides of 49 timesteps begin at 979
    for t in range(979, 0, -stride):
        alpha_bar = prior.alphas_cumprod[t]
        previous = prior.alphas_cumprod[t - stride] if t >= stride else torch.tensor(1.0)
        at_t = torch.full((3,), t)
        eps = prior.eps(xt, at_t, uncond)
        eps = eps + 3.0 * (prior.eps(xt, at_t, text) - eps)
        x0 = (xt - (1 - alpha_bar).sqrt() * eps) / alpha_bar.sqrt()
        xt = previous.sqrt() * x0 + (1 - previous).sqrt() * eps
    torch.testing.assert_close(draw(prior, text, uncond, noise, sampler), xt, rtol=1e-4, atol=1e-4)


def test_draws_have_the_priors_mean_and_spread():
    prior = AnalyticPrior(spread=0.5, means={"": 0.0, "a": 2.0})
    text, uncond = (Cond(row[None].expand(4, -1, -1)) for row in prior.encode_text(["a", ""]))
    drawn = draw(prior, text, uncond, torch.randn(4, 4, 32, 32), Sampler(steps=100, guidance_scale=1.0, start=0.999))
    # The noise that sampling starts from lacks the share of the mean that the last timestep keeps (Lin et al.,
    # arXiv:2305.08891); deterministic DDIM scales what is lacking by the spread. 16,384 values: known to 0.004.
    lacking = 0.5 * 2.0 * prior.alphas_cumprod[-1].sqrt()
    assert math.isclose(drawn.mean(), 2.0 - lacking, abs_tol=0.02)
    assert math.isclose(drawn.std(), 0.5, abs_tol=0.02)


@pytest.mark.parametrize("start", [0.02, 0.5, 0.98, 0.999])
@pytest.mark.parametrize("steps", [1, 3, 25, 30, 50, 333, 350, 700, 1000])
def test_every_number_of_steps_begins_at_its_start_and_spreads_evenly_down_to_clean(steps, start):
    sampler = Sampler(steps=steps, start=start)
    timesteps = sampling_timesteps(1000, sampler)
    scheduler = ddim_scheduler(AnalyticPrior().alphas_cumprod, timesteps)
    assert scheduler.timesteps.tolist() == list(range(len(timesteps)))[::-1]
    assert abs(int(timesteps[-1]) + 1 - start * 1000) <= 10
    assert len(timesteps) == min(steps, round(start * 1000))
    strides = torch.diff(timesteps, prepend=torch.tensor([-1]))  # the last one ends in the clean latents
    assert strides.min() >= 1
    assert strides.max() - strides.min() <= 1


@pytest.mark.parametrize(("steps", "stride"), [(20, 49), (25, 39), (30, 33)])
def test_the_usual_numbers_of_steps_have_even_strides(steps, stride):
    assert torch.equal(sampling_timesteps(1000, Sampler(steps=steps)), torch.arange(1, steps + 1) * stride - 1)


def test_uneven_strides_follow_equation_12_of_the_paper():
    prior, sampler = AnalyticPrior(means={"": 0.0, "a": 2.0}), Sampler(steps=350, guidance_scale=1.0)
    text, uncond = (Cond(row[None].expand(2, -1, -1)) for row in prior.encode_text(["a", ""]))
    timesteps, noise = sampling_timesteps(1000, sampler).tolist(), torch.randn(2, 2, 4, 4)
    xt = noise
    for before, t in zip([None, *timesteps][:-1][::-1], timesteps[::-1], strict=True):
        alpha_bar = prior.alphas_cumprod[t]
        previous = torch.tensor(1.0) if before is None else prior.alphas_cumprod[before]
        eps = prior.eps(xt, torch.full((2,), t), text)
        x0 = (xt - (1 - alpha_bar).sqrt() * eps) / alpha_bar.sqrt()
        xt = previous.sqrt() * x0 + (1 - previous).sqrt() * eps
    torch.testing.assert_close(draw(prior, text, uncond, noise, sampler), xt, rtol=1e-4, atol=1e-4)


def test_known_views_are_returned_as_they_are():
    prior = AnalyticPrior(means={"": 0.0, "a": 2.0})
    text, uncond = (Cond(row[None].expand(2, -1, -1)) for row in prior.encode_text(["a", ""]))
    known = torch.full((1, 2, 4, 4), 1.5)
    drawn = draw(prior, text, uncond, torch.randn(2, 2, 4, 4), QUICK, known)
    assert torch.equal(drawn[:1], known)


@pytest.mark.parametrize(
    ("name", "count", "size"),
    [("text-to-image", 1, (64, 64)), ("text-to-image", 5, (192, 128)), ("novel-view", 2, (512, 128))],
)
def test_a_sheet_has_a_place_for_every_view(family, name, count, size):
    image = _gradient() if PRIORS[name].given else None
    sheet = draw_sheet(SampleRequest(name, "a cat", count, image=image, sampler=QUICK), CPU, source=str(family))
    assert sheet.size == size


@pytest.mark.parametrize("name", ["image-prompt", "novel-view", "structure"])
def test_the_picture_given_changes_what_is_drawn(family, name):
    pictures = _gradient(), _gradient().rotate(90)
    sheets = [
        draw_sheet(SampleRequest(name, "a cat", image=image, sampler=QUICK), CPU, source=str(family))
        for image in pictures
    ]
    assert np.abs(np.asarray(sheets[0], int) - np.asarray(sheets[1], int)).max() > 2


def test_the_first_samples_do_not_depend_on_the_count(family):
    progress = []
    requests = [SampleRequest("text-to-image", "a cat", count, seed=3, sampler=QUICK) for count in (1, 40)]
    few, many = (
        np.asarray(draw_sheet(request, CPU, lambda *at: progress.append(at), source=str(family)), int)
        for request in requests
    )
    # Other batches round otherwise: at most one level of 255.
    assert np.abs(few - many[:64, :64]).max() <= 1
    assert progress == [(1, 1), (32, 40), (40, 40)]


def test_multi_view_draws_four_views_that_the_seed_decides():
    def sheet(seed):
        return np.asarray(draw_sheet(SampleRequest("multi-view", "a red car", seed=seed, sampler=QUICK), CPU))

    assert sheet(0).shape == (64, 256, 3)
    np.testing.assert_array_equal(sheet(0), sheet(0))
    assert (sheet(0) != sheet(1)).any()


def test_transparent_pixels_become_light_grey():
    image = Image.new("RGBA", (30, 50), (255, 0, 0, 0))
    assert torch.allclose(picture(image, 16), torch.full((1, 3, 16, 16), 0.8), atol=0.01)


def test_depth_of_sixteen_bits_keeps_its_range():
    depth = np.linspace(0, 40_000, 64 * 64).reshape(64, 64)
    wide = depth_picture(Image.fromarray(depth.astype(np.uint16)), 32)
    narrow = depth_picture(Image.fromarray((depth / 40_000 * 255).astype(np.uint8)), 32)
    torch.testing.assert_close(wide, narrow, rtol=0, atol=2.5 / 255)  # two roundings, one of them down


@pytest.mark.parametrize(
    ("name", "changes"), [("text-to-image", {"count": 0}), ("image-prompt", {}), ("multi-view", {"image": _gradient()})]
)
def test_a_request_that_makes_no_sense_is_refused(name, changes):
    with pytest.raises(ValueError, match="expected"):
        SampleRequest(name, **changes)


def test_a_prior_is_installed_when_all_its_parts_are_there(family, tmp_path):
    assert [name for name in PRIORS if is_installed(name, family)] == [
        "text-to-image",
        "image-prompt",
        "novel-view",
        "structure",
    ]
    with pytest.raises(Exception, match=r"multi_view/unet.*limbeck\.training family --out"):
        require_installed("multi-view", family)
    write_image_encoder(tmp_path / "image_prompt" / "models" / "image_encoder")
    assert not is_installed("image-prompt", tmp_path)
