# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""IP-Adapter Plus in h94's file layout: its perceiver against an oracle and diffusers, its gates, its refusals."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline
from diffusers.models.embeddings import IPAdapterPlusImageProjection
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import gelu, layer_norm, linear

from limbeck.errors import LimbeckError
from limbeck.priors.diffusion import DiffusionPrior
from limbeck.priors.image_encoder import PatchEncoder, clip_pixels
from limbeck.priors.loading import load_prior
from limbeck.priors.prior import Cond
from tiny_models import CPU, write_ip_adapter_plus, write_text_to_image


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    write_text_to_image(root / "text_to_image")
    write_ip_adapter_plus(root / "image_prompt")
    return root


@pytest.fixture(scope="module")
def weights(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "image_prompt" / "models" / "ip-adapter-plus_sd15.safetensors")


@pytest.fixture(scope="module")
def adapted(folder: Path) -> DiffusionPrior:
    return load_prior(str(folder), "image_prompt", CPU)


@pytest.fixture(scope="module")
def base(folder: Path) -> DiffusionPrior:
    return load_prior(str(folder), "text_to_image", CPU)


def pictures(count: int = 4) -> Tensor:
    return torch.rand(count, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def inputs(prior: DiffusionPrior, batch: int = 4) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    text = prior.encode_text(["a blue penguin"]).expand(batch, -1, -1)
    image = prior.encode_image(pictures(batch))[:, None]
    return torch.randn(batch, 4, 8, 8, generator=generator), torch.arange(batch) * 200 + 50, text, image


def perceiver(weights: dict[str, Tensor], states: Tensor) -> Tensor:
    """The published resampler, written down from its weights' names: latents attend to the states and themselves."""
    own = {name.removeprefix("image_proj."): value for name, value in weights.items()}

    def norm(x: Tensor, name: str) -> Tensor:
        return layer_norm(x, x.shape[-1:], own[f"{name}.weight"], own[f"{name}.bias"])

    def heads(x: Tensor) -> Tensor:
        return x.unflatten(-1, (-1, 64)).transpose(1, 2)

    states = linear(states, own["proj_in.weight"], own["proj_in.bias"])
    latents = own["latents"].expand(len(states), -1, -1)
    for index in range(4):
        layer = f"layers.{index}"
        x, asking = norm(states, f"{layer}.0.norm1"), norm(latents, f"{layer}.0.norm2")
        k, v = linear(torch.cat([x, asking], 1), own[f"{layer}.0.to_kv.weight"]).chunk(2, -1)
        q = linear(asking, own[f"{layer}.0.to_q.weight"])
        found = (heads(q) @ heads(k).transpose(2, 3) / 8).softmax(-1) @ heads(v)
        latents = linear(found.transpose(1, 2).flatten(2), own[f"{layer}.0.to_out.weight"]) + latents
        hidden = gelu(linear(norm(latents, f"{layer}.1.0"), own[f"{layer}.1.1.weight"]))
        latents = linear(hidden, own[f"{layer}.1.3.weight"]) + latents
    return norm(linear(latents, own["proj_out.weight"], own["proj_out.bias"]), "norm_out")


def last_but_one_states(model: torch.nn.Module, rgb: Tensor) -> Tensor:
    """Walk through all layers of CLIP's image encoder but the last."""
    states = model.vision_model.pre_layrnorm(model.vision_model.embeddings(clip_pixels(rgb, 32)))
    for layer in model.vision_model.encoder.layers[:-1]:
        states = layer(states, None)
    return states


def test_sixteen_tokens_are_made_of_the_patches_as_published(adapted: DiffusionPrior, weights: dict) -> None:
    encoder = adapted.image_encoder
    assert isinstance(encoder, PatchEncoder)
    embeds = adapted.encode_image(pictures())
    assert embeds.shape == (4, 17 * 16)
    states = last_but_one_states(encoder.model, pictures())
    torch.testing.assert_close(encoder.unfold(embeds[:, None])[:, 0], states, atol=1e-5, rtol=0)
    (projection,) = adapted.unet.encoder_hid_proj.image_projection_layers
    assert isinstance(projection, IPAdapterPlusImageProjection)
    (tokens,) = adapted.unet.encoder_hid_proj([encoder.unfold(embeds[:, None])])
    assert tokens.shape == (4, 1, 16, 96)
    assert torch.equal(projection(encoder.unfold(embeds[:, None])[:, 0]), tokens[:, 0])
    torch.testing.assert_close(tokens[:, 0], perceiver(weights, states), atol=2e-5, rtol=0)


def test_no_picture_is_what_diffusers_gives_its_unconditional_branch(folder: Path, adapted: DiffusionPrior) -> None:
    encoder = adapted.image_encoder
    assert isinstance(encoder, PatchEncoder)
    pipeline = StableDiffusionPipeline(
        None, None, None, adapted.unet, None, None, None, encoder.model, requires_safety_checker=False
    )
    shown, nothing = pipeline.encode_image(clip_pixels(pictures(), 32), CPU, 1, output_hidden_states=True)
    embeds = adapted.encode_image(pictures())[:, None]
    torch.testing.assert_close(encoder.unfold(embeds)[:, 0], shown, atol=1e-5, rtol=0)
    torch.testing.assert_close(encoder.unfold(torch.zeros_like(embeds))[:, 0], nothing, atol=1e-6, rtol=0)


def test_gate_0_is_the_base_model_bit_for_bit_and_gate_1_the_ungated_adapter(
    base: DiffusionPrior, adapted: DiffusionPrior
) -> None:
    xt, t, text, image = inputs(adapted)
    mixed = adapted.eps(xt, t, Cond(text, image=image, image_scale=torch.tensor([0.0, 1.0, 0.0, 1.0])))
    without = base.eps(xt, t, Cond(text))
    states = [adapted.image_encoder.unfold(image)]
    ungated = adapted.unet(xt, t, text, added_cond_kwargs={"image_embeds": states}, return_dict=False)[0]
    ungated = adapted.schedule.eps(ungated, xt, t)
    assert torch.equal(mixed[[0, 2]], without[[0, 2]])
    assert torch.equal(mixed[[1, 3]], ungated[[1, 3]])
    assert (mixed[[1, 3]] - without[[1, 3]]).abs().max() > 1e-3
    assert torch.equal(adapted.eps(xt, t, Cond(text)), without)


def test_diffusers_pipeline_loads_the_same_adapter(folder: Path, adapted: DiffusionPrior, base: DiffusionPrior) -> None:
    plain = load_prior(str(folder), "text_to_image", CPU)
    pipeline = StableDiffusionPipeline(
        plain.autoencoder.vae, None, None, plain.unet, None, None, None, requires_safety_checker=False
    )
    name = "ip-adapter-plus_sd15.safetensors"
    pipeline.load_ip_adapter(
        str(folder / "image_prompt"), subfolder="models", weight_name=name, low_cpu_mem_usage=False
    )
    theirs, ours = pipeline.unet.state_dict(), adapted.unet.state_dict()
    assert set(theirs) == set(ours)
    assert all(torch.equal(theirs[name], ours[name]) for name in ours)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ("a missing layer of the perceiver", "image_proj of a plain IP-Adapter or of IP-Adapter Plus"),
        ("five layers", "image_proj of a plain IP-Adapter or of IP-Adapter Plus"),
        ("another encoder", "16 numbers"),
        ("other heads", "heads of 64"),
        ("another text width", "made for another UNet"),
        ("tokens of another width", "its tokens have 64 numbers"),
    ],
)
def test_damaged_or_foreign_adapter_is_refused(folder: Path, tmp_path: Path, damage: str, reason: str) -> None:
    adapter = write_ip_adapter_plus(tmp_path / "adapter", width=64 if damage == "another text width" else 96)
    path = adapter / "models" / "ip-adapter-plus_sd15.safetensors"
    tensors = load_file(path)
    changes = {
        "another encoder": {"proj_in.weight": torch.zeros(128, 24)},
        "other heads": {f"layers.{i}.0.to_q.weight": torch.zeros(100, 128) for i in range(4)},
        "tokens of another width": {name: torch.zeros(64) for name in ("norm_out.weight", "norm_out.bias")},
        "five layers": {"layers.4.0.to_q.weight": torch.zeros(128, 128)},
    }.get(damage, {})
    tensors |= {f"image_proj.{name}": value for name, value in changes.items()}
    if damage == "a missing layer of the perceiver":
        tensors = {name: value for name, value in tensors.items() if ".layers.3." not in name}
    save_file(tensors, path)
    with pytest.raises(LimbeckError, match=reason) as refused:
        load_prior(str(folder), "image_prompt", CPU, adapter)
    assert refused.value.code == "E_MODEL_INCOMPLETE"
