# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The real loading code, on the embedded weights and on a tiny Stable Diffusion in the exact diffusers layout."""

import copy
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor2_0
from safetensors.torch import load_file, save_file

from limbeck.cameras import mvdream_camera, ring_cameras
from limbeck.distillation.sampling import Sampler, draw
from limbeck.errors import LimbeckError
from limbeck.playset.pool import composite
from limbeck.playset.render import render
from limbeck.playset.things import Thing
from limbeck.priors.layout import require_layout
from limbeck.priors.loading import load_prior
from limbeck.priors.locating import EMBEDDED
from limbeck.priors.multiview import join_views
from limbeck.priors.patch_autoencoder import PatchAutoencoder
from limbeck.priors.prior import Cond
from tiny_models import write_text_to_image

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def multi_view():
    return load_prior("embedded", "multi_view", CPU)


@pytest.fixture(scope="module")
def text_to_image():
    return load_prior("embedded", "text_to_image", CPU)


@pytest.fixture(scope="module")
def tiny_folder(tmp_path_factory):
    """An epsilon-predicting model with a KL autoencoder of factor 8, with the embedded text encoder."""
    folder = tmp_path_factory.mktemp("tiny")
    torch.manual_seed(0)
    UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        layers_per_block=1,
        cross_attention_dim=96,
        attention_head_dim=4,
        norm_num_groups=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    ).save_pretrained(folder / "unet")
    AutoencoderKL(
        block_out_channels=(8, 8, 16, 16),
        norm_num_groups=4,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
    ).save_pretrained(folder / "vae")
    DDIMScheduler(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012).save_pretrained(
        folder / "scheduler"
    )
    for part in ("text_encoder", "tokenizer"):
        shutil.copytree(EMBEDDED / "text_to_image" / part, folder / part)
    return folder


def _inputs(prior, views, prompt="a blue penguin"):
    generator = torch.Generator().manual_seed(0)
    cameras = ring_cameras(views, elevation_deg=15, fov_y_deg=45, distance=3, size=prior.spec.image_size)
    text = prior.encode_text([prompt]).expand(views, -1, -1)
    camera = mvdream_camera(cameras.c2w) if prior.spec.is_camera_conditioned else None
    size = prior.encode(torch.zeros(1, 3, prior.spec.image_size, prior.spec.image_size)).shape[1:]
    return torch.randn(views, *size, generator=generator), torch.full((views,), 500), Cond(text, camera)


def test_the_embedded_prior_says_what_it_knows(multi_view):
    assert multi_view.spec.image_size == 64
    assert multi_view.spec.views_per_group == 4
    assert {"penguin", "blue"} <= set(multi_view.spec.known_words)


def test_eps_is_noise_like_at_the_last_timestep(text_to_image):
    noise, _, cond = _inputs(text_to_image, 4)
    eps = text_to_image.eps(noise, torch.full((4,), 999), cond)
    # Almost all of x_t is noise there, so a trained model answers with x_t itself.
    assert torch.nn.functional.cosine_similarity(eps.flatten(), noise.flatten(), dim=0) > 0.98


def test_each_view_hears_the_others_of_its_own_group_only(multi_view):
    xt, t, cond = _inputs(multi_view, 8)
    changed = xt.clone()
    changed[0] += 1.0
    difference = (multi_view.eps(changed, t, cond) - multi_view.eps(xt, t, cond)).abs().amax((1, 2, 3))
    assert (difference[1:4] > 1e-4).all()
    assert difference[4:].max() == 0


def test_with_one_view_it_is_the_unet_with_stock_attention_bit_for_bit(multi_view):
    xt, t, cond = _inputs(multi_view, 4)
    one_view = replace(multi_view.spec, views_per_group=1)
    joined, stock = copy.deepcopy(multi_view.unet), copy.deepcopy(multi_view.unet)
    join_views(joined, 1)
    stock.set_attn_processor(AttnProcessor2_0())
    answers = [replace(multi_view, spec=one_view, unet=unet).eps(xt, t, cond) for unet in (joined, stock)]
    assert torch.equal(*answers)
    assert (multi_view.eps(xt, t, cond) - answers[1]).abs().max() > 1e-3  # four views do look at each other


def test_a_camera_that_a_prior_cannot_see_is_refused(text_to_image, multi_view):
    xt, t, cond = _inputs(text_to_image, 2)
    camera = _inputs(multi_view, 4)[2].camera[:2]
    with pytest.raises(ValueError, match="expected no camera"):
        text_to_image.eps(xt, t, replace(cond, camera=camera))


