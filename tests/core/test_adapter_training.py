# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What the trainings of image prompt, novel view and structure promise, on random pictures and tiny models."""

import copy
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers.models.attention_processor import AttnProcessor2_0
from safetensors.torch import load_file, save_file

from limbeck.errors import LimbeckError
from limbeck.evaluation.silhouettes import intersection_over_union, silhouette
from limbeck.evaluation.toys import held_out_toys, is_unusual
from limbeck.playset.pool import Pool
from limbeck.playset.things import held_out_pairs
from limbeck.playset.views import ViewPool
from limbeck.priors.control import controlnet_like
from limbeck.priors.loading import load_prior
from limbeck.priors.prior import Cond
from limbeck.training import image_prompt, novel_view, structure
from limbeck.training.adapting import draw_captions, load_base
from limbeck.training.image_encoder import (
    EncoderLearner,
    Heads,
    build_image_encoder,
    load_trainable_encoder,
    relative_stretch,
    save_half,
)
from limbeck.training.latents import PCA_FILE, save_pca
from limbeck.training.options import TrainingOptions
from limbeck.training.starting import prior_digest
from limbeck.training.trainer import TrainingSettings
from tiny_models import CPU, write_text_to_image

GROUPS = 12
CAMERAS = {"class_embed_type": "projection", "projection_class_embeddings_input_dim": 16}
SETTINGS = TrainingSettings(steps=2, batch=4, learning_rate=1e-3)


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    root = tmp_path_factory.mktemp("family")
    start = write_text_to_image(root / "text_to_image", in_channels=8, out_channels=8, sample_size=16)
    turning = write_text_to_image(root / "multi_view", in_channels=8, out_channels=8, sample_size=16, **CAMERAS)
    pca = {"encoder.weight": torch.randn(8, 3, 4, 4) * 0.1, "encoder.bias": torch.zeros(8)}
    for folder in (start, turning):
        save_pca(pca, folder / "vae")
    return TrainingOptions(out=root / "out", start=start)


@pytest.fixture(scope="module")
def turning(options):
    """The options of what starts from the multi-view prior."""
    return replace(options, start=options.start.with_name("multi_view"))


@pytest.fixture(scope="module")
def pool():
    rng = np.random.default_rng(0)
    first = rng.uniform(-180, 180, (GROUPS, 1))
    return Pool(
        rng.integers(0, 256, (GROUPS, 4, 64, 64, 4), np.uint8),
        rng.integers(0, 24, GROUPS),
        rng.integers(0, 10, GROUPS),
        np.arange(GROUPS) % 4,
        np.ones((GROUPS, 3), np.float32),
        np.arange(GROUPS),
        ((first + np.arange(4) * 90 + 180) % 360 - 180).astype(np.float32),
        np.full((GROUPS, 4), 15, np.float32),
        rng.uniform(1, 3, (GROUPS, 4, 64, 64)).astype(np.float16),
    )


@pytest.fixture(scope="module")
def learners(options, turning, pool):
    """Build one of each kind, as ``run`` does."""
    encoder = build_image_encoder()
    views = ViewPool(pool.rgba, pool.noun, pool.color, pool.azimuth_deg, pool.elevation_deg)
    base, cameras = load_base(options), load_base(turning, "multi_view")
    wide = novel_view.widened(cameras.prior.unet)
    return {
        "image_encoder": EncoderLearner(pool, build_image_encoder(), Heads(), SETTINGS),
        "image_prompt": image_prompt.make_learner(options, SETTINGS, pool, encoder),
        "novel_view": novel_view.NovelViewLearner(
            views, cameras, wide, torch.nn.Linear(96 + 4, 96), build_image_encoder(), SETTINGS
        ),
        "structure": structure.StructureLearner(pool, base, controlnet_like(base.prior.unet, 4), SETTINGS),
    }


NAMES = ["image_encoder", "image_prompt", "novel_view", "structure"]


@pytest.mark.parametrize("name", NAMES)
def test_the_step_alone_decides_a_batch(learners, name):
    first, second, other = (learners[name].loss(step)[0].item() for step in (3, 3, 4))
    assert first == second != other


@pytest.mark.parametrize("name", NAMES)
def test_only_what_is_trained_gets_gradients(learners, name):
    learner = learners[name]
    learner.loss(0)[0].backward()
    grads = {
        key: max((float(p.grad.abs().max()) for p in module.parameters() if p.grad is not None), default=0.0)
        for key, module in learner.modules.items()
    }
    # Zero-initialised values let nothing through to the image tokens yet, zero layers nothing to the control's.
    assert any(grads.values())
    assert grads.get("ip_adapter", 1.0) > 0
    if name in ("image_prompt", "structure"):
        trained = {id(p) for module in learner.modules.values() for p in module.parameters()}
        frozen = [p for p in learner.base.prior.unet.parameters() if id(p) not in trained]
        assert not any(p.requires_grad for p in frozen)
        assert all(p.requires_grad for module in learner.modules.values() for p in module.parameters())


