# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Judges against what they stand for: transformers' own CLIP, BLIP's own layers, the classifier's own words."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

from limbeck.errors import LimbeckError
from limbeck.evaluation.clip_judge import ClipJudge
from limbeck.evaluation.embedded_judge import EmbeddedJudge
from limbeck.evaluation.evaluate import distinct_candidates
from limbeck.evaluation.judge import judge_folder, load_judge
from limbeck.evaluation.toys import over
from limbeck.evaluation.words import read_words, require_readable
from limbeck.playset.render import render_views
from limbeck.playset.things import COLOR_WORDS, NOUNS, PATTERNS, Thing
from limbeck.priors.locating import EMBEDDED
from tiny_models import CPU

TEXTS = ["a blue penguin", "a red mug", "a striped green frog"]


def write_clip(folder: Path) -> Path:
    """CLIP's published layout: one folder with config.json, model.safetensors and the tokenizer."""
    torch.manual_seed(0)
    tokenizer = EMBEDDED / "text_to_image" / "tokenizer"
    shutil.copytree(tokenizer, folder)
    words = CLIPTokenizer.from_pretrained(tokenizer)
    small = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    ends = {"bos_token_id": words.bos_token_id, "eos_token_id": words.eos_token_id, "pad_token_id": words.pad_token_id}
    text = {**small, **ends, "vocab_size": len(words), "max_position_embeddings": 16, "projection_dim": 12}
    vision = {**small, "image_size": 32, "patch_size": 8, "projection_dim": 12}
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=12)).save_pretrained(folder)
    return folder


def pictures(size: int, count: int = 5) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "model")


@pytest.fixture(scope="module")
def clip(clip_folder: Path) -> ClipJudge:
    judge = load_judge(str(clip_folder), CPU)
    assert isinstance(judge, ClipJudge)
    return judge


@torch.no_grad()
def direct_cosines(folder: Path, shown: np.ndarray) -> np.ndarray:
    """The cosines of transformers' own model, tokenizer and image processor."""
    model = CLIPModel.from_pretrained(folder).eval()
    tokens = CLIPTokenizer.from_pretrained(folder)(TEXTS, padding=True, return_tensors="pt")
    size = model.config.vision_config.image_size
    processor = CLIPImageProcessorPil(size={"shortest_edge": size}, crop_size={"height": size, "width": size})
    pixels = processor(list(shown), return_tensors="pt")["pixel_values"]
    return (model(**tokens, pixel_values=pixels).logits_per_image / model.logit_scale.exp()).numpy()


def test_cosines_are_those_of_transformers(clip: ClipJudge, clip_folder: Path) -> None:
    shown = pictures(32)
    expected = direct_cosines(clip_folder, shown)
    assert np.allclose(clip.similarities(shown, TEXTS), expected, atol=1e-5)
    assert np.allclose(clip.fit(shown, TEXTS[1]), expected[:, 1], atol=1e-5)
    assert clip.scores(shown, TEXTS[1])["clip_score"] == pytest.approx(100 * expected[:, 1].mean(), abs=1e-3)


def test_pictures_of_another_size_are_shrunk_as_transformers_does(clip: ClipJudge, clip_folder: Path) -> None:
    blocks = pictures(16, 3).repeat(4, 1).repeat(4, 2)
    assert np.allclose(clip.similarities(blocks, TEXTS), direct_cosines(clip_folder, blocks), atol=2e-3)


def test_more_pictures_than_a_batch_are_judged_alike(clip: ClipJudge) -> None:
    shown = pictures(32, 70)
    one_by_one = np.concatenate([clip.fit(shown[i : i + 1], TEXTS[0]) for i in range(70)])
    assert np.allclose(clip.fit(shown, TEXTS[0]), one_by_one, atol=1e-6)


def test_clip_divides_a_picture_among_three_views(clip: ClipJudge) -> None:
    shown, text = pictures(32), TEXTS[0]
    views = [f"{text}, {view} view" for view in ("front", "side", "back")]
    logits = clip.similarities(shown, views) * float(clip.model.logit_scale.exp())
    expected = np.exp(logits[:, 0]) / np.exp(logits).sum(1)
    assert np.allclose(clip.front_probability(shown, text), expected, atol=1e-6)