def test_the_camera_changes_the_answer(multi_view):
    xt, t, cond = _inputs(multi_view, 4)
    turned = Cond(cond.text, cond.camera.roll(1, 0))
    assert (multi_view.eps(xt, t, turned) - multi_view.eps(xt, t, cond)).abs().max() > 1e-3


def test_an_incomplete_group_is_refused(multi_view):
    xt, t, cond = _inputs(multi_view, 4)
    with pytest.raises(ValueError, match="whole groups of 4"):
        multi_view.eps(xt[:3], t[:3], Cond(cond.text[:3], cond.camera[:3]))


def test_a_missing_camera_is_refused(multi_view):
    xt, t, cond = _inputs(multi_view, 4)
    with pytest.raises(ValueError, match="camera"):
        multi_view.eps(xt, t, Cond(cond.text))


@pytest.fixture(scope="module")
def patch_pca():
    return PatchAutoencoder(load_file(EMBEDDED / "text_to_image" / "vae" / "patch_pca.safetensors"))


def test_the_patch_autoencoder_round_trips_what_lies_in_its_span(patch_pca):
    latents = torch.randn(2, 8, 16, 16, generator=torch.Generator().manual_seed(0)) * 0.05
    image = patch_pca.decode(latents)
    # Small latents stay within the range of colours, so nothing is clamped.
    torch.testing.assert_close(patch_pca.encode(image), latents, atol=1e-4, rtol=0)


def test_the_embedded_encoder_and_its_gradient_are_the_patch_pca(text_to_image, patch_pca):
    image = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    weights = torch.randn(2, 8, 16, 16, generator=torch.Generator().manual_seed(1))
    grads = []
    for model in (text_to_image, patch_pca):
        latents = model.encode(image)
        grads.append(torch.autograd.grad((latents * weights).sum(), image)[0])
    assert (text_to_image.encode(image) - patch_pca.encode(image)).norm() < 0.01 * patch_pca.encode(image).norm()
    assert (grads[0] - grads[1]).norm() < 0.01 * grads[1].norm()  # half precision on disk


def test_the_decoder_beats_linear_decoding(text_to_image, patch_pca):
    views = [render(Thing(noun, "red", seed=9), 30.0, 15.0).rgba for noun in ("cat", "house", "boat", "mug")]
    image = torch.from_numpy(composite(np.stack(views), np.full((4, 3), 0.8, np.float32)))
    trained, linear = ((m.decode(m.encode(image)) - image).square().mean() for m in (text_to_image, patch_pca))
    assert trained < 0.8 * linear


def test_encoding_passes_gradients(text_to_image):
    image = torch.full((1, 3, 64, 64), 0.5, requires_grad=True)
    text_to_image.encode(image).square().sum().backward()
    assert image.grad.abs().max() > 0


def test_a_drawn_penguin_is_blue_on_a_plain_background(text_to_image):
    noise, _, cond = _inputs(text_to_image, 1)
    uncond = Cond(text_to_image.encode_text([""]))
    image = text_to_image.decode(draw(text_to_image, cond, uncond, noise, Sampler(steps=20)))[0]
    red, _, blue = image[:, 24:40, 24:40].mean((1, 2))
    assert blue > red + 0.15
    assert image[:, :4].std(dim=(1, 2)).max() < 0.05
    assert image[:, :4].mean() > 0.25


def test_known_views_come_back_unchanged(multi_view):
    noise, _, cond = _inputs(multi_view, 4)
    uncond = Cond(multi_view.encode_text([""]).expand(4, -1, -1), cond.camera)
    known = torch.randn(1, 8, 16, 16)
    drawn = draw(multi_view, cond, uncond, noise, Sampler(steps=3), known)
    assert torch.equal(drawn[:1], known)


def test_a_stable_diffusion_folder_loads_with_the_same_code(tiny_folder):
    prior = load_prior(str(tiny_folder), "text_to_image", CPU)
    xt, t, cond = _inputs(prior, 2)
    assert prior.spec.image_size == 64
    assert prior.spec.known_words is None
    assert prior.eps(xt, t, cond).shape == xt.shape == (2, 4, 8, 8)
    assert prior.decode(xt).shape == (2, 3, 64, 64)


def test_kl_latents_carry_the_scaling_factor(tiny_folder):
    prior = load_prior(str(tiny_folder), "text_to_image", CPU)
    image = torch.rand(1, 3, 64, 64)
    vae = AutoencoderKL.from_pretrained(tiny_folder / "vae")
    expected = vae.encode(image * 2 - 1).latent_dist.mean * 0.18215
    torch.testing.assert_close(prior.encode(image), expected)


def test_a_folder_without_camera_is_no_multi_view_prior(tiny_folder):
    with pytest.raises(LimbeckError, match="takes no camera") as refused:
        load_prior(str(tiny_folder), "multi_view", CPU)
    assert refused.value.code == "E_MODEL_INCOMPLETE"