def test_a_fresh_image_prompt_changes_nothing(learners, options):
    base = load_prior(str(options.start), "text_to_image", CPU)
    adapted = learners["image_prompt"].base.prior
    xt, t, text = torch.randn(2, 8, 16, 16), torch.tensor([5, 800]), base.encode_text(["a red car", ""])
    image = {"image_embeds": [torch.randn(2, 1, 96)]}
    expected = base.unet(xt, t, text, return_dict=False)[0]
    # channels_last sums in another order.
    torch.testing.assert_close(
        adapted.unet(xt, t, text, added_cond_kwargs=image, return_dict=False)[0], expected, atol=1e-4, rtol=1e-4
    )


def test_an_exported_image_prompt_loads_as_it_was(learners, options, tmp_path):
    learner = learners["image_prompt"]
    with torch.no_grad():
        for parameter in learner.modules["ip_adapter"].parameters():
            parameter.copy_(parameter.half())
    learner.export(tmp_path)
    prior = load_prior(str(options.start), "image_prompt", CPU, tmp_path)
    for name, processor in learner.modules["ip_adapter"].items():
        key = image_prompt.adapted_processors(prior.unet)[int(name)]
        for parameter, loaded in zip(processor.parameters(), prior.unet.attn_processors[key].parameters(), strict=True):
            assert torch.equal(parameter, loaded)
    assert prior.encode_image(torch.rand(2, 3, 64, 64)).shape == (2, 96)


def test_an_exported_controlnet_loads_as_it_was(learners, options, tmp_path):
    learners["structure"].export(tmp_path)
    prior = load_prior(str(options.start), "structure", CPU, tmp_path)
    trained, loaded = learners["structure"].controlnet.state_dict(), prior.controlnet.state_dict()
    assert trained.keys() == loaded.keys()
    assert all(torch.equal(tensor.half().float(), loaded[name]) for name, tensor in trained.items())
    text = prior.encode_text(["a red car"])
    eps = prior.eps(torch.randn(1, 8, 16, 16), torch.tensor([5]), Cond(text, control=torch.rand(1, 3, 64, 64)))
    assert eps.isfinite().all()


def test_an_exported_novel_view_prior_loads_as_it_was(learners, tmp_path):
    learners["novel_view"].export(tmp_path)
    prior = load_prior(str(tmp_path), "novel_view", CPU)
    learner = learners["novel_view"]
    pairs = (
        (learner.unet, prior.unet),
        (learner.projection, prior.projection),
        (learner.encoder, prior.image_encoder.model),
    )
    for trained, loaded in ((one.state_dict(), two.state_dict()) for one, two in pairs):
        assert trained.keys() == loaded.keys()
        assert all(torch.equal(tensor.half().float(), loaded[name].float()) for name, tensor in trained.items())


def test_a_widened_unet_is_the_multi_view_one_of_one_view_without_camera_and_ignores_the_reference(learners):
    base, wide = learners["novel_view"].base.prior.unet, learners["novel_view"].unet
    xt, t, token = torch.randn(2, 8, 16, 16), torch.tensor([5, 800]), torch.randn(2, 1, 96)
    joined = torch.cat([xt, torch.randn_like(xt)], 1)
    alone = copy.deepcopy(base)
    alone.set_attn_processor(AttnProcessor2_0())
    for parameter in (alone.class_embedding.linear_2.weight, alone.class_embedding.linear_2.bias):
        parameter.data.zero_()
    expected = alone(xt, t, token, class_labels=torch.randn(2, 16), return_dict=False)[0]
    torch.testing.assert_close(wide(joined, t, token, return_dict=False)[0], expected, atol=1e-4, rtol=1e-4)


def test_a_prior_whose_text_is_not_beside_the_time_is_refused(turning, tmp_path):
    bare = tmp_path / "bare"
    write_text_to_image(bare, in_channels=8, out_channels=8, sample_size=16, addition_embed_type=None, **CAMERAS)
    shutil.copy(turning.start / "vae" / PCA_FILE, bare / "vae" / PCA_FILE)
    with pytest.raises(LimbeckError, match="addition_embed_type") as refused:
        novel_view.run(replace(turning, start=bare, out=tmp_path / "out"))
    assert refused.value.code == "E_MODEL_INCOMPLETE"


def test_captions_of_the_image_prompt_never_name_the_pattern(pool):
    rng = np.random.default_rng(0)
    groups = np.arange(GROUPS)
    texts = draw_captions(pool, groups, np.zeros(GROUPS, int), rng, pattern_said=0.0)
    assert not any(word in text for text in texts for word in ("striped", "spotted", "shiny"))


