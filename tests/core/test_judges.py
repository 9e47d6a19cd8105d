# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Judges against what they stand for: transformers' own CLIP, BLIP's own layers, the classifier's own words."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import gelu, layer_norm, linear
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

from limbeck.errors import LimbeckError
from limbeck.evaluation.clip_judge import ClipJudge
from limbeck.evaluation.embedded_judge import EmbeddedJudge
from limbeck.evaluation.evaluate import distinct_candidates
from limbeck.evaluation.image_reward import MEAN, STD, ImageReward
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


WIDTH, TEXT_WIDTH, PATCH, SIDE, LAYERS = 128, 64, 8, 4, 2


def reward_tensors() -> dict[str, Tensor]:
    """Random weights under ImageReward's own keys: timm's transformer, BLIP's BERT, five linear layers."""
    generator = torch.Generator().manual_seed(0)
    shapes: dict[str, tuple[int, ...]] = {
        "patch_embed.proj.weight": (WIDTH, 3, PATCH, PATCH),
        "patch_embed.proj.bias": (WIDTH,),
        "pos_embed": (1, SIDE**2 + 1, WIDTH),
        "cls_token": (1, 1, WIDTH),
    }
    for at in range(LAYERS):
        layers = {"norm1": (WIDTH,), "norm2": (WIDTH,), "attn.qkv": (3 * WIDTH, WIDTH), "attn.proj": (WIDTH, WIDTH)}
        layers |= {"mlp.fc1": (2 * WIDTH, WIDTH), "mlp.fc2": (WIDTH, 2 * WIDTH)}
        shapes |= with_biases({f"blocks.{at}.{name}": shape for name, shape in layers.items()})
    shapes |= with_biases({"norm": (WIDTH,)})
    vision = {f"blip.visual_encoder.{key}": shape for key, shape in shapes.items()}
    width = (TEXT_WIDTH, TEXT_WIDTH)
    shapes = {
        "word_embeddings.weight": (len(VOCABULARY) + 2, TEXT_WIDTH),
        "position_embeddings.weight": (64, TEXT_WIDTH),
    }
    text = {f"embeddings.{key}": shape for key, shape in (shapes | with_biases({"LayerNorm": width[:1]})).items()}
    for at in range(LAYERS):
        layers = {"attention.self.query": width, "attention.self.key": width, "attention.self.value": width}
        layers |= {"attention.output.dense": width, "attention.output.LayerNorm": width[:1]}
        layers |= {"crossattention.self.query": width, "crossattention.self.key": (TEXT_WIDTH, WIDTH)}
        layers |= {"crossattention.self.value": (TEXT_WIDTH, WIDTH), "crossattention.output.dense": width}
        layers |= {"crossattention.output.LayerNorm": width[:1], "intermediate.dense": (96, TEXT_WIDTH)}
        layers |= {"output.dense": (TEXT_WIDTH, 96), "output.LayerNorm": width[:1]}
        text |= with_biases({f"encoder.layer.{at}.{name}": shape for name, shape in layers.items()})
    text = {f"blip.text_encoder.{key}": shape for key, shape in text.items()}
    widths = (TEXT_WIDTH, 1024, 128, 64, 16, 1)
    numbered = zip((0, 2, 4, 6, 7), widths[:-1], widths[1:], strict=True)
    head = with_biases({f"mlp.layers.{number}": (after, before) for number, before, after in numbered})
    tensors = {
        key: torch.randn(shape, generator=generator) / math.prod(shape[1:]) ** 0.5
        for key, shape in (vision | text | head).items()
    }
    tensors["blip.text_encoder.embeddings.position_ids"] = torch.arange(64)[None]
    tensors["blip.vision_proj.weight"] = torch.zeros(4, WIDTH)  # there, too, and not used
    return tensors


def with_biases(shapes: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    weights = {f"{key}.weight": shape for key, shape in shapes.items()}
    return weights | {f"{key}.bias": shape[:1] for key, shape in shapes.items()}


VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "red", "blue", "mug", "penguin"]


def write_reward(folder: Path) -> Path:
    folder.mkdir()
    save_file(reward_tensors(), folder / "ImageReward.safetensors")
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
    return folder


def attend(query: Tensor, key: Tensor, value: Tensor, heads: int, mask: Tensor | None = None) -> Tensor:
    parts = (each.unflatten(-1, (heads, -1)).transpose(1, 2) for each in (query, key, value))
    query, key, value = parts
    scores = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
    if mask is not None:
        scores = scores.masked_fill(mask[:, None, None] == 0, -torch.inf)
    return (scores.softmax(-1) @ value).transpose(1, 2).flatten(2)


