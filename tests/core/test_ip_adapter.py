# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""IP-Adapter in h94's file layout on a tiny Stable Diffusion: gates, loading, refusals."""

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import CLIPImageProcessor

from limbeck.errors import LimbeckError
from limbeck.priors.image_encoder import clip_pixels
from limbeck.priors.loading import load_prior
from limbeck.priors.prior import Cond, TextPrior, stack_conds
from tiny_models import CPU, write_ip_adapter, write_text_to_image


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    write_text_to_image(root / "text_to_image")
    write_ip_adapter(root / "image_prompt")
    return root


@pytest.fixture(scope="module")
def base(folder):
    return load_prior(str(folder), "text_to_image", CPU)


@pytest.fixture(scope="module")
def adapted(folder):
    return load_prior(str(folder), "image_prompt", CPU)


def _inputs(prior, batch=4, size=(8, 8)):
    generator = torch.Generator().manual_seed(0)
    text = prior.encode_text(["a blue penguin"]).expand(batch, -1, -1)
    image = prior.encode_image(torch.rand(batch, 3, 64, 64, generator=generator))[:, None]
    return torch.randn(batch, 4, *size, generator=generator), torch.arange(batch) * 200 + 50, text, image


@pytest.mark.parametrize("size", [(8, 8), (8, 16), (12, 8)])
def test_gate_0_is_the_base_model_bit_for_bit_and_gate_1_the_ungated_adapter(base, adapted, size):
    xt, t, text, image = _inputs(adapted, size=size)
    gates = torch.tensor([0.0, 1.0, 0.0, 1.0])
    mixed = adapted.eps(xt, t, Cond(text, image=image, image_scale=gates))
    without = base.eps(xt, t, Cond(text))
    ungated = adapted.unet(xt, t, text, added_cond_kwargs={"image_embeds": [image]}, return_dict=False)[0]
    ungated = adapted.schedule.eps(ungated, xt, t)
    assert torch.equal(mixed[[0, 2]], without[[0, 2]])
    assert torch.equal(mixed[[1, 3]], ungated[[1, 3]])
    assert (mixed[[1, 3]] - without[[1, 3]]).abs().max() > 1e-3


def test_no_scale_is_scale_1(adapted):
    xt, t, text, image = _inputs(adapted)
    ones = adapted.eps(xt, t, Cond(text, image=image, image_scale=torch.ones(4)))
    assert torch.equal(adapted.eps(xt, t, Cond(text, image=image)), ones)


def test_no_image_is_the_base_model_bit_for_bit(base, adapted):
    xt, t, text, _ = _inputs(adapted)
    assert torch.equal(adapted.eps(xt, t, Cond(text)), base.eps(xt, t, Cond(text)))


def test_a_fractional_gate_is_diffusers_scale(folder, adapted):
    xt, t, text, image = _inputs(adapted)
    half = adapted.eps(xt, t, Cond(text, image=image, image_scale=torch.full((4,), 0.5)))
    other = load_prior(str(folder), "image_prompt", CPU)
    for processor in other.unet.attn_processors.values():
        if hasattr(processor, "scale"):
            processor.scale = [0.5]
    # A mask of halves is interpolated in float32, so that a few units in the last place may differ.
    torch.testing.assert_close(other.eps(xt, t, Cond(text, image=image)), half, atol=1e-5, rtol=0)


def test_zero_embeddings_are_not_the_base_model(base, adapted):
    xt, t, text, image = _inputs(adapted)
    zero = adapted.eps(xt, t, Cond(text, image=torch.zeros_like(image)))
    assert (zero - base.eps(xt, t, Cond(text))).abs().max() > 1e-3


def test_the_pooled_text_embedding_sees_no_image_tokens(adapted):
    xt, t, text, image = _inputs(adapted)
    lengths = []
    handle = adapted.unet.add_embedding.register_forward_hook(lambda _, inputs, __: lengths.append(inputs[0].shape))
    adapted.eps(xt, t, Cond(text, image=image))
    handle.remove()
    assert lengths == [text.shape]


def test_several_images_per_sample_are_heard(adapted):
    xt, t, text, image = _inputs(adapted)
    two = torch.cat([image, image.flip(0)], 1)
    gates = torch.tensor([0.0, 1.0, 0.0, 1.0])
    one = adapted.eps(xt, t, Cond(text, image=image, image_scale=gates))
    both = adapted.eps(xt, t, Cond(text, image=two, image_scale=gates))
    assert torch.equal(one[[0, 2]], both[[0, 2]])
    assert (one - both)[[1, 3]].abs().max() > 1e-4


