# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Tiny models have the published models' weights by name, and what loads from them answers as diffusers' own parts do.

The reference is put together from diffusers and transformers alone. The largest difference of eps is 0 in all cases but
where the batch or an order of additions differs; each test says its bound.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    IFPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer, T5EncoderModel, T5Tokenizer

from core.test_mvdream import original_names, placed
from limbeck.priors.loading import load_prior
from limbeck.priors.multiview import join_views
from limbeck.priors.mvdream import load_mvdream_unet, stable_diffusion_2_config
from limbeck.priors.prior import Cond
from oracles.original_unet import OriginalUNet
from real_configs import CLIP_BIGG, CLIP_H, CLIP_L, PARAMETERS_M, TINY, UNETS
from real_hosts import HOSTS, write_model, write_mvdream, write_zero123
from tiny_models import CPU

PROMPTS = ["a blue penguin", "a red mug, front view"]
CAMERA = {"class_embed_type": "projection", "projection_class_embeddings_input_dim": 16}
LOCAL = {"local_files_only": True}
SAFE = {"use_safetensors": True, "local_files_only": True}


def on_meta(config: Any) -> UNet2DConditionModel:
    with torch.device("meta"):
        return UNet2DConditionModel(**config)


@pytest.mark.parametrize("alias", UNETS)
def test_tiny_unet_has_the_published_ones_weights_by_name(alias: str) -> None:
    real, tiny = on_meta(UNETS[alias]), on_meta({**UNETS[alias], **TINY[alias]})
    assert sum(value.numel() for value in real.parameters()) / 1e6 == pytest.approx(PARAMETERS_M[alias], abs=0.1)
    assert {name: value.ndim for name, value in tiny.state_dict().items()} == {
        name: value.ndim for name, value in real.state_dict().items()
    }


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module", params=HOSTS)
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    torch.manual_seed(5)
    return request.param, write_model(tmp_path_factory.mktemp("model"), request.param)


def embedded_by_diffusers(alias: str, folder: Path) -> tuple[Tensor, dict[str, Any]]:
    """Return what diffusers' pipeline of the host gives to its UNet beside latents and timesteps."""
    clip = {} if alias == "if" else {"tokenizer": CLIPTokenizer.from_pretrained(folder / "tokenizer", **LOCAL)}
    if alias == "if":
        parts = (T5Tokenizer.from_pretrained(folder / "tokenizer", **LOCAL), load(T5EncoderModel, folder))
        text, _ = IFPipeline(*parts, None, None, None, None, None, requires_safety_checker=False).encode_prompt(
            PROMPTS, do_classifier_free_guidance=False, device=CPU
        )
        return text, {}
    vae = AutoencoderKL.from_pretrained(folder / "vae", **SAFE)
    rest = {
        "unet": unet_of(folder),
        "vae": vae,
        "scheduler": DDIMScheduler.from_pretrained(folder / "scheduler", **LOCAL, clip_sample=False),
        "text_encoder": load(CLIPTextModel, folder),
    }
    if alias == "sdxl":
        second = {
            "tokenizer_2": CLIPTokenizer.from_pretrained(folder / "tokenizer_2", **LOCAL),
            "text_encoder_2": load(CLIPTextModelWithProjection, folder, "text_encoder_2"),
        }
        pipeline = StableDiffusionXLPipeline(**clip, **rest, **second)
        text, _, pooled, _ = pipeline.encode_prompt(PROMPTS, do_classifier_free_guidance=False, device=CPU)
        ids = torch.tensor([[64.0, 64, 0, 0, 64, 64]] * 2)
        return text, {"added_cond_kwargs": {"text_embeds": pooled, "time_ids": ids}}
    pipeline = StableDiffusionPipeline(
        **clip, **rest, safety_checker=None, feature_extractor=None, requires_safety_checker=False
    )
    return pipeline.encode_prompt(PROMPTS, CPU, 1, do_classifier_free_guidance=False)[0], {}


def load(kind: Any, folder: Path, part: str = "text_encoder") -> Any:
    return kind.from_pretrained(folder / part, **SAFE).eval()


def unet_of(folder: Path) -> Any:
    return UNet2DConditionModel.from_pretrained(folder / "unet", low_cpu_mem_usage=False, **SAFE).eval()