def plain_reward(t: dict[str, Tensor], rgb: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
    """ImageReward in plain torch: BLIP's picture encoder, its text encoder reading it, the head."""

    def dense(name: str, x: Tensor) -> Tensor:
        return linear(x, t[f"{name}.weight"], t[f"{name}.bias"])

    def norm(name: str, x: Tensor, eps: float) -> Tensor:
        return layer_norm(x, x.shape[-1:], t[f"{name}.weight"], t[f"{name}.bias"], eps)

    v = "blip.visual_encoder."
    x = torch.nn.functional.conv2d(rgb, t[f"{v}patch_embed.proj.weight"], t[f"{v}patch_embed.proj.bias"], PATCH)
    x = torch.cat([t[f"{v}cls_token"].expand(len(rgb), -1, -1), x.flatten(2).transpose(1, 2)], 1) + t[f"{v}pos_embed"]
    for at in range(LAYERS):
        b = f"{v}blocks.{at}."
        qkv = dense(f"{b}attn.qkv", norm(f"{b}norm1", x, 1e-6)).chunk(3, -1)
        x = x + dense(f"{b}attn.proj", attend(*qkv, WIDTH // 64))
        x = x + dense(f"{b}mlp.fc2", gelu(dense(f"{b}mlp.fc1", norm(f"{b}norm2", x, 1e-6))))
    seen = norm(f"{v}norm", x, 1e-6)
    e = "blip.text_encoder.embeddings."
    h = t[f"{e}word_embeddings.weight"][ids] + t[f"{e}position_embeddings.weight"][: ids.shape[1]]
    h = norm(f"{e}LayerNorm", h, 1e-12)
    for at in range(LAYERS):
        b = f"blip.text_encoder.encoder.layer.{at}."
        for kind, source, hidden in (("attention", None, mask), ("crossattention", seen, None)):
            read = h if source is None else source
            keys = (dense(f"{b}{kind}.self.{name}", read) for name in ("key", "value"))
            answer = attend(dense(f"{b}{kind}.self.query", h), *keys, TEXT_WIDTH // 64, hidden)
            h = norm(f"{b}{kind}.output.LayerNorm", dense(f"{b}{kind}.output.dense", answer) + h, 1e-12)
        inner = dense(f"{b}output.dense", gelu(dense(f"{b}intermediate.dense", h)))
        h = norm(f"{b}output.LayerNorm", inner + h, 1e-12)
    reward = h[:, 0]
    for number in (0, 2, 4, 6, 7):
        reward = dense(f"mlp.layers.{number}", reward)
    return (reward[:, 0] - MEAN) / STD


@torch.no_grad()
def test_image_reward_is_blip_in_plain_torch(tmp_path: Path) -> None:
    model = ImageReward.load(write_reward(tmp_path / "reward"), CPU)
    shown = pictures(PATCH * SIDE, 20)
    ids = torch.zeros(20, 35, dtype=torch.long)
    ids[:, :5] = torch.tensor([VOCABULARY.index(word) for word in ("[CLS]", "a", "red", "mug", "[SEP]")])
    mask = (torch.arange(35) < 5).long().expand(20, -1)
    mean, std = (torch.tensor(values)[:, None, None] for values in (CLIP_MEAN, CLIP_STD))
    rgb = (torch.from_numpy(shown.transpose(0, 3, 1, 2)).float() / 255 - mean) / std
    expected = plain_reward(reward_tensors(), rgb, ids, mask).numpy()
    assert np.ptp(expected) > 0.05, "pictures differ"
    assert np.allclose(model.fit(shown, "A red mug"), expected, atol=1e-4)
    assert np.abs(model.fit(shown, "a blue penguin") - expected).max() > 0.01


CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def test_a_pickled_image_reward_is_never_read(tmp_path: Path) -> None:
    (tmp_path / "ImageReward.pt").write_bytes(b"cos\nsystem\n(S'touch ran'\ntR.")
    with pytest.raises(LimbeckError) as caught:
        ImageReward.load(tmp_path, CPU)
    assert caught.value.code == "E_MODEL_UNSAFE"
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("spoil", ["weights", "vocab.txt", "cut", "keys", "empty"])
def test_an_image_reward_that_is_not_whole_is_refused(tmp_path: Path, spoil: str) -> None:
    folder = write_reward(tmp_path / "reward")
    weights = folder / "ImageReward.safetensors"
    match spoil:
        case "weights":
            weights.unlink()
        case "vocab.txt":
            (folder / "vocab.txt").unlink()
        case "cut":
            weights.write_bytes(weights.read_bytes()[:5000])
        case "keys":
            tensors = reward_tensors()
            del tensors["blip.visual_encoder.blocks.1.attn.qkv.bias"]
            save_file(tensors, weights)
        case "empty":
            save_file({"something": torch.zeros(1)}, weights)
    with pytest.raises(LimbeckError) as caught:
        ImageReward.load(folder, CPU)
    assert caught.value.code == "E_MODEL_INCOMPLETE"