def test_an_unknown_prior_is_refused():
    with pytest.raises(LimbeckError) as refused:
        load_prior("no-such-model", "text_to_image", CPU)
    assert refused.value.code == "E_MODEL_UNKNOWN"


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder", "tokenizer", "scheduler"])
def test_an_incomplete_folder_is_refused(tiny_folder, tmp_path, part):
    shutil.copytree(tiny_folder, tmp_path / "model", ignore=shutil.ignore_patterns(part))
    with pytest.raises(LimbeckError) as refused:
        load_prior(str(tmp_path / "model"), "text_to_image", CPU)
    assert refused.value.code == "E_MODEL_INCOMPLETE"


def test_weights_as_pickle_are_refused(tiny_folder, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(tiny_folder, folder)
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(LimbeckError) as refused:
        load_prior(str(folder), "text_to_image", CPU)
    assert refused.value.code == "E_MODEL_INCOMPLETE"


def test_every_object_and_colour_of_the_card_is_a_token_to_itself(text_to_image):
    card = json.loads((EMBEDDED / "prior.json").read_text())
    tokens = text_to_image.text_encoder.window.tokenizer.get_vocab()
    words = [word for name in ("objects", "colors") for phrase in card[name] for word in phrase.split()]
    assert [word for word in words if f"{word}</w>" not in tokens] == []


def test_a_long_prompt_loses_words_rather_than_its_view_suffix(text_to_image):
    long = "a blue penguin with a very long story that nobody has trained this little model on"
    fitting = text_to_image.fit_prompt(long, ", front view")
    assert long.startswith(fitting)
    texts = text_to_image.encode_text([fitting + suffix for suffix in ("", ", front view", ", back view")])
    assert (texts[1] - texts[2]).abs().max() > 0.01
    assert text_to_image.fit_prompt("a blue penguin", ", front view") == "a blue penguin"


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
@pytest.mark.parametrize("harm", ["missing", "of another shape"])
def test_a_part_with_a_wrong_weight_is_refused_not_filled_at_random(tiny_folder, tmp_path, part, harm):
    folder = tmp_path / "model"
    shutil.copytree(tiny_folder, folder)
    weights = next((folder / part).glob("*model.safetensors"))
    tensors = load_file(weights)
    name = next(name for name, tensor in tensors.items() if tensor.ndim == 1)
    wrong = {} if harm == "missing" else {name: torch.zeros(len(tensors[name]) + 1)}
    save_file({key: value for key, value in tensors.items() if key != name} | wrong, weights, metadata={"format": "pt"})
    with pytest.raises(LimbeckError) as refused:
        load_prior(str(folder), "text_to_image", CPU)
    assert refused.value.code == "E_MODEL_INCOMPLETE"


@pytest.mark.parametrize(
    "damage", ["missing weights", "truncated weights", "a card that is a list", "an unknown prediction type"]
)
def test_damaged_folders_are_refused(tiny_folder, tmp_path, damage):
    folder = tmp_path / "model"
    shutil.copytree(tiny_folder, folder)
    if damage == "truncated weights":
        weights = folder / "vae" / "diffusion_pytorch_model.safetensors"
        weights.write_bytes(weights.read_bytes()[:100])
    elif damage == "missing weights":
        weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
        kept = dict(list(load_file(weights).items())[:-1])
        save_file(kept, weights)
    elif damage == "a card that is a list":
        (folder / "prior.json").write_text("[]")
    else:
        path = folder / "scheduler" / "scheduler_config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"prediction_type": "sample"}))
    with pytest.raises(LimbeckError) as refused:
        load_prior(str(folder), "text_to_image", CPU)
    assert refused.value.code == "E_MODEL_INCOMPLETE"


def test_a_camera_conditioned_model_is_no_text_to_image_prior():
    with pytest.raises(LimbeckError, match="takes a camera"):
        load_prior(str(EMBEDDED / "multi_view"), "text_to_image", CPU)


def test_a_model_whose_card_says_so_is_told_the_camera_of_a_single_view(tmp_path):
    write_text_to_image(
        tmp_path / "text_to_image", class_embed_type="projection", projection_class_embeddings_input_dim=16
    )
    with pytest.raises(LimbeckError, match="got a multi-view one"):
        require_layout(tmp_path / "text_to_image", "text_to_image")
    (tmp_path / "prior.json").write_text('{"takes_camera": true}')
    require_layout(tmp_path / "text_to_image", "text_to_image")
    prior = load_prior(str(tmp_path), "text_to_image", CPU)
    assert (prior.spec.is_camera_conditioned, prior.spec.views_per_group) == (True, 1)