@torch.no_grad()
def test_eps_is_that_of_diffusers_own_parts(host: tuple[str, Path]) -> None:
    alias, folder = host
    prior = load_prior(str(folder), "text_to_image", CPU)
    channels, size = prior.unet.config["in_channels"], prior.unet.config["sample_size"]
    xt, t = noise(2, channels, size, size), torch.tensor([700, 30])
    text, told = embedded_by_diffusers(alias, folder)
    predicted = unet_of(folder)(xt, t, text, return_dict=False, **told)[0][:, :channels]
    schedule = DDIMScheduler.from_pretrained(folder / "scheduler", **LOCAL)
    if schedule.config["prediction_type"] == "v_prediction":
        alpha_bar = schedule.alphas_cumprod[t][:, None, None, None]
        predicted = alpha_bar.sqrt() * predicted + (1 - alpha_bar).sqrt() * xt
    eps = prior.eps(xt, t, Cond(prior.encode_text(PROMPTS)))
    assert eps.std() > 0.05
    assert float((eps - predicted).abs().max()) <= 1e-6


@torch.no_grad()
def test_mvdream_answers_as_the_original_architecture(tmp_path: Path) -> None:
    """Bound 1e-5, as for the next: the oracle adds in another order."""
    torch.manual_seed(6)
    write_mvdream(tmp_path)
    prior = load_prior(str(tmp_path), "multi_view", CPU)
    xt, t = noise(8, 4, 8, 8), torch.full((8,), 400)
    cond = Cond(prior.encode_text(PROMPTS).repeat_interleave(4, 0), camera=noise(8, 16))
    weights = placed(original_names(prior.unet.state_dict(), 2))
    found = prior.eps(xt, t, cond)
    expected = OriginalUNet(weights, head_channels=8, groups=4, views=4)(xt, t, cond.text, cond.camera)
    assert found.std() > 0.05
    assert float((found - expected).abs().max()) <= 1e-5


@torch.no_grad()
def test_mvdreams_own_checkpoint_answers_as_the_original_architecture(tmp_path: Path) -> None:
    config = {"image_size": 8, "model_channels": 32, "num_head_channels": 16, "context_dim": 24}
    torch.manual_seed(6)
    unet = UNet2DConditionModel(**stable_diffusion_2_config(config), **CAMERA)
    weights = placed(original_names(unet.state_dict(), 2))
    weights = {name: 0.05 * torch.randn_like(value) if value.ndim > 1 else value for name, value in weights.items()}
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "config.json").write_text(json.dumps(config), encoding="utf-8")
    save_file({name: value.contiguous() for name, value in weights.items()}, tmp_path / "unet" / "all.safetensors")
    loaded = load_mvdream_unet(tmp_path, CPU)
    join_views(loaded, 4)
    xt, t, text, camera = noise(8, 4, 8, 8), torch.tensor([40] * 4 + [900] * 4), noise(8, 5, 24), noise(8, 16)
    found = loaded(xt, t, text, class_labels=camera, return_dict=False)[0]
    expected = OriginalUNet(weights, head_channels=16, views=4)(xt, t, text, camera)
    assert found.std() > 0.05
    assert float((found - expected).abs().max()) <= 1e-5


@torch.no_grad()
def test_zero123_answers_as_its_unet_on_joined_latents(tmp_path: Path) -> None:
    torch.manual_seed(6)
    write_zero123(tmp_path)
    prior = load_prior(str(tmp_path), "novel_view", CPU)
    xt, t, reference, token = noise(2, 4, 8, 8), torch.tensor([700, 30]), noise(2, 4, 8, 8).flip(0), noise(2, 1, 24)
    expected = unet_of(tmp_path)(torch.cat([xt, reference], 1), t, token, return_dict=False)[0]
    assert float((prior.eps(xt, t, Cond(token, reference=reference)) - expected).abs().max()) <= 1e-6


@pytest.mark.parametrize(("part", "layers"), [(CLIP_L, 12), (CLIP_H, 23), (CLIP_BIGG, 32)])
def test_text_encoders_have_the_published_depth(part: Any, layers: int) -> None:
    assert part["num_hidden_layers"] == layers
