# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""How the text-to-image and multi-view priors are trained: data shares, captions, losses, folders that load."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPTokenizer

from limbeck.errors import LimbeckError
from limbeck.playset.captions import vocabulary
from limbeck.playset.pool import Pool, build_pool
from limbeck.priors.loading import load_prior
from limbeck.priors.patch_autoencoder import PatchAutoencoder
from limbeck.priors.prior import Cond
from limbeck.training import multi_view, text_to_image
from limbeck.training.diffusion_loss import seeded, v_loss
from limbeck.training.latents import PCA_FILE, encode, fit_pca
from limbeck.training.networks import build_scheduler, build_unet
from limbeck.training.options import TrainingOptions
from limbeck.training.starting import prior_digest
from limbeck.training.text_to_image import VIEW_SAID, Captions, TextToImageLearner, biased_views
from limbeck.training.tokenizer import write_tokenizer

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def pool() -> Pool:
    return build_pool(40, 1)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> CLIPTokenizer:
    return write_tokenizer(vocabulary(), tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text-to-image prior after two steps."""
    folder = tmp_path_factory.mktemp("prior")
    torch.set_num_threads(1)
    text_to_image.run(TrainingOptions(folder / "t2i", steps=2, things=24, cache=folder, draws_sheet=False))
    return folder


def test_every_caption_word_is_one_token(tokenizer: CLIPTokenizer) -> None:
    split = [word for word in vocabulary() if len(tokenizer(word).input_ids) != 3]
    assert split == ["3d"]  # CLIP parts digits from letters


def test_a_tokenizer_reads_back_the_same(tokenizer: CLIPTokenizer, tmp_path: Path) -> None:
    tokenizer.save_pretrained(tmp_path)
    again = CLIPTokenizer.from_pretrained(tmp_path, local_files_only=True)
    text = "a photo of a striped blue teddy bear, front view: zebra"
    assert again(text).input_ids == tokenizer(text).input_ids
    assert len(again) == len(tokenizer)


@pytest.mark.parametrize("share", [0.25, 0.6])
def test_views_are_drawn_with_the_asked_share_of_fronts(pool: Pool, share: float) -> None:
    groups = np.random.default_rng(1).integers(len(pool), size=20_000)
    views = biased_views(pool, groups, share, np.random.default_rng(0))
    measured = (np.abs(pool.azimuth_deg[groups, views]) <= 45).mean()
    assert measured == pytest.approx(share, abs=4 * (share * (1 - share) / 20_000) ** 0.5)


def test_among_biased_views_backs_are_as_many_as_sides(pool: Pool) -> None:
    groups = np.random.default_rng(1).integers(len(pool), size=20_000)
    azimuth = pool.azimuth_deg[groups, biased_views(pool, groups, 0.6, np.random.default_rng(0))]
    off_front = np.abs((azimuth + 180) % 360 - 180)
    assert (off_front >= 135).mean() == pytest.approx(0.2, abs=0.012)
    assert ((off_front > 45) & (off_front < 135)).mean() == pytest.approx(0.2, abs=0.012)


def test_captions_are_dropped_and_name_views_as_often_as_said(pool: Pool, tokenizer: CLIPTokenizer) -> None:
    captions = Captions(tokenizer, pool, says_view=True)
    groups = np.zeros(1500, int)
    tokens = captions.draw(groups, groups, np.random.default_rng(0))
    texts = tokenizer.batch_decode(tokens, skip_special_tokens=True)
    assert np.mean([text == "" for text in texts]) == pytest.approx(0.1, abs=0.035)
    assert np.mean(["view" in text for text in texts if text]) == pytest.approx(VIEW_SAID, abs=0.055)


def test_the_loss_of_the_true_v_is_zero_and_of_nothing_is_one() -> None:
    alphas_cumprod = build_scheduler().alphas_cumprod
    latents = torch.randn(512, 8, 4, 4, generator=torch.Generator().manual_seed(0))

    def true_v(xt: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        alpha = alphas_cumprod[t].sqrt()[:, None, None, None]
        sigma = (1 - alphas_cumprod[t]).sqrt()[:, None, None, None]
        noise = (xt - alpha * latents) / sigma
        return alpha * noise - sigma * latents

    loss, _ = v_loss(true_v, latents, alphas_cumprod, seeded(0, 0), min_weight=1.0)
    assert float(loss) == pytest.approx(0, abs=1e-6)
    _, figures = v_loss(lambda xt, t: torch.zeros_like(xt), latents, alphas_cumprod, seeded(0, 0), min_weight=1.0)
    assert figures["v_mse"] == pytest.approx(1, abs=0.05)  # v of unit latents and unit noise has unit variance


@pytest.mark.parametrize("min_weight", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("snr", [1e-3, 0.5, 5.0, 80.0])
def test_the_weight_is_min_snrs_with_a_floor(snr: float, min_weight: float) -> None:
    alphas_cumprod = torch.tensor([snr / (1 + snr)])
    latents = torch.randn(4, 8, 4, 4, generator=torch.Generator().manual_seed(0))
    loss, figures = v_loss(
        lambda xt, t: torch.zeros_like(xt), latents, alphas_cumprod, seeded(0, 0), min_weight=min_weight
    )
    # arXiv:2303.09556, eq. 4 and section 3.4: min(SNR, 5) / SNR of the x0 loss is this much of the v loss.
    weight = min(snr, 5.0) / (snr + 1) + min_weight / (snr + 1)
    assert float(loss) / figures["v_mse"] == pytest.approx(weight, rel=1e-4)


def test_latents_have_unit_size_and_decode_to_the_picture(pool: Pool) -> None:
    pca = fit_pca(pool, 0)
    rng = np.random.default_rng(0)
    images = torch.from_numpy(pool.images(np.arange(40), np.zeros(40, int), rng))
    latents = encode(images, pca)
    assert latents.shape == (40, 8, 16, 16)
    assert float(latents.square().mean().sqrt()) == pytest.approx(1, abs=0.15)
    error = (PatchAutoencoder(pca).decode(latents) - images).square().mean()
    assert -10 * float(error.log10()) > 20  # dB; eight components of 48


def test_a_new_unet_takes_captions_and_timesteps_without_more() -> None:
    unet = build_unet()
    out = unet(torch.randn(2, 8, 16, 16), torch.tensor([3, 500]), torch.randn(2, 16, 96)).sample
    assert out.shape == (2, 8, 16, 16)


def test_training_writes_a_prior_that_the_common_loader_reads(trained: Path) -> None:
    prior = load_prior(str(trained / "t2i"), "text_to_image", CPU)
    xt = torch.randn(2, 8, 16, 16, generator=torch.Generator().manual_seed(0))
    noise_pred = prior.eps(xt, torch.tensor([10, 900]), Cond(prior.encode_text(["a red car", ""])))
    assert noise_pred.isfinite().all()
    assert (trained / "t2i" / "card.json").is_file()


def test_the_multi_view_prior_starts_from_it_and_loads(trained: Path) -> None:
    out = trained / "mv"
    multi_view.run(TrainingOptions(out, steps=1, things=24, start=trained / "t2i", cache=trained, draws_sheet=False))
    assert load_prior(str(out), "multi_view", CPU).spec.views_per_group == 4
    weights = [folder / "vae" / "diffusion_pytorch_model.safetensors" for folder in (out, trained / "t2i")]
    assert weights[0].read_bytes() == weights[1].read_bytes()  # whatever decoder its start has


def changed_copy(prior: Path, folder: Path, part: str) -> Path:
    """Copy a prior and double one of the part's weights."""
    shutil.copytree(prior, folder, ignore=shutil.ignore_patterns("checkpoint.*"))
    path = next((folder / part).glob("*model.safetensors"))
    tensors = load_file(path)
    name = next(iter(tensors))
    save_file({**tensors, name: tensors[name] * 2}, path, metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize("part", ["unet", "text_encoder"])
def test_a_run_from_another_prior_does_not_continue_the_checkpoint(trained: Path, tmp_path: Path, part: str) -> None:
    options = TrainingOptions(tmp_path / "out", steps=1, things=24, cache=trained, draws_sheet=False)
    multi_view.run(replace(options, start=trained / "t2i"))
    multi_view.run(replace(options, start=trained / "t2i"))
    other = changed_copy(trained / "t2i", tmp_path / "other", part)
    with pytest.raises(LimbeckError) as refused:
        multi_view.run(replace(options, start=other))
    assert refused.value.code == "E_CHECKPOINT_MISMATCH"
    assert "start" in refused.value.message


@pytest.mark.parametrize("part", ["unet", "text_encoder", "vae"])
@pytest.mark.parametrize("train", [multi_view.run, text_to_image.run])
def test_a_start_that_lacks_a_weight_is_refused_before_rendering(
    trained: Path, tmp_path: Path, part: str, train: Callable[[TrainingOptions], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    start = tmp_path / "start"
    shutil.copytree(trained / "t2i", start, ignore=shutil.ignore_patterns("checkpoint.*"))
    path = next((start / part).glob("*model.safetensors"))
    if part == "vae":
        (start / "vae" / PCA_FILE).unlink()
    else:
        save_file(dict(list(load_file(path).items())[:-1]), path, metadata={"format": "pt"})
    monkeypatch.setattr(sys.modules[train.__module__], "open_pool", None)
    with pytest.raises(LimbeckError) as refused:
        train(TrainingOptions(tmp_path / "out", steps=1, things=24, start=start, draws_sheet=False))
    assert refused.value.code == "E_MODEL_INCOMPLETE"


def test_a_chain_of_runs_adds_up_what_the_weights_went_through(trained: Path, tmp_path: Path) -> None:
    links = [trained / "t2i"]
    for name in ("second", "third"):
        out = tmp_path / name
        text_to_image.run(
            TrainingOptions(out, steps=1, things=24, cache=trained, start=links[-1], draws_sheet=False, seed=0)
        )
        links.append(out)
    cards = [json.loads((link / "card.json").read_text()) for link in links]
    assert "started_from" not in cards[0]["facts"]
    past = [card["facts"]["started_from"] for card in cards[1:]]
    assert [told["steps"] for told in past] == [2, 3]
    for name in ("seconds", "cpu_seconds"):
        spent = [card["training"][name] for card in cards]
        assert [told[name] for told in past] == pytest.approx([spent[0], spent[0] + spent[1]], abs=0.11)
    assert [told["weights"] for told in past] == [prior_digest(link) for link in links[:-1]]


def test_the_camera_sibling_goes_on_from_a_prior_with_a_fresh_camera_embedding(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[dict[str, torch.Tensor]] = []

    def stop(learner: TextToImageLearner, *_: object) -> None:
        begun.append({name: tensor.clone() for name, tensor in learner.unet.state_dict().items()})
        raise KeyboardInterrupt

    monkeypatch.setattr(text_to_image, "train", stop)
    options = TrainingOptions(tmp_path, steps=1, things=24, cache=trained, start=trained / "t2i", draws_sheet=False)
    for run in (text_to_image.run_camera, text_to_image.run_unbiased):
        with pytest.raises(KeyboardInterrupt):
            run(options)
    source = load_file(trained / "t2i" / "unet" / "diffusion_pytorch_model.safetensors")
    for weights in begun:
        assert all(torch.equal(weights[name], tensor.float()) for name, tensor in source.items())
    fresh = [{name for name in weights if name not in source} for weights in begun]
    assert {name.split(".")[0] for name in fresh[0]} == {"class_embedding"}
    assert fresh[1] == set()


def test_a_multi_view_training_without_a_start_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LimbeckError, match="--start"):
        multi_view.run(TrainingOptions(tmp_path, steps=1))
