# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Hosts beside Stable Diffusion's layout: pixels without autoencoder (IF), two text encoders (SDXL), half precision."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import EulerDiscreteScheduler, IFPipeline, StableDiffusionXLPipeline
from torch import Tensor

from limbeck.priors.diffusion import DiffusionPrior
from limbeck.priors.loading import load_prior
from limbeck.priors.precision import precision_for
from limbeck.priors.prior import Cond
from tiny_models import CPU, write_pixel_host, write_sdxl, write_text_to_image

PROMPTS = ["a blue penguin", "a red mug"]


@pytest.fixture(scope="module")
def pixel_host(tmp_path_factory: pytest.TempPathFactory) -> DiffusionPrior:
    return load_prior(str(write_pixel_host(tmp_path_factory.mktemp("if"))), "text_to_image", CPU)


@pytest.fixture(scope="module")
def sdxl_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sdxl(tmp_path_factory.mktemp("sdxl"))


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_pixel_host_works_on_pixels_and_drops_the_variance(pixel_host: DiffusionPrior) -> None:
    rgb = noise(2, 3, 16, 16).sigmoid().requires_grad_()
    pixels = pixel_host.encode(rgb)
    assert torch.equal(pixels, rgb * 2 - 1)
    assert torch.allclose(pixel_host.decode(pixels), rgb)
    text, t = pixel_host.encode_text(PROMPTS), torch.tensor([500, 20])
    eps = pixel_host.eps(pixels.detach(), t, Cond(text))
    direct = pixel_host.unet(pixels.detach(), t, text, return_dict=False)[0]
    assert direct.shape == (2, 6, 16, 16)
    assert torch.equal(eps, direct[:, :3])
    assert pixel_host.spec.image_size == 16


def test_pixel_host_reads_a_prompt_as_diffusers_does(pixel_host: DiffusionPrior) -> None:
    encoder = pixel_host.text_encoder
    pipeline = IFPipeline(encoder.window.tokenizer, encoder.model, pixel_host.unet, None, None, None, None, False)
    expected, _ = pipeline.encode_prompt("a blue penguin", do_classifier_free_guidance=False, device=CPU)
    assert torch.allclose(pixel_host.encode_text(["a blue penguin"]), expected)


def test_sdxl_reads_a_prompt_and_answers_as_diffusers_does(sdxl_folder: Path) -> None:
    prior = load_prior(str(sdxl_folder), "text_to_image", CPU)
    pipeline = StableDiffusionXLPipeline(**parts(prior))
    states, _, pooled, _ = pipeline.encode_prompt(PROMPTS, do_classifier_free_guidance=False, device=CPU)
    text = prior.encode_text(PROMPTS)
    assert torch.allclose(text[:, :-1], states)
    assert torch.allclose(text[:, -1, : pooled.shape[1]], pooled)
    xt, t = noise(2, 4, 8, 8), torch.tensor([700, 30])
    size = prior.spec.image_size
    added = {"text_embeds": pooled, "time_ids": torch.tensor([[size, size, 0, 0, size, size]] * 2, dtype=torch.float32)}
    v = prior.unet(xt, t, states, added_cond_kwargs=added, return_dict=False)[0]
    assert torch.allclose(prior.eps(xt, t, Cond(text)), prior.schedule.eps(v, xt, t), atol=1e-6)


def parts(prior: DiffusionPrior) -> dict:
    encoder = prior.text_encoder
    return {
        "tokenizer": encoder.window.tokenizer,
        "tokenizer_2": encoder.second_window.tokenizer,
        "text_encoder": encoder.model,
        "text_encoder_2": encoder.second_model,
        "unet": prior.unet,
        "vae": prior.autoencoder.vae,
        "scheduler": EulerDiscreteScheduler(),
    }


def test_weights_in_half_precision_alone_are_read(tmp_path: Path) -> None:
    folder = write_text_to_image(tmp_path / "model")
    full = load_prior(str(folder), "text_to_image", CPU)
    for part, name in (
        ("unet", "diffusion_pytorch_model"),
        ("vae", "diffusion_pytorch_model"),
        ("text_encoder", "model"),
    ):
        path = folder / part / f"{name}.safetensors"
        path.rename(path.with_name(f"{name}.fp16.safetensors"))
    half = load_prior(str(folder), "text_to_image", CPU)
    text = full.encode_text(PROMPTS)
    assert torch.equal(half.encode_text(PROMPTS), text)
    xt, t = noise(2, 4, 8, 8), torch.tensor([700, 30])
    assert torch.equal(half.eps(xt, t, Cond(text)), full.eps(xt, t, Cond(text)))


def test_prior_in_bfloat16_takes_and_gives_float32(tmp_path: Path) -> None:
    prior = load_prior(str(write_text_to_image(tmp_path / "model")), "text_to_image", CPU)
    xt, t, text = noise(2, 4, 8, 8), torch.tensor([700, 30]), prior.encode_text(PROMPTS)
    rgb = noise(1, 3, 64, 64).sigmoid()
    expected, latents = prior.eps(xt, t, Cond(text)), prior.encode(rgb)
    prior.unet.to(torch.bfloat16)
    prior.autoencoder.vae.to(torch.bfloat16)
    assert prior.eps(xt, t, Cond(text)).dtype == torch.float32
    assert (prior.eps(xt, t, Cond(text)) - expected).std() < 0.05 * expected.std()
    rgb.requires_grad_()
    encoded = prior.encode(rgb)
    assert (encoded - latents).std() < 0.05 * latents.std()
    encoded.sum().backward()
    assert rgb.grad is not None
    assert rgb.grad.dtype == torch.float32


def test_cpu_and_small_models_stay_in_float32(tmp_path: Path) -> None:
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "model.safetensors").write_bytes(b"small")
    assert precision_for(CPU, tmp_path) == torch.float32
    assert precision_for(torch.device("cuda"), tmp_path) == torch.float32