def test_conditions_are_dropped_as_often_as_stated():
    text, image = image_prompt.draw_kept(100_000, np.random.default_rng(0))
    shares = [(~text & image).mean(), (text & ~image).mean(), (~text & ~image).mean()]
    # Five standard deviations of a share of three in ten over 100,000 draws are 0.0073.
    stated = [image_prompt.TEXT_DROPPED, image_prompt.IMAGE_DROPPED, image_prompt.BOTH_DROPPED]
    assert shares == pytest.approx(stated, abs=0.0073)


def test_a_common_scale_is_no_stretch():
    stretch = np.array([[1.2, 1.2, 1.2], [1.0, 1.0, 1.3]], np.float32)
    relative = relative_stretch(stretch)
    assert np.abs(relative[0]).max() < 1e-6
    np.testing.assert_allclose(relative[1], relative_stretch(stretch * 2)[1], atol=1e-5)


def test_training_without_a_prior_to_start_from_is_refused(options):
    with pytest.raises(LimbeckError) as refused:
        load_base(replace(options, start=None))
    assert refused.value.code == "E_USAGE"


@pytest.mark.parametrize("module", [image_prompt, novel_view, structure], ids=lambda module: module.__name__)
def test_a_whole_training_writes_a_card_that_names_its_start_and_no_sheet_where_none_is_wanted(
    options, turning, tmp_path, module
):
    options = turning if module is novel_view else options
    out = tmp_path / "trained"
    module.run(replace(options, out=out, steps=1, things=4, cache=tmp_path, draws_sheet=False))
    assert json.loads((out / "card.json").read_text())["facts"]["start"] == prior_digest(options.start)
    assert not (out / "samples.jpg").exists()


def test_a_trained_novel_view_prior_is_taken_up_again(turning, pool, tmp_path):
    first = replace(turning, out=tmp_path / "first", steps=1, things=4, cache=tmp_path, draws_sheet=False)
    novel_view.run(first)
    further = replace(first, start=first.out, out=tmp_path / "further")
    views = ViewPool(pool.rgba, pool.noun, pool.color, pool.azimuth_deg, pool.elevation_deg)
    learner = novel_view.further_learner(further, SETTINGS, views)
    saved = load_prior(str(first.out), "novel_view", CPU)
    pairs = (
        (learner.unet, saved.unet),
        (learner.projection, saved.projection),
        (learner.encoder, saved.image_encoder.model),
    )
    for taken, was in pairs:
        assert all(torch.equal(tensor, was.state_dict()[name]) for name, tensor in taken.state_dict().items())
    learner.loss(0)[0].backward()
    assert learner.projection.weight.grad.abs().max() > 0
    novel_view.run(further)
    card = json.loads((further.out / "card.json").read_text())
    assert card["facts"]["start"] == prior_digest(first.out)
    assert card["facts"]["latents_hidden"] == novel_view.LATENTS_HIDDEN(1.0)


def test_an_image_encoder_to_train_on_that_lacks_a_weight_is_refused(tmp_path):
    save_half(build_image_encoder(), tmp_path)
    weights = tmp_path / "model.safetensors"
    save_file(dict(list(load_file(weights).items())[1:]), weights, metadata={"format": "pt"})
    with pytest.raises(LimbeckError) as refused:
        load_trainable_encoder(tmp_path, CPU)
    assert refused.value.code == "E_MODEL_INCOMPLETE"


def test_silhouettes_are_found_over_an_unknown_background():
    rgb = torch.full((2, 3, 16, 16), 0.6)
    rgb[0, 0, 4:10, 5:12] = 0.9
    truth = torch.zeros(2, 16, 16, dtype=torch.bool)
    truth[0, 4:10, 5:12] = True
    assert torch.equal(silhouette(rgb), truth)
    assert torch.equal(silhouette(rgb, torch.full((2, 3), 0.6)), truth)


def test_agreement_is_intersection_over_union():
    first, second = torch.zeros(3, 4, 4, dtype=torch.bool), torch.zeros(3, 4, 4, dtype=torch.bool)
    first[0, :2], second[0, 1:3] = True, True
    first[1] = True
    assert intersection_over_union(first, second).tolist() == pytest.approx([1 / 3, 0.0, 1.0])


def test_toys_to_measure_on_are_held_out_and_unusual():
    toys = held_out_toys(20, 0, is_unusual)
    assert all((toy.noun, toy.color) in held_out_pairs() for toy in toys)
    assert all(toy.pattern != "plain" or max(toy.stretch) / min(toy.stretch) > 1.35 for toy in toys)