def test_diffusers_pipeline_loads_the_same_adapter(folder, adapted):
    plain = load_prior(str(folder), "text_to_image", CPU)
    pipeline = StableDiffusionPipeline(
        vae=plain.autoencoder.vae,
        text_encoder=plain.text_encoder.model,
        tokenizer=plain.text_encoder.window.tokenizer,
        unet=plain.unet,
        scheduler=DDIMScheduler.from_pretrained(folder / "text_to_image" / "scheduler"),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.load_ip_adapter(
        str(folder / "image_prompt"), subfolder="models", weight_name="ip-adapter.safetensors", low_cpu_mem_usage=False
    )
    theirs, ours = pipeline.unet.state_dict(), adapted.unet.state_dict()
    assert set(theirs) == set(ours)
    assert all(torch.equal(theirs[name], ours[name]) for name in ours)


def test_stable_diffusions_own_file_name_and_a_file_itself_are_found(folder, tmp_path, adapted):
    write_ip_adapter(tmp_path / "h94", "ip-adapter_sd15.safetensors")
    xt, t, text, image = _inputs(adapted)
    for adapter in (tmp_path / "h94", tmp_path / "h94" / "models" / "ip-adapter_sd15.safetensors"):
        prior = load_prior(str(folder / "text_to_image"), "image_prompt", CPU, adapter)
        assert isinstance(prior, TextPrior)
        assert torch.equal(prior.eps(xt, t, Cond(text, image=image)), adapted.eps(xt, t, Cond(text, image=image)))


def test_images_are_prepared_as_clip_prepares_them():
    picture = np.random.default_rng(0).integers(60, 190, (16, 16, 3), np.uint8).repeat(6, 0).repeat(6, 1)
    expected = CLIPImageProcessor(size=32, crop_size=32)(Image.fromarray(picture), return_tensors="pt").pixel_values
    ours = clip_pixels(torch.from_numpy(picture).permute(2, 0, 1)[None] / 255, 32)
    # Pillow rounds to whole levels after each of its two passes, and would clip: 1.5 / 255 over CLIP's deviation, 0.26.
    torch.testing.assert_close(ours, expected, atol=1.5 / 255 / 0.26, rtol=0)


def test_conditions_with_and_without_images_do_not_mix(adapted):
    _, _, text, image = _inputs(adapted)
    with pytest.raises(ValueError, match="expected an image in all 2"):
        stack_conds([Cond(text), Cond(text, image=image)])


def test_an_image_for_a_model_without_adapter_is_refused(base, adapted):
    xt, t, text, image = _inputs(adapted)
    with pytest.raises(ValueError, match="no IP-Adapter"):
        base.eps(xt, t, Cond(text, image=image))
    with pytest.raises(ValueError, match="IP-Adapter"):
        base.encode_image(torch.rand(1, 3, 64, 64))
    with pytest.raises(ValueError, match="width 24"):
        adapted.eps(xt, t, Cond(text, image=image[..., :8]))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ("no weights", "no models/ip-adapter.safetensors"),
        ("only a pickle", "pickles are never read"),
        ("no image encoder", "could not load the image_prompt adapter"),
        ("truncated", "could not load the image_prompt adapter"),
        ("truncated encoder", "could not load the image_prompt adapter"),
        ("a missing layer", "made for another UNet"),
        ("a layer too many", "made for another UNet"),
        ("another text width", "made for another UNet"),
        ("another layout", "plain IP-Adapter"),
        ("another encoder", "24 numbers"),
    ],
)
def test_a_damaged_or_foreign_adapter_is_refused(folder, tmp_path, damage, reason):
    adapter = write_ip_adapter(tmp_path / "adapter", width=64 if damage == "another text width" else 96)
    weights = adapter / "models" / "ip-adapter.safetensors"
    encoder = adapter / "models" / "image_encoder" / "model.safetensors"
    tensors = load_file(weights)
    if damage == "no weights":
        weights.unlink()
    elif damage == "only a pickle":
        weights.rename(weights.with_suffix(".bin"))
    elif damage == "no image encoder":
        encoder.unlink()
    elif damage == "truncated":
        weights.write_bytes(weights.read_bytes()[:5000])
    elif damage == "truncated encoder":
        encoder.write_bytes(encoder.read_bytes()[:5000])
    elif damage == "a missing layer":
        save_file({name: t for name, t in tensors.items() if not name.startswith("ip_adapter.7")}, weights)
    elif damage == "a layer too many":
        save_file(tensors | {"ip_adapter.9.to_k_ip.weight": torch.zeros(16, 96)}, weights)
    elif damage == "another layout":
        save_file(tensors | {"image_proj.latents": torch.zeros(1, 16, 96)}, weights)
    elif damage == "another encoder":
        save_file(tensors | {"image_proj.proj.weight": torch.zeros(4 * 96, 32)}, weights)
    with pytest.raises(LimbeckError, match=reason) as refused:
        load_prior(str(folder), "image_prompt", CPU, adapter)
    assert refused.value.code == "E_MODEL_INCOMPLETE"