@pytest.mark.parametrize("spoil", ["config.json", "model.safetensors", "vocab.json", "half"])
def test_a_folder_that_is_no_whole_clip_is_refused(tmp_path: Path, clip_folder: Path, spoil: str) -> None:
    folder = tmp_path / "clip"
    shutil.copytree(clip_folder, folder)
    if spoil == "half":
        tensors = load_file(folder / "model.safetensors")
        save_file(dict(list(tensors.items())[:10]), folder / "model.safetensors", metadata={"format": "pt"})
    else:
        (folder / spoil).unlink()
        (folder / "tokenizer.json").unlink(missing_ok=True)
    with pytest.raises(LimbeckError) as caught:
        load_judge(str(folder), CPU)
    assert caught.value.code == "E_MODEL_INCOMPLETE"


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("nobody", "E_MODEL_UNKNOWN"),
        ("sd-1.5", "E_MODEL_UNKNOWN"),
        ("clip-vit-b-32", "E_MODEL_MISSING"),
        ("some/clip", "E_MODEL_MISSING"),
    ],
)
def test_a_judge_that_is_not_there_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, code: str
) -> None:
    monkeypatch.setenv("LIMBECK_DATA_DIR", str(tmp_path))
    with pytest.raises(LimbeckError) as caught:
        judge_folder(source)
    assert caught.value.code == code


@pytest.fixture(scope="module")
def embedded() -> EmbeddedJudge:
    return EmbeddedJudge.load(CPU)


def shown_toy(noun: str, color: str, pattern: str = "plain") -> np.ndarray:
    views = render_views(Thing(noun, color, pattern, seed=3), [0.0, 40.0, 90.0, 180.0, 270.0], 15.0, size=64)
    rgb = over(views, torch.full((5, 3), 0.87))
    return (rgb.permute(0, 2, 3, 1).numpy() * 255 + 0.5).astype(np.uint8)


def test_the_embedded_judge_knows_a_true_toy_by_its_words(embedded: EmbeddedJudge) -> None:
    shown = shown_toy("penguin", "blue")
    right, wrong = embedded.scores(shown, "a photo of a blue penguin"), embedded.scores(shown, "a red mug")
    assert right["object"] == 1.0
    assert right["color"] >= 0.8
    assert "pattern" not in right
    assert right["word_probability"] > 0.5 > wrong["word_probability"]
    nearest = embedded.similarities(shown, ["a red mug", "a red penguin", "a blue penguin", "a striped blue penguin"])
    assert (nearest.argmax(1) == 2).mean() >= 0.8


def test_word_probability_is_the_product_of_the_classifiers_own(embedded: EmbeddedJudge) -> None:
    shown = shown_toy("mug", "red", "striped")
    answer = embedded.judges.classifier(torch.from_numpy(shown.transpose(0, 3, 1, 2)).float() / 255)
    parts = (
        (answer.noun, NOUNS, "mug"),
        (answer.color, COLOR_WORDS, "red"),
        (answer.pattern, PATTERNS, "striped"),
    )
    expected = torch.stack([logits.softmax(1)[:, words.index(word)] for logits, words, word in parts]).prod(0)
    assert np.allclose(embedded.fit(shown, "a striped red mug"), expected.numpy(), atol=1e-6)
    assert np.allclose(embedded.fit(shown, "a mug"), answer.noun.softmax(1)[:, NOUNS.index("mug")].numpy(), atol=1e-6)


def test_fronts_are_asked_only_of_what_has_one(embedded: EmbeddedJudge) -> None:
    front = embedded.front_probability(shown_toy("penguin", "blue"), "a blue penguin")
    assert front is not None
    assert front[0] > 0.5 > front[3]
    assert embedded.front_probability(shown_toy("mug", "red"), "a red mug") is None


def test_prompts_are_read_as_words() -> None:
    words = read_words("A photo of a Striped, RED teddy bear")
    assert words is not None
    assert str(words) == "striped red teddy bear"
    assert str(read_words("the orange cat on a blue chair")) == "plain orange cat"
    assert read_words("a redcar") is None
    assert str(read_words("a robot")) == "plain any colour robot"


def test_prompts_beyond_the_embedded_words_warn_or_are_refused() -> None:
    assert require_readable("embedded", ["a photo of a red mug"]) == []
    (warning,) = require_readable("embedded", ["a red mug with a hat"])
    assert "hat" in warning
    with pytest.raises(LimbeckError) as caught:
        require_readable("embedded", ["a red mug", "the Eiffel tower"])
    assert caught.value.code == "E_PROMPT_WORDS"
    assert "clip-vit-b-32" in caught.value.remedy
    assert require_readable("clip-vit-b-32", ["the Eiffel tower"]) == []


def test_candidates_that_mean_the_same_are_one(embedded: EmbeddedJudge, clip: ClipJudge) -> None:
    candidates = ["a photo of a red mug", "a red mug", "a blue mug", "A  blue mug"]
    assert distinct_candidates("a red mug", candidates, embedded) == ["A  blue mug", "a red mug"]
    assert distinct_candidates("a red mug", candidates, clip) == ["a photo of a red mug", "A  blue mug", "a red mug"]
